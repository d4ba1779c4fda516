"""Derived seeds."""

from pipeline.base.seeds import derive_seed


def test_every_name_and_every_seed_has_its_own():
    derived = {derive_seed(s, m, b) for s in range(20) for m in "abc" for b in ("local", "global")}
    assert len(derived) == 120


def test_a_derived_seed_is_the_same_everywhere():
    assert derive_seed(7, "model", "global") == 3622940715
