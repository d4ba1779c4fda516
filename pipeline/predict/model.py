"""A trained model on anybody's radiograph."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, UInt8

from pipeline.attention.crop import BoxRule
from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.images import thumbnail
from pipeline.predict.about.description import Call
from pipeline.predict.about.familiarity import FALSE_ALARMS
from pipeline.predict.card import model_card
from pipeline.predict.package import Package, read_package
from pipeline.predict.prediction import Finding, Prediction
from pipeline.predict.prepared import Prepared, prepare
from pipeline.predict.radiograph import Radiograph, known, read_radiograph, stated
from pipeline.results.evaluation.calibration import Calibration, calibrate
from pipeline.results.evaluation.vote import VOTES

SYNTHETIC = "the model was trained on a synthetic cohort, and knows nothing of real radiographs"

_NAMES = {"age": "age", "gender": "gender", "view": "view position"}


class Model:
    """A packaged model; `model(image)` predicts."""

    def __init__(self, package: Package) -> None:
        self.about = package.about
        self._package = package

    @property
    def card(self) -> str:
        """What it is, for whom and how good, in Markdown."""
        backbones = {name: one.backbones for name, one in self._package.members.items()}
        return model_card(self.about, backbones)

    def __call__(
        self,
        image: str | Path | UInt8[np.ndarray, "h w"],
        *,
        age: float | int | str | None = None,
        gender: str | None = None,
        view: str | None = None,
        lateral: bool = False,
    ) -> Prediction:
        """Predict the findings of one frontal radiograph of a chest.

        Args:
            image: a PNG, JPEG or DICOM file, or grey values in eight bits, air dark.
            age: years, or as a table has it, 058Y; without it, what a DICOM file says.
            gender: M or F; the same.
            view: PA or AP; the same.
            lateral: whether a DICOM file that says it is a lateral view is taken.

        Raises:
            CohortError: the file is no whole grey picture, or no radiograph of a chest.
            OSError: it cannot be read.
            ValueError: no such age, gender or view.
        """
        if isinstance(image, np.ndarray):
            shown = Radiograph(image)
        else:
            shown = read_radiograph(Path(image).read_bytes(), lateral=lateral)
        patient = known(stated(age, gender, view), shown.patient)
        (found,) = self.predict([Radiograph(shown.pixels, patient, shown.doubts, shown.warnings)])
        return found

    def predict(self, radiographs: Sequence[Radiograph]) -> list[Prediction]:
        """Predict a batch, which memory has to hold.

        Raises:
            CohortError: a picture is of one grey value, or of a size that no radiograph has.
        """
        side = self.about.image_side
        return self.predict_prepared([prepare(one, side) for one in radiographs])

    def predict_prepared(self, radiographs: Sequence[Prepared]) -> list[Prediction]:
        """The same of pictures of the right size."""
        if not radiographs:
            return []
        images = np.stack([one.image for one in radiographs])
        table = pd.DataFrame(
            {
                "age_years": pd.Series([one.patient.age for one in radiographs], dtype=float),
                "gender": pd.Series([one.patient.gender for one in radiographs], dtype=object),
                "view_position": pd.Series(
                    [one.patient.view for one in radiographs], dtype=object
                ),
            }
        )
        seen = {name: one.see(images, table) for name, one in self._package.members.items()}
        votes = {name: one.probabilities["fusion"] for name, one in seen.items()}
        raw = self._voted(votes)
        above = self._package.validation.above(raw)
        distances = self._package.familiar.distances(np.stack([*map(thumbnail, images)]))
        return [
            Prediction(
                images[row],
                self._findings(raw[row], above[row], {k: v[row] for k, v in votes.items()}),
                one.patient,
                float(distances[row]),
                self._package.familiar.limit,
                (*one.warnings, *self._unfamiliar(distances[row])),
                (*one.doubts, *self._notes(one)),
                {name: found.of(row) for name, found in seen.items()},
                self.about.shown,
                BoxRule(self.about.boxes.threshold, self.about.boxes.region),
            )
            for row, one in enumerate(radiographs)
        ]

    def _voted(
        self, votes: Mapping[str, Float32[np.ndarray, "b f"]]
    ) -> Float32[np.ndarray, "b f"]:
        """As the stage `ensemble` does, of images that are at hand by themselves."""
        if self.about.vote == "rank" and len(votes) > 1:
            ranks = [self._package.validation.ranks(name, one) for name, one in votes.items()]
            return np.asarray(np.sort(ranks, axis=0).mean(axis=0), np.float32)
        stacked = np.stack(list(votes.values())).astype(np.float64)
        rule = VOTES[self.about.vote]
        voted = [rule(stacked[:, :, finding]) for finding in range(len(FINDINGS))]
        return np.stack(voted, axis=1).astype(np.float32)

    def _findings(
        self,
        raw: Float32[np.ndarray, " f"],
        above: Float[np.ndarray, " f"],
        votes: Mapping[str, Float32[np.ndarray, " f"]],
    ) -> dict[str, Finding]:
        calls = self.about.calls
        return {
            name: Finding(
                raw=float(raw[at]),
                probability=_calibrated(raw[at : at + 1], calls[name]),
                threshold=calls[name].thresholds.get(RULE),
                calibrated_threshold=calibrated_threshold(calls[name]),
                above=float(above[at]),
                shares={member: float(vote[at]) for member, vote in votes.items()},
            )
            for at, name in enumerate(FINDINGS)
        }

    def _unfamiliar(self, distance: float) -> list[str]:
        limit = self._package.familiar.limit
        if distance <= limit:
            return []
        return [
            f"unlike the training images (distance {distance:.2f}; {FALSE_ALARMS:.0%} of "
            f"validation images are beyond {limit:.2f})"
        ]

    def _notes(self, one: Prepared) -> list[str]:
        missing = [
            _NAMES[name] for name in self._package.asks if getattr(one.patient, name) is None
        ]
        said = [f"{', '.join(missing)} not known"] if missing else []
        return [*said, SYNTHETIC] if self.about.cohort.is_synthetic else said


RULE = "youden"
"""By which findings are called, an entry of `evaluate`'s thresholds."""


def calibrated_threshold(call: Call) -> float | None:
    """A finding's threshold, which is of the raw probability, on the calibrated scale.

    A calibration keeps the order: where the one is reached, the other is.
    """
    at = call.thresholds.get(RULE)
    return None if at is None else _calibrated(np.array([at]), call)


def _calibrated(raw: Float[np.ndarray, "1"], call: Call) -> float:
    return float(calibrate(raw, Calibration(call.slope, call.intercept, fitted=True))[0])


def load_model(folder: str | Path) -> Model:
    """A packaged model.

    Args:
        folder: that `package` wrote, or `cxr model export`.

    Raises:
        ArtifactError: it is none, of another format, or damaged.
    """
    return Model(read_package(Path(folder)))
