"""Stage `ingest`: radiographs and their tables to shards and parquet."""

from pathlib import Path

from pipeline import tracking
from pipeline.base.files import write_json
from pipeline.base.shards import write_shards
from pipeline.base.tables import write_boxes, write_index, write_official_lists
from pipeline.cohort.reading.cache import image_index, ingest_report, plan_reading, read_images
from pipeline.cohort.reading.columns.any_table import cohort_of, read_entries
from pipeline.cohort.reading.images import thumbnails as make_thumbnails
from pipeline.cohort.reading.nih_boxes import boxes_as_fractions, parse_boxes
from pipeline.cohort.reading.nih_lists import lists_of_images, parse_lists
from pipeline.cohort.reading.row_places import placing
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params


def main(
    source: Dep,
    images: Out,
    index: Out,
    boxes: Out,
    lists: Out,
    ceiling: Out,
    report: Out,
    thumbnails: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Read a cohort in any layout; write its cache, its tables and what was left out."""
    cfg = load_params(params)
    cohort = cohort_of(source, cfg.ingest)
    entries = read_entries(cohort, cfg.ingest)
    names = entries.table["image_index"]
    official = parse_lists(cohort.train_val, cohort.test, names)
    drawn = parse_boxes(cohort.boxes)
    plan = plan_reading(cohort, entries, cfg.ingest)
    side = cfg.ingest.image_size
    with placing(images, rows=len(plan.rows), shape=(side, side)) as places:
        look = tracking.progress(total=len(plan.rows), unit="images", label="ingest")
        read = read_images(plan, places, entries, cfg.ingest, cohort, look)
        table = image_index(entries, read)
        used_boxes = boxes_as_fractions(drawn, table, entries, cfg.ingest.box_frame)
        places.keep(read.rows)
    write_shards(make_thumbnails(images), thumbnails)
    write_index(table, index)
    write_boxes(used_boxes.table, boxes)
    write_official_lists(lists_of_images(official, table["image_index"]), lists)
    write_json(cohort.ceiling, ceiling)
    summary = ingest_report(cohort, entries, read, used_boxes, official, cfg.ingest)
    write_json(summary, report)
    tracking.log_artifact(report)


if __name__ == "__main__":
    run(main)
