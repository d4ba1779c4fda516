"""Stage `package`: what the trained networks need beside them to predict."""

from pathlib import Path

from pipeline import tracking
from pipeline.base.files import read_json
from pipeline.base.members import read_systems, voting_folders
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_predictions, read_splits
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.predict.about.description import Boxes, cohort_of, describe, write_description
from pipeline.predict.about.familiarity import fit_familiarity, write_familiarity
from pipeline.predict.about.validation import of_validation, write_validation
from pipeline.results.evaluation.files.evaluations import read_evaluation


def main(
    voting: Dep,
    ensemble: Dep,
    evaluation: Dep,
    index: Dep,
    splits: Dep,
    ceiling: Dep,
    thumbnails: Dep,
    note: Out,
    familiar: Out,
    validation: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write what votes, what its probabilities mean, and what the training images look like."""
    cfg = load_params(params)
    folders = voting_folders(cfg.ensemble.members, cfg.fusion.finetune)
    about = describe(
        folders,
        read_evaluation(evaluation),
        cohort_of(index, splits, read_json(ceiling)),
        image_side=cfg.ingest.image_size,
        ensemble=cfg.ensemble,
        heatmap=cfg.heatmap,
        crop=cfg.crop,
        boxes=Boxes(threshold=cfg.iou.threshold, region=cfg.iou.region),
        flip_at_predict=cfg.train.flip_at_predict,
        params={
            "seed": cfg.seed, "split": cfg.split, "train": cfg.train, "global": cfg.global_,
            "local": cfg.local, "capsnet": cfg.capsnet, "fusion": cfg.fusion,
        },
    )  # fmt: skip
    write_description(about, note)
    found = fit_familiarity(Shards(thumbnails), read_index(index), read_splits(splits))
    write_familiarity(found, familiar)
    votes = read_systems(voting, folders, read_predictions, suffix=".parquet", branches=["fusion"])
    write_validation(of_validation(votes, read_predictions(ensemble)), validation)
    tracking.log_artifact(note)


if __name__ == "__main__":
    run(main)
