"""Stage `phantom`: make a cohort of chest radiographs with a known answer."""

from pathlib import Path

from pipeline import tracking
from pipeline.base.watching import watched
from pipeline.cohort.phantom.cohort import make_cohort
from pipeline.cohort.phantom.layout import write_cohort
from pipeline.guard.options import Out, ParamsFile, run
from pipeline.params.whole import load_params


def main(out: Out, params: ParamsFile = Path("params.yaml")) -> None:
    """Write images, tables and lists in NIH's layout, and the ceiling of the labels."""
    cfg = load_params(params)
    cohort = make_cohort(cfg.phantom)
    look = tracking.progress(total=len(cohort.entries), unit="images", label="phantom")
    images = watched(cohort.images, look)
    write_cohort(out, images, cohort.entries, cohort.train_val, cohort.test, cohort.ceiling)


if __name__ == "__main__":
    run(main)
