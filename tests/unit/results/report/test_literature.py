"""Published figures stand beside one's own on the official test list alone."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.base.findings import FINDINGS
from pipeline.results.report.views.literature import WORKS, why_not_comparable

NIH = Path(__file__).parents[4] / "../shared/nih-sample"


def test_any_other_test_set_is_told_why():
    reason = why_not_comparable((f"{n:08d}_000.png" for n in range(25_596)), FINDINGS)
    assert reason is not None
    assert "25,596 images and is not the official test list" in reason


@pytest.mark.skipif(not NIH.is_dir(), reason="needs the real lists beside the project")
def test_the_official_test_list_whole_and_in_any_order_is_comparable():
    names = (NIH / "test_list.txt").read_text().split()
    assert why_not_comparable(names, FINDINGS) is None
    assert why_not_comparable(reversed(names), FINDINGS) is None
    assert why_not_comparable(names[1:], FINDINGS) is not None


@pytest.mark.parametrize("work", [w for w in WORKS if w.auroc], ids=lambda work: work.name)
def test_a_published_mean_is_that_of_its_findings(work):
    assert list(work.auroc) == list(FINDINGS)
    assert np.mean(list(work.auroc.values())) == pytest.approx(work.mean_auroc, abs=1e-3)


def test_official_and_random_splits_are_told_apart():
    assert {work.split for work in WORKS} == {"official", "random"}
    assert max(w.mean_auroc for w in WORKS if w.split == "official") < 0.84


def test_a_mean_of_fewer_findings_stands_beside_no_mean_of_14():
    reason = why_not_comparable([], [name for name in FINDINGS if name != "Hernia"])
    assert reason is not None
    assert "over 13 of the 14 findings (without Hernia)" in reason
