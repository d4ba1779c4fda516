"""Files of a member are gathered under their own names, and what was there before is gone."""

from pipeline.fusion.gathering import gather


def test_files_and_what_lies_in_folders_keep_their_names(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("a.csv", "b.csv", "folder/c.json"):
        (tmp_path / name).write_text(name)
    gather([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "all", of="model")
    gather([tmp_path / "a.csv", tmp_path / "folder"], tmp_path / "all", of="model")
    found = {path.name: path.read_text() for path in (tmp_path / "all").iterdir()}
    assert found == {"a.csv": "a.csv", "c.json": "folder/c.json"}
