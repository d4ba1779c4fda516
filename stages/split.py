"""Stage `split`: hold out whole patients for validation and test."""

from pathlib import Path

from pipeline import tracking
from pipeline.base.files import write_json
from pipeline.base.tables import read_index, read_official_lists, write_splits
from pipeline.cohort.splitting.split import assign_splits, check_learnable, count_splits
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params


def main(
    index: Dep,
    lists: Dep,
    out: Out,
    counts: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Read the image index and the official lists; write every image's split, and counts."""
    cfg = load_params(params)
    images = read_index(index)
    splits = assign_splits(images, read_official_lists(lists), cfg.split)
    check_learnable(images, splits)
    write_splits(splits, out)
    write_json(count_splits(images, splits), counts)
    tracking.log_artifact(counts)


if __name__ == "__main__":
    run(main)
