"""Progress for the person who waits, MLflow for the record; tqdm and mlflow are known here only.

A stage never imports MLflow. It appends what it has to say to a small spool file (`spool`), and
one writer process per checkout (`writer`) carries the spools into MLflow (`store`): the import
and the database, seconds of work, are paid once per pipeline run and off every stage's path,
and neither a broken store nor an absent server can harm a training.
"""

from pipeline.tracking.display import progress
from pipeline.tracking.session import follow, log_artifact, log_metrics, stage

__all__ = ["follow", "log_artifact", "log_metrics", "progress", "stage"]
