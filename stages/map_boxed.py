"""Stage `map_boxed`: finer heatmaps of the boxed images, and those of random weights."""

from functools import partial
from pathlib import Path

from pipeline import tracking
from pipeline.attention.boxed_maps import write_boxed_maps
from pipeline.attention.map_boxed import boxed_images, map_boxed
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards
from pipeline.base.tables import read_boxes, read_index
from pipeline.guard.options import Choice, Dep, Out, ParamsFile, run
from pipeline.networks.branch import restore_branch, unfold_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.params.whole import load_params


def main(
    member: Choice,
    images: Dep,
    index: Dep,
    boxes: Dep,
    model: Dep,
    boxed_maps: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write the maps with which the heatmaps of images that have boxes are compared."""
    cfg = load_params(params)
    state, about = read_checkpoint(model)
    names = boxed_images(read_boxes(boxes), read_index(index))
    found = map_boxed(
        restore_branch(state, about),
        unfold_branch(about, seed=derive_seed(cfg.seed, member, "inspect")),
        Shards(images),
        names.index.to_numpy(),
        cfg.heatmap,
        cfg.map_boxed,
        watch=partial(tracking.progress, unit="images"),
    )
    write_boxed_maps(found, boxed_maps, names=list(names))


if __name__ == "__main__":
    run(main)
