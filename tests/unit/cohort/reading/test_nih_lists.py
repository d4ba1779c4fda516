import pandas as pd

from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.nih_lists import OfficialLists, lists_of_images, parse_lists

NAMES = pd.Series(["a.png", "b.png", "c.png"], dtype=str)


def parse(train_val: str | None, test: str | None) -> OfficialLists:
    def file(name, text):
        return None if text is None else TextFile(name, text)

    return parse_lists(file("train_val_list.txt", train_val), file("test_list.txt", test), NAMES)


def test_each_image_of_the_table_has_its_list_and_other_names_are_counted():
    lists = parse("a.png\r\nc.png\r\nz.png", "b.png")
    assert dict(lists.table.to_numpy().tolist()) == {
        "a.png": "train_val",
        "b.png": "test",
        "c.png": "train_val",
    }
    assert lists.not_in_table == 1


def test_without_lists_there_are_no_rows():
    lists = parse(None, None)
    assert lists.table.columns.tolist() == ["image_index", "official"]
    assert len(lists.table) == 0


def test_only_the_images_asked_for_remain():
    lists = parse("a.png\nc.png", "b.png")
    assert lists_of_images(lists, NAMES[1:])["image_index"].tolist() == ["b.png", "c.png"]
