"""Stage `train_fusion`: join both branches with age, gender and view position."""

from pathlib import Path

from pipeline import tracking
from pipeline.artifacts.checkpoints import read_checkpoint, write_checkpoint
from pipeline.artifacts.curves import write_curves
from pipeline.artifacts.shards import Shards
from pipeline.artifacts.tables import read_index, read_splits, write_predictions
from pipeline.cohort.metadata import fit_metadata
from pipeline.networks.fusion import build_fusion, restore_head
from pipeline.params import load_params
from pipeline.results.predict import predict_table
from pipeline.seeds import derive_seed
from pipeline.training.examples import as_float, training_rows, vector_examples
from pipeline.training.fusion import fit_fusion, join_features
from stages.options import Choice, Dep, Out, ParamsFile, run


def main(
    member: Choice,
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
    """Train the fusion head on what both branches, frozen, have pooled."""
    cfg = load_params(params)
    seed = derive_seed(cfg.seed, member, "fusion")
    table, assigned = read_index(index), read_splits(splits)
    global_state, about = read_checkpoint(global_model)
    local_state, _ = read_checkpoint(local_model)
    metadata = fit_metadata(training_rows(table, assigned), cfg.fusion.features)
    encoded = metadata.encode(table)
    joined = join_features(
        Shards(global_features, "pooled"), Shards(local_features, "pooled"), encoded
    )
    examples = vector_examples(joined, table, assigned)
    fusion = build_fusion(
        restore_head(global_state), restore_head(local_state), metadata=encoded.shape[1]
    )
    epochs = fit_fusion(fusion, examples, cfg.train, cfg.fusion, seed=seed)
    label = f"{member}.fusion"
    followed = list(tracking.follow(epochs, total=cfg.fusion.epochs, label=label))
    known = {"findings": about["findings"], "metadata": metadata.about()}
    write_checkpoint(fusion.state_dict(), known, model)
    write_predictions(predict_table(fusion, examples, as_float), predictions)
    write_curves(followed, curves)
    tracking.log_artifact(curves)
    tracking.log_artifact(model)


if __name__ == "__main__":
    run(main)
