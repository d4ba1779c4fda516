"""Stage `iou`: heatmaps and crops against the radiologists' boxes."""

from pathlib import Path

from pipeline import tracking
from pipeline.attention.boxed_maps import read_boxed_maps
from pipeline.attention.heatmaps import read_heatmaps
from pipeline.base import tables
from pipeline.base.members import read_members
from pipeline.base.seeds import derive_seed
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.results.localisation.key_figures import in_tables, key_figures
from pipeline.results.localisation.localisation import iou_metrics, iou_points, localise, locate
from pipeline.results.statistics.metric_files import write_metrics, write_plot


def main(
    heatmaps: Dep,
    crops: Dep,
    boxed_maps: Dep,
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
        read_members(heatmaps, names, read_heatmaps, stage="extract_crops"),
        read_members(
            crops, names, tables.read_crop_boxes, stage="extract_crops", suffix=".parquet"
        ),
        read_members(boxed_maps, names, read_boxed_maps, stage="map_boxed"),
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
    write_metrics(in_tables(metrics), out)
    write_metrics(metrics, methods_out)
    write_plot(iou_points(measures), per_finding)
    tracking.log_metrics(key_figures(metrics), headline=True)
    tracking.log_artifact(table)
    tracking.log_artifact(per_finding)


if __name__ == "__main__":
    run(main)
