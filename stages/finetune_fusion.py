"""Stage `finetune_fusion`: train the fusion through both branches."""

from pathlib import Path

from pipeline import tracking
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits, write_predictions
from pipeline.fusion.gathering import gather
from pipeline.fusion.head import mirrored_branches
from pipeline.fusion.head_training import joint_task, read_view
from pipeline.guard.options import Choice, Dep, Out, ParamsFile, run
from pipeline.networks.checkpoints import write_checkpoint
from pipeline.params.whole import load_params
from pipeline.training.prediction_tables import predict_table
from pipeline.training.processes.torchrun import share_with_other_devices
from pipeline.training.records.curves import write_curves
from pipeline.training.stage_training import StageTraining


def main(
    member: Choice,
    images: Dep,
    crops: Dep,
    index: Dep,
    splits: Dep,
    global_model: Dep,
    global_features: Dep,
    global_predictions: Dep,
    global_curves: Dep,
    local_model: Dep,
    local_features: Dep,
    local_predictions: Dep,
    local_curves: Dep,
    model: Out,
    predictions: Out,
    curves: Out,
    voting: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Train branches and head on images and crops; gather what the member brings to the vote."""
    cfg = load_params(params)
    seed = derive_seed(cfg.seed, member, "fusion")
    task = joint_task(
        read_view(global_model, global_features),
        read_view(local_model, local_features),
        Shards(images),
        Shards(crops),
        read_index(index),
        read_splits(splits),
        cfg.train,
        cfg.fusion,
        seed=seed,
    )
    training = StageTraining("finetune_fusion", member, cfg.train, cfg.fusion)
    followed = training.follow(task.fit, label=f"{member}.fusion through branches")
    write_checkpoint(task.network.state_dict(), task.about(), model)
    seeing = mirrored_branches(task.network, on=cfg.train.flip_at_predict)
    write_predictions(predict_table(seeing, task.examples), predictions)
    write_curves(followed, curves, keep=cfg.train.keep)
    brought = [global_predictions, local_predictions, predictions]
    gather([*brought, global_curves, local_curves, curves], voting, of=member)
    tracking.log_artifact(curves)
    tracking.log_artifact(model)
    training.finish(model)


if __name__ == "__main__":
    run(main, before=share_with_other_devices)
