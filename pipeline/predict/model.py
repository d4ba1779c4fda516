"""A trained model on anybody's radiograph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float32, UInt8

from pipeline.attention.drawing import draw_on_image
from pipeline.base.findings import FINDINGS, canonical
from pipeline.cohort.reading.images import decode_grey, resize_square, thumbnail
from pipeline.predict.member import Seen
from pipeline.predict.package import Package, read_package
from pipeline.results.evaluation.calibration import Calibration, calibrate
from pipeline.results.evaluation.vote import VOTES

Gender = Literal["M", "F"]
View = Literal["PA", "AP"]


@dataclass(frozen=True)
class Patient:
    """What is known beside the picture; None where it is not."""

    age: float | None = None
    """Years."""
    gender: Gender | None = None
    view: View | None = None


UNKNOWN = Patient()


@dataclass(frozen=True)
class Prediction:
    """What a model says of one radiograph."""

    image: UInt8[np.ndarray, "s s"]
    """At the size of the cached images."""
    raw: dict[str, float]
    """By finding, the vote's probability, as `evaluate` judges it."""
    probabilities: dict[str, float]
    """By finding, calibrated on validation images."""
    thresholds: dict[str, float | None]
    """By finding, of the raw probability; None where validation images could not tell."""
    shares: dict[str, dict[str, float]]
    """By member and finding, the probability with which the member votes."""
    distance: float
    """From the training images; see `Familiarity`."""
    limit: float
    """Further away are one in a hundred validation images, and pictures of something else."""
    seen: dict[str, tuple[Seen, int]]
    """By member, what it saw, and the image's row in it."""

    @property
    def is_familiar(self) -> bool:
        """Whether the image looks like the training images. If not, nothing here means much."""
        return self.distance <= self.limit

    @property
    def calls(self) -> dict[str, bool | None]:
        """By finding, whether the raw probability reaches the threshold."""
        return {
            finding: None if at is None else bool(np.float32(self.raw[finding]) >= at)
            for finding, at in self.thresholds.items()
        }

    def heatmap(
        self, finding: str, *, member: str | None = None, method: str | None = None
    ) -> Float32[np.ndarray, "s s"]:
        """A member's heatmap of a finding on the image: 0 for no evidence, 1 at its maximum.

        Args:
            finding: in any spelling.
            member: the first without.
            method: of the member's heatmaps; its first that knows findings without.

        Raises:
            ValueError: no such finding.
            KeyError: no such member or method.
        """
        seen, row = self.seen[member or next(iter(self.seen))]
        known = [name for name, maps in seen.heatmaps.items() if len(maps[row]) == len(FINDINGS)]
        maps = seen.heatmaps[method or [*known, *seen.heatmaps][0]]
        stack = maps[row]
        one = stack[FINDINGS.index(canonical(finding))] if len(stack) > 1 else stack[0]
        side = self.image.shape[0]
        drawn = draw_on_image(np.maximum(one, 0), maps.grid, height=side, width=side)
        peak = drawn.max()
        return np.asarray(drawn / peak if peak > 0 else drawn, np.float32)


class Model:
    """A packaged model; `model(image)` predicts."""

    def __init__(self, package: Package) -> None:
        self.about = package.about
        self._members = package.members
        self._familiar = package.familiar
        self._vote = VOTES[package.about.vote]

    def __call__(
        self,
        image: str | Path | UInt8[np.ndarray, "h w"],
        *,
        age: float | None = None,
        gender: Gender | None = None,
        view: View | None = None,
    ) -> Prediction:
        """Predict the findings of one frontal radiograph of a chest.

        Args:
            image: a PNG, JPEG or DICOM file, or grey values in eight bits, air dark.
            age: years.
            gender: M or F.
            view: PA or AP.

        Raises:
            CohortError: the file cannot be read, or is no such radiograph.
        """
        if isinstance(image, np.ndarray):
            pixels = image
        else:
            pixels = decode_grey(Path(image).read_bytes()).pixels
        (found,) = self.predict([pixels], [Patient(age, gender, view)])
        return found

    def predict(
        self, images: Sequence[UInt8[np.ndarray, "_h _w"]], patients: Sequence[Patient]
    ) -> list[Prediction]:
        """Predict a batch, which memory has to hold."""
        side = self.about.image_side
        cached = np.stack([resize_square(image, side) for image in images])
        table = pd.DataFrame(
            {
                "age_years": pd.Series([one.age for one in patients], dtype=float),
                "gender": pd.Series([one.gender for one in patients], dtype=object),
                "view_position": pd.Series([one.view for one in patients], dtype=object),
            }
        )
        seen = {name: member.see(cached, table) for name, member in self._members.items()}
        votes = np.stack([one.probabilities["fusion"] for one in seen.values()]).astype(np.float64)
        raw = np.stack(
            [self._vote(votes[:, :, finding]) for finding in range(len(FINDINGS))], axis=1
        ).astype(np.float32)
        distances = self._familiar.distances(np.stack([thumbnail(image) for image in cached]))
        return [
            self._of(row, cached[row], raw[row], float(distances[row]), seen)
            for row in range(len(images))
        ]

    def _of(
        self,
        row: int,
        image: UInt8[np.ndarray, "s s"],
        raw: Float32[np.ndarray, " f"],
        distance: float,
        seen: Mapping[str, Seen],
    ) -> Prediction:
        calls = self.about.calls
        calibrated = {
            finding: float(
                calibrate(
                    raw[at : at + 1],
                    Calibration(calls[finding].slope, calls[finding].intercept, fitted=True),
                )[0]
            )
            for at, finding in enumerate(FINDINGS)
        }
        return Prediction(
            image,
            dict(zip(FINDINGS, raw.tolist(), strict=True)),
            calibrated,
            {finding: calls[finding].thresholds.get("youden") for finding in FINDINGS},
            {
                name: dict(zip(FINDINGS, one.probabilities["fusion"][row].tolist(), strict=True))
                for name, one in seen.items()
            },
            distance,
            self._familiar.limit,
            {name: (one, row) for name, one in seen.items()},
        )


def load_model(folder: str | Path) -> Model:
    """A packaged model.

    Args:
        folder: that `package` wrote, or `cxr model export`.

    Raises:
        ArtifactError: it is none, of another format, or damaged.
    """
    return Model(read_package(Path(folder)))
