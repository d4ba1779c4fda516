"""A second synthetic cohort of other habits: `python -m benchmarks.other_cohort other`.

As a second hospital's: other patients, frequencies of findings, exposure and detector, and a table
in a layout of its own, of ten findings. Its patients are drawn as those of the official test list,
so that they are no easier than a model's own test images. `cxr external` tries a model on it.
"""

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pandas as pd
import typer
import yaml
from jaxtyping import UInt8

from pipeline.base.files import replacing, write_text
from pipeline.base.findings import FINDINGS
from pipeline.cohort.phantom.cohort import make_cohort
from pipeline.cohort.reading.images import decode_grey
from pipeline.params.sections import PhantomParams

UNKNOWN = ("Emphysema", "Fibrosis", "Hernia", "Pleural_Thickening")
"""Findings that its table has no column for."""

UNCERTAIN = 0.05
"""Share of the labels that its readers were not sure of, -1 in the table."""

COLUMNS = {
    "tables": ["studies.csv"],
    "image": "file",
    "image_parts": 1,
    "patient": "person",
    "patient_pattern": None,
    "age": "years",
    "gender": "sex",
    "view": "projection",
    "only": {},
    "labels": [name for name in FINDINGS if name not in UNKNOWN],
    "separator": None,
    "blank": "zeros",
    "findings": {},
    "reader": None,
    "readers": "any",
}
"""Section `ingest.columns` of its table."""


def exposed_otherwise(
    pixels: UInt8[np.ndarray, "h w"], rng: np.random.Generator
) -> UInt8[np.ndarray, "h w"]:
    """As another detector has it: brighter in the middle greys, flatter, softer and noisier."""
    grey = pixels / np.float32(255)
    bent = 0.08 + 0.8 * grey ** rng.uniform(0.55, 0.8)
    soft = cv2.GaussianBlur(bent, (0, 0), 0.8)
    noisy = soft + rng.normal(0, 0.03, soft.shape)
    return np.asarray(np.clip(np.rint(255 * noisy), 0, 255), np.uint8)


def write_other(
    folder: Path,
    *,
    seed: int,
    patients: int,
    prevalence_scale: float,
    exposure: bool,
    size_px: int = 256,
) -> None:
    """Write radiographs, `studies.csv` and `columns.yaml`."""
    made = make_cohort(
        PhantomParams(
            seed=seed,
            patients=patients,
            size_px=size_px,
            label_noise=0.1,
            prevalence_scale=prevalence_scale,
        )
    )
    rng, wanted = np.random.default_rng(seed), set(made.test)
    with replacing(folder) as fresh:
        fresh.mkdir(parents=True)
        for image in (one for one in made.images if one.image_index in wanted):
            png = image.png
            if exposure:
                pixels = exposed_otherwise(decode_grey(png).pixels, rng)
                png = cv2.imencode(".png", pixels)[1].tobytes()
            (fresh / image.image_index).write_bytes(png)
        entries = made.entries[made.entries["image_index"].isin(wanted)]
        _table(entries, rng).to_csv(fresh / "studies.csv", index=False)
        write_text(yaml.safe_dump(COLUMNS, sort_keys=False), fresh / "columns.yaml")


def _table(entries: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    labels = entries[COLUMNS["labels"]].astype(int)
    unsure = rng.uniform(size=labels.shape) < UNCERTAIN
    about = {
        "image_index": "file",
        "patient_id": "person",
        "age_years": "years",
        "gender": "sex",
        "view_position": "projection",
    }
    return pd.concat([entries[list(about)].rename(columns=about), labels.mask(unsure, -1)], axis=1)


def main(
    folder: Annotated[Path, typer.Argument(help="A new folder for it.")],
    seed: Annotated[int, typer.Option(help="Another one than phantom.seed.")] = 90210,
    patients: Annotated[
        int, typer.Option(help="Of whom those of the test list are taken.")
    ] = 3000,
    prevalence_scale: Annotated[float, typer.Option(help="Times the real prevalences.")] = 1.0,
    exposure: Annotated[bool, typer.Option(help="Whether exposure differs.")] = True,
) -> None:
    """Write the cohort and say how to try a model on it."""
    write_other(
        folder,
        seed=seed,
        patients=patients,
        prevalence_scale=prevalence_scale,
        exposure=exposure,
    )
    typer.echo(f"cxr external {folder} --columns {folder}/columns.yaml --out {folder}-judged")


if __name__ == "__main__":
    typer.run(main)
