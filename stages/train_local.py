"""Stage `train_local`: fine-tune the local branch on crops."""

from pathlib import Path

import numpy as np

from pipeline import tracking
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards, write_shards
from pipeline.base.tables import read_index, read_splits, write_predictions
from pipeline.guard.options import Choice, Dep, Out, ParamsFile, run
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.params.whole import load_params
from pipeline.training.branches import local_task, pooled_rows
from pipeline.training.data.examples import vector_examples
from pipeline.training.prediction_tables import predict_table
from pipeline.training.processes.torchrun import share_with_other_devices
from pipeline.training.records.curves import write_curves
from pipeline.training.stage_training import StageTraining


def main(
    member: Choice,
    crops: Dep,
    global_model: Dep,
    index: Dep,
    splits: Dep,
    capsnet: Dep,
    model: Out,
    features: Out,
    predictions: Out,
    curves: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Train on the crops; write the model, its probabilities and its curves."""
    cfg = load_params(params)
    backbone = cfg.members[member].local
    seed = derive_seed(cfg.seed, member, "local")
    start, _ = read_checkpoint(capsnet)
    shards, table, assigned = Shards(crops), read_index(index), read_splits(splits)
    task = local_task(
        backbone,
        cfg.members[member].weights.local,
        cfg.train,
        cfg.local,
        crops=shards,
        global_model=global_model,
        index=table,
        splits=assigned,
        seed=seed,
        capsnet=start,
    )
    training = StageTraining("train_local", member, cfg.train, cfg.local)
    followed = training.follow(task.fit, label=f"{member}.local {backbone}")
    branch = task.branch
    write_checkpoint(branch.state_dict(), branch.spec.about(), model)
    write_shards(pooled_rows(branch, shards, flip=cfg.train.flip_at_predict), features)
    pooled = Shards(features, "pooled").gather(np.arange(len(table)))
    judged = vector_examples(pooled, table, assigned)
    write_predictions(predict_table(branch.head, judged), predictions)
    write_curves(followed, curves, keep=cfg.train.keep)
    tracking.log_artifact(curves)
    tracking.log_artifact(model)
    training.finish(model)


if __name__ == "__main__":
    run(main, before=share_with_other_devices)
