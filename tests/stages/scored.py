"""What `cxr score` reads: NIH's table of a synthetic cohort, and predictions of its images."""

from pathlib import Path

from pipeline.base.findings import FINDINGS
from tests.unit.made_results import made_index, made_predictions, made_splits, write_labels


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
