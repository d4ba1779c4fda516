"""Stage `iou`: heatmaps and crops against the radiologists' boxes."""

from pathlib import Path

from pipeline import tracking
from pipeline.artifacts import tables
from pipeline.artifacts.members import read_member_crops, read_member_heatmaps
from pipeline.artifacts.metrics import write_metrics, write_plot
from pipeline.params.whole import load_params
from pipeline.results.localisation import iou_rows, localise
from stages.options import Dep, Out, ParamsFile, run


def main(
    heatmaps: Dep,
    crops: Dep,
    boxes: Dep,
    index: Dep,
    out: Out,
    per_finding: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write IoU, T(IoU), IoBB and pointing per member, method and finding."""
    cfg = load_params(params)
    table = localise(
        read_member_heatmaps(heatmaps, cfg.ensemble.members),
        read_member_crops(crops, cfg.ensemble.members),
        tables.read_boxes(boxes),
        tables.read_index(index),
        threshold=cfg.iou.threshold,
    )
    write_metrics(table, out)
    write_plot(iou_rows(table), per_finding)
    tracking.log_metrics(table)
    tracking.log_artifact(per_finding)


if __name__ == "__main__":
    run(main)
