"""`keep_lock`: a whole dvc.lock beside the one that DVC writes."""

from pipeline.guard.lock_copy import keep_lock


def test_the_copy_is_what_the_lock_was_and_no_lock_leaves_none(tmp_path):
    keep_lock(tmp_path, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    for text in ("first", "second"):
        (tmp_path / "dvc.lock").write_text(text)
        keep_lock(tmp_path, tmp_path / "kept")
        assert (tmp_path / "kept/dvc.lock.copy").read_text() == text
    assert [one.name for one in (tmp_path / "kept").iterdir()] == ["dvc.lock.copy"]
