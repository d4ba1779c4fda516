"""Stage `pictures`: test images under the heatmaps of the best member, for the page."""

from pathlib import Path

from pipeline.attention.crop import BoxRule
from pipeline.attention.heatmaps import read_heatmaps
from pipeline.base import tables
from pipeline.base.shards import Shards
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.results.pictures.case_files import write_cases
from pipeline.results.pictures.cases import about_cases, draw_cases
from pipeline.results.pictures.gallery import write_gallery
from pipeline.results.pictures.medians import draw_gallery
from pipeline.results.pictures.radiographs import Radiographs
from pipeline.results.pictures.shown import shown_member, shown_method
from pipeline.results.statistics.metric_files import read_metrics


def main(
    images: Dep,
    index: Dep,
    boxes: Dep,
    predictions: Dep,
    heatmaps: Dep,
    crops: Dep,
    systems: Dep,
    methods: Dep,
    gallery: Out,
    cases: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Choose the member and its heatmap by what is measured, and draw on test images."""
    cfg = load_params(params)
    member = shown_member(read_metrics(systems))
    maps = read_heatmaps(heatmaps / member)
    method = shown_method(read_metrics(methods).get(member, {}), maps)
    radiographs = Radiographs(
        images=Shards(images),
        index=tables.read_index(index),
        predictions=tables.read_predictions(predictions),
        boxes=tables.read_boxes(boxes),
        crops=tables.read_crop_boxes(crops / f"{member}.parquet"),
        heatmaps=maps,
        rule=BoxRule(cfg.iou.threshold, cfg.iou.region),
    )
    drawn = draw_gallery(radiographs, member=member, method=method, examples=cfg.report.examples)
    write_gallery(drawn, gallery)
    write_cases(
        draw_cases(radiographs, method),
        radiographs.test.index,
        cases,
        about=about_cases(radiographs, member=member, method=method),
    )


if __name__ == "__main__":
    run(main)
