"""Stage `train_fusion`: join both branches with age, gender and view position."""

from functools import partial
from pathlib import Path

from pipeline import tracking
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits, write_predictions
from pipeline.fusion.head import mirrored_branches
from pipeline.fusion.head_training import BranchView, fit_fusion, fusion_task
from pipeline.fusion.metadata import fit_metadata
from pipeline.networks.branch import restore_branch
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.params.whole import load_params
from pipeline.training.data.examples import training_rows
from pipeline.training.prediction_tables import predict_table
from pipeline.training.records.curves import write_curves
from stages.options import Choice, Dep, Out, ParamsFile
from stages.training import follow_training, run_training, snapshots_of


def main(
    member: Choice,
    images: Dep,
    crops: Dep,
    index: Dep,
    splits: Dep,
    global_model: Dep,
    global_features: Dep,
    local_model: Dep,
    local_features: Dep,
    model: Out,
    predictions: Out,
    curves: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Train the fusion head on what both branches, frozen, have pooled, or through them."""
    cfg = load_params(params)
    seed = derive_seed(cfg.seed, member, "fusion")
    table, assigned = read_index(index), read_splits(splits)
    global_view = BranchView(
        restore_branch(*read_checkpoint(global_model)),
        Shards(images),
        Shards(global_features, "pooled"),
    )
    local_view = BranchView(
        restore_branch(*read_checkpoint(local_model)),
        Shards(crops),
        Shards(local_features, "pooled"),
    )
    metadata = fit_metadata(training_rows(table, assigned), cfg.fusion.features)
    task = fusion_task(
        global_view,
        local_view,
        metadata.encode(table),
        table,
        assigned,
        cfg.fusion,
        seed=seed,
    )
    fit = partial(fit_fusion, task, cfg.train, cfg.fusion, seed=seed)
    snapshots = snapshots_of("train_fusion", member, cfg.train, cfg.fusion)
    label = f"{member}.fusion"
    followed = follow_training(
        fit, snapshots, label=label, epochs=cfg.fusion.epochs, keep=cfg.train.keep
    )
    about = task.about() | {"metadata": metadata.about()}
    seeing = mirrored_branches(task.network, on=cfg.train.flip_at_predict)
    write_checkpoint(task.network.state_dict(), about, model)
    write_predictions(predict_table(seeing, task.examples), predictions)
    write_curves(followed, curves, keep=cfg.train.keep)
    tracking.log_artifact(curves)
    tracking.log_artifact(model)
    snapshots.finish(model)


if __name__ == "__main__":
    run_training(main)
