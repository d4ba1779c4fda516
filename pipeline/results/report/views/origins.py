"""What the page says of where split and boxes come from, by the report of `ingest`."""

from typing import Any

Ingested = dict[str, Any]
"""What `pipeline.cohort.reading.cache.ingest_report` made."""


def split_origin(ingest: Ingested) -> str:
    """Whether the test images are a list's, or by chance."""
    files, lists = ingest["files"], ingest["lists"]
    if files["test_list"] is None:
        return (
            "The cohort came without train_val and test lists, so test patients were drawn by "
            "chance: figures do not compare with those on official test images."
            + _not_read(files["not_read"])
        )
    return (
        f"The split is the cohort's own: test images are those of {files['test_list']} "
        f"({lists['test']:,}), the others those of {files['train_val_list']} "
        f"({lists['train_val']:,}); the table has {ingest['images']['in_table']:,} images, "
        f"{ingest['images']['used']:,} are used."
    )


def box_origin(ingest: Ingested) -> str:
    """Which boxes there are, and in which frame they were drawn."""
    name, boxes = ingest["files"]["boxes"], ingest["boxes"]
    if name is None:
        return "The cohort came without a list of boxes (BBox_List_2017.csv)." + _not_read(
            ingest["files"]["not_read"]
        )
    drawn = f", drawn in {boxes['drawn_in']}" if boxes["drawn_in"] else ""
    clipped = f", {boxes['clipped']:,} cut at the edge" if boxes["clipped"] else ""
    dropped = "".join(f", {n:,} dropped ({reason})" for reason, n in boxes["dropped"].items())
    return (
        f"{name} has {boxes['in_file']:,} boxes{drawn}: {boxes['used']:,} are used"
        f"{clipped}{dropped}."
    )


def _not_read(names: list[str]) -> str:
    return f" Not read, though of similar name: {', '.join(names)}." if names else ""
