"""Stage `iou`: heatmaps and crops against the radiologists' boxes."""

from pathlib import Path

from pipeline import tracking
from pipeline.artifacts import members, tables
from pipeline.artifacts.metrics import write_metrics, write_plot
from pipeline.params.whole import load_params
from pipeline.results.headline import localisation, over_findings
from pipeline.results.localisation import iou_metrics, iou_points, localise, locate
from pipeline.seeds import derive_seed
from stages.options import Dep, Out, ParamsFile, run


def main(
    heatmaps: Dep,
    crops: Dep,
    inspected: Dep,
    boxes: Dep,
    index: Dep,
    table: Out,
    out: Out,
    methods_out: Out,
    per_finding: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write IoU, T(IoU), IoBB, pointing and energy per member, method and finding."""
    cfg = load_params(params)
    names = cfg.ensemble.members
    located = locate(
        members.read_member_heatmaps(heatmaps, names),
        members.read_member_crops(crops, names),
        members.read_member_inspections(inspected, names),
    )
    measures = localise(
        located,
        tables.read_boxes(boxes),
        tables.read_index(index),
        cfg.iou,
        seed=derive_seed(cfg.seed, "iou"),
    )
    metrics = iou_metrics(measures)
    tables.write_localisation(measures, table)
    write_metrics(localisation(metrics), out)
    write_metrics(metrics, methods_out)
    write_plot(iou_points(measures), per_finding)
    tracking.log_metrics(localisation(metrics))
    tracking.log_metrics(over_findings(metrics), group="methods")
    tracking.log_artifact(table)
    tracking.log_artifact(per_finding)


if __name__ == "__main__":
    run(main)
