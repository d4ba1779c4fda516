"""Stage `extract_crops`: heatmaps of the global branch, and the crops that they draw."""

from pathlib import Path

from pipeline import tracking
from pipeline.attention.crop import cut_crops
from pipeline.attention.extract import pooled_logits, seen_rows
from pipeline.attention.heatmaps import read_heatmaps, write_heatmaps
from pipeline.attention.place import place_crops
from pipeline.base.shards import Shards, write_shards
from pipeline.base.tables import read_index, write_crop_boxes
from pipeline.base.watching import watched
from pipeline.guard.options import Choice, Dep, Out, ParamsFile, run
from pipeline.networks.branch import restore_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.networks.layers import find_layer
from pipeline.params.whole import load_params


def main(
    member: Choice,
    images: Dep,
    index: Dep,
    model: Dep,
    heatmaps: Out,
    features: Out,
    crops: Out,
    boxes: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write raw heatmaps, where each crop is cut, and the crops at the cache's resolution."""
    cfg = load_params(params)
    cached = Shards(images)
    branch = restore_branch(*read_checkpoint(model))
    layer = find_layer(branch, cfg.heatmap.layer)
    methods, flip = cfg.heatmap.methods, cfg.train.flip_at_predict
    rows = seen_rows(branch, layer, cached, methods, flip=flip)
    look = tracking.progress(total=len(cached), unit="images", label=f"{member} heatmaps")
    write_heatmaps(watched(rows, look), heatmaps, grid=layer.grid, features=features)
    logits = pooled_logits(branch, Shards(features, "pooled"))
    prior = branch.prior.numpy()
    placed = place_crops(read_index(index), read_heatmaps(heatmaps), logits, prior, cfg.crop)
    write_crop_boxes(placed, boxes)
    tracking.log_artifact(boxes)
    write_shards(cut_crops(cached, placed, size=cfg.crop.input_size), crops)


if __name__ == "__main__":
    run(main)
