"""Stage `pictures`: radiographs under the heatmaps of the member under study, for the page."""

from pathlib import Path

from pipeline.attention.crop import BoxRule
from pipeline.attention.heatmaps import read_heatmaps
from pipeline.base import tables
from pipeline.base.shards import Shards
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.results.report.gallery import write_gallery
from pipeline.results.report.pictures import Radiographs, draw_gallery


def main(
    images: Dep,
    index: Dep,
    boxes: Dep,
    predictions: Dep,
    heatmaps: Dep,
    crops: Dep,
    out: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Choose test images of each finding by the global branch, and draw on them."""
    cfg = load_params(params)
    radiographs = Radiographs(
        images=Shards(images),
        index=tables.read_index(index),
        predictions=tables.read_predictions(predictions),
        boxes=tables.read_boxes(boxes),
        crops=tables.read_crop_boxes(crops),
        heatmaps=read_heatmaps(heatmaps),
    )
    rule = BoxRule(cfg.iou.threshold, cfg.iou.region)
    drawn = draw_gallery(radiographs, rule, examples=cfg.report.examples)
    write_gallery(drawn, out)


if __name__ == "__main__":
    run(main)
