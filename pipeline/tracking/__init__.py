"""Progress for the person who waits, MLflow for the record; tqdm and mlflow are known here only.

A stage never imports MLflow. It appends what it has to say to a small spool file (`spool`), and
one writer process per checkout (`writer`) carries the spools into MLflow (`store`): the import
and the database, seconds of work, are paid once per pipeline run and off every stage's path,
and neither a broken store nor an absent server can harm a training.
"""

from pipeline.tracking.display import Shown, is_first_process, progress
from pipeline.tracking.search import SearchRun
from pipeline.tracking.session import (
    describe,
    go_on_with,
    log_artifact,
    log_epoch,
    log_metrics,
    options,
    run_id,
    stage,
)

__all__ = [
    "SearchRun",
    "Shown",
    "describe",
    "go_on_with",
    "is_first_process",
    "log_artifact",
    "log_epoch",
    "log_metrics",
    "options",
    "progress",
    "run_id",
    "stage",
]
