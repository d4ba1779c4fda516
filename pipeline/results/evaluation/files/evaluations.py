"""What is known of the systems' predictions: a folder with one parquet table for each question."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline.base.files import replacing
from pipeline.base.tables import read_table, write_predictions, write_table
from pipeline.errors import ArtifactError

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_INTERVAL = [("value", _NUMBER), ("low", _NUMBER), ("high", _NUMBER)]
_BCA = [("bca_low", _NUMBER), ("bca_high", _NUMBER)]

SCHEMAS: dict[str, pa.Schema] = {
    "scores": pa.schema(
        [
            ("system", _TEXT), ("split", _TEXT), ("finding", _TEXT), ("measure", _TEXT),
            *_INTERVAL, *_BCA, ("delong_low", _NUMBER), ("delong_high", _NUMBER),
            ("images", _COUNT), ("positives", _COUNT),
        ]
    ),
    "comparisons": pa.schema(
        [
            ("system", _TEXT), ("against", _TEXT), ("finding", _TEXT), ("measure", _TEXT),
            *_INTERVAL, *_BCA, ("p", _NUMBER), ("delong_p", _NUMBER),
        ]
    ),
    "calibration": pa.schema(
        [
            ("system", _TEXT), ("finding", _TEXT), ("slope", _NUMBER), ("intercept", _NUMBER),
            ("fitted", _FLAG), ("ece", _NUMBER), ("ece_calibrated", _NUMBER),
            ("brier", _NUMBER), ("brier_calibrated", _NUMBER),
            ("val_ece", _NUMBER), ("val_ece_calibrated", _NUMBER),
        ]
    ),
    "thresholds": pa.schema(
        [
            ("system", _TEXT), ("finding", _TEXT), ("rule", _TEXT), ("threshold", _NUMBER),
            ("measure", _TEXT), *_INTERVAL,
        ]
    ),
    "subgroups": pa.schema(
        [
            ("grouping", _TEXT), ("group", _TEXT), ("finding", _TEXT), ("images", _COUNT),
            ("patients", _COUNT), ("positives", _COUNT), ("positive_patients", _COUNT),
            ("auroc", _NUMBER), ("low", _NUMBER), ("high", _NUMBER), ("reason", _TEXT),
        ]
    ),
    "gaps": pa.schema(
        [
            ("grouping", _TEXT), ("finding", _TEXT), ("group", _TEXT), ("other", _TEXT),
            ("chosen", _FLAG), ("gap", _NUMBER), ("low", _NUMBER), ("high", _NUMBER),
            ("reason", _TEXT),
        ]
    ),
}  # fmt: skip
"""Numbers are null where they are not defined; intervals are of 95 %, `low` and `high` of the
percentile bootstrap over patients. Findings go by name; `mean` is the mean over them.

- scores: `measure` is auroc or auprc; DeLong's interval takes images for independent.
- comparisons: `value` is `system` less `against`, paired; `delong_p` again takes images so.
- calibration: logit of the calibrated probability = slope x logit + intercept, fitted on
  validation images; errors are of test images, those with `val_` of validation images.
- thresholds: of the probabilities as they are, not calibrated; chosen on validation images by
  `rule`, an image is called from there on; `measure` is sensitivity, specificity, ppv or npv on
  test images.
- subgroups, gaps: of one system; `reason` says why a number is kept back.
"""


def write_evaluation(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write one table for each of `SCHEMAS`, rows as they are."""
    with replacing(folder) as fresh:
        fresh.mkdir()
        for name, schema in SCHEMAS.items():
            write_table(tables[name], schema, fresh / f"{name}.parquet")


def read_evaluation(folder: Path) -> dict[str, pd.DataFrame]:
    """What `write_evaluation` wrote.

    Raises:
        ArtifactError: the folder or one of its tables is missing or of another schema.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such folder; `dvc repro evaluate` writes it")
    return {name: read_table(folder / f"{name}.parquet", one) for name, one in SCHEMAS.items()}


def write_calibrated(systems: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write calibrated probabilities as `<system>.parquet`, each of schema PREDICTIONS."""
    with replacing(folder) as fresh:
        fresh.mkdir()
        for name, frame in systems.items():
            write_predictions(frame, fresh / f"{name}.parquet")
