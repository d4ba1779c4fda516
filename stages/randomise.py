"""Stage `randomise`: heatmaps of the same network with random weights, to compare with."""

from pathlib import Path

from pipeline.artifacts.checkpoints import read_checkpoint
from pipeline.artifacts.heatmaps import write_controls
from pipeline.artifacts.shards import Shards
from pipeline.artifacts.tables import read_boxes, read_index
from pipeline.attention.controls import boxed_images, control_rows
from pipeline.networks.branch import unfold_branch
from pipeline.networks.layers import find_layer
from pipeline.params.whole import load_params
from pipeline.seeds import derive_seed
from stages.options import Choice, Dep, Out, ParamsFile, run


def main(
    member: Choice,
    images: Dep,
    index: Dep,
    boxes: Dep,
    model: Dep,
    controls: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write maps of the images that have boxes, if `iou.controls` asks for them."""
    cfg = load_params(params)
    branch = unfold_branch(
        read_checkpoint(model)[1], seed=derive_seed(cfg.seed, member, "randomise")
    )
    layer = find_layer(branch, cfg.heatmap.layer)
    names = boxed_images(read_boxes(boxes), read_index(index), wanted=cfg.iou.controls)
    rows = control_rows(branch, layer, Shards(images), cfg.heatmap.methods, names.index.to_numpy())
    write_controls(rows, controls, grid=layer.grid, names=list(names))


if __name__ == "__main__":
    run(main)
