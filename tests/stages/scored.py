"""What `cxr score` reads: NIH's table of a synthetic cohort, and predictions of its images."""

from pathlib import Path

import pandas as pd

from pipeline.base.findings import FINDINGS
from tests.unit.made_results import made_index, made_predictions, made_splits


def make_scored(folder: Path) -> Path:
    """Labels, and two systems' predictions of validation and of test images."""
    index = made_index(patients=90)
    splits = made_splits(index)
    write_labels(index, folder / "labels.csv")
    for name, signal in (("good", 2.0), ("weak", 0.3)):
        frame = made_predictions(index, splits, signal=signal, seed=int(signal))
        for split in ("val", "test"):
            rows = frame[frame["split"] == split].drop(columns="split")
            rows = rows.rename(columns={f: f"prob_{f}" for f in FINDINGS})
            rows.to_csv(folder / f"{name}_{split}.csv", index=False)
    return folder


def write_labels(index: pd.DataFrame, path: Path) -> None:
    """NIH's table of these images."""
    labels = [
        "|".join(f for f in FINDINGS if row[f]) or "No Finding" for _, row in index.iterrows()
    ]
    table = pd.DataFrame(
        {
            "Image Index": index["image_index"], "Finding Labels": labels,
            "Follow-up #": index["follow_up"], "Patient ID": index["patient_id"],
            "Patient Age": index["age_years"].astype(int), "Patient Gender": index["gender"],
            "View Position": index["view_position"], "OriginalImage[Width": 1024,
            "Height]": 1024, "OriginalImagePixelSpacing[x": 0.1, "y]": 0.1,
        }
    )  # fmt: skip
    table.to_csv(path, index=False)
