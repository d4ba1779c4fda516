"""Stage `pretrain_capsnet`: where the CapsNet of a cascade starts; nothing for other branches."""

from functools import partial
from pathlib import Path

from pipeline.base.findings import FINDINGS
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits
from pipeline.capsnet.autoencoder import build_autoencoder
from pipeline.capsnet.cascades import read_cascades
from pipeline.capsnet.pretraining import (
    capsnet_state,
    describe_pretraining,
    fit_capsnet,
    thumbnails,
)
from pipeline.capsnet.reconstructions import write_reconstructions
from pipeline.networks.checkpoints import write_checkpoint
from pipeline.params.whole import load_params
from stages.options import Choice, Dep, Out, ParamsFile
from stages.training import follow_training, run_training, snapshots_of


def main(
    member: Choice,
    cascades: Dep,
    images: Dep,
    index: Dep,
    splits: Dep,
    global_start: Out,
    local_start: Out,
    reconstructions: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Pretrain a CapsNet with reconstruction, if a branch of this member is a cascade."""
    cfg = load_params(params)
    seed = derive_seed(cfg.seed, member, "capsnet")
    needed = read_cascades(cascades)
    network = build_autoencoder(len(FINDINGS), seed=seed)
    examples = thumbnails(
        Shards(images), read_index(index), read_splits(splits), needed=any(needed.values())
    )
    fit = partial(fit_capsnet, network, examples, cfg.train, cfg.capsnet, seed=seed)
    snapshots = snapshots_of("pretrain_capsnet", member, cfg.train, cfg.capsnet)
    label = f"{member}.capsnet"
    followed = follow_training(
        fit, snapshots, label=label, epochs=cfg.capsnet.epochs, keep=cfg.train.keep
    )
    write_checkpoint(*capsnet_state(network, needed=needed["global"]), global_start)
    write_checkpoint(*capsnet_state(network, needed=needed["local"]), local_start)
    described = describe_pretraining(network, examples, followed, keep=cfg.train.keep)
    write_reconstructions(described, reconstructions)
    snapshots.finish(global_start, local_start)


if __name__ == "__main__":
    run_training(main)
