"""Stage `pretrain_capsnet`: where cascades' CapsNets start; nothing for other branches."""

from functools import partial
from pathlib import Path

from pipeline.base.cascades import read_cascades
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits
from pipeline.capsnet.pretraining import pretrain, thumbnails, write_pretrained
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.training.processes.torchrun import share_with_other_devices
from pipeline.training.stage_training import StageTrainings


def main(
    cascades: Dep,
    images: Dep,
    index: Dep,
    splits: Dep,
    starts: Out,
    reconstructions: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Pretrain a CapsNet with reconstruction for each member that has a cascade."""
    cfg = load_params(params)
    trainings = StageTrainings("pretrain_capsnet", cfg.train, cfg.capsnet, label="capsnet")
    pretrained = pretrain(
        read_cascades(cascades),
        partial(thumbnails, Shards(images), read_index(index), read_splits(splits)),
        cfg.train,
        cfg.capsnet,
        seed=cfg.seed,
        follow=trainings.follow,
    )
    trainings.end()
    write_pretrained(pretrained, starts, reconstructions)
    trainings.finish(starts)


if __name__ == "__main__":
    run(main, before=share_with_other_devices)
