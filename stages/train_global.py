"""Stage `train_global`: fine-tune the global branch on whole images."""

from pathlib import Path

from pipeline import tracking
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits, write_predictions
from pipeline.guard.options import Choice, Dep, Out, ParamsFile, run
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.networks.mirror import mirrored
from pipeline.params.whole import load_params
from pipeline.training.branches import global_task
from pipeline.training.prediction_tables import predict_table
from pipeline.training.processes.torchrun import share_with_other_devices
from pipeline.training.records.curves import write_curves
from pipeline.training.stage_training import StageTraining


def main(
    member: Choice,
    images: Dep,
    index: Dep,
    splits: Dep,
    capsnet: Dep,
    model: Out,
    predictions: Out,
    curves: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Train on the cached images; write the model, its probabilities and its curves."""
    cfg = load_params(params)
    backbone = cfg.members[member].global_
    seed = derive_seed(cfg.seed, member, "global")
    start, _ = read_checkpoint(capsnet)
    task = global_task(
        backbone,
        cfg.members[member].weights.global_,
        cfg.train,
        cfg.global_,
        images=Shards(images),
        index=read_index(index),
        splits=read_splits(splits),
        seed=seed,
        capsnet=start,
    )
    training = StageTraining("train_global", member, cfg.train, cfg.global_)
    followed = training.follow(task.fit, label=f"{member}.global {backbone}")
    branch = task.branch
    write_checkpoint(branch.state_dict(), branch.spec.about(), model)
    seeing = mirrored(branch, on=cfg.train.flip_at_predict)
    write_predictions(predict_table(seeing, task.examples), predictions)
    write_curves(followed, curves, keep=cfg.train.keep)
    tracking.log_artifact(curves)
    tracking.log_artifact(model)
    training.finish(model)


if __name__ == "__main__":
    run(main, before=share_with_other_devices)
