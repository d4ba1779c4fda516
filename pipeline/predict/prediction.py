"""What a model says of one radiograph, and how far that is to be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy.special import logit

from pipeline.attention.crop import BoxRule, heatmap_box
from pipeline.attention.drawing import draw_on_image
from pipeline.attention.heatmaps import Maps
from pipeline.base.findings import FINDINGS, canonical
from pipeline.cohort.reading.tags import Tags
from pipeline.predict.member import Seen


@dataclass(frozen=True)
class Finding:
    """What is said of one finding."""

    raw: float
    """The vote's probability, as `evaluate` judges it."""
    probability: float
    """Calibrated on validation images."""
    threshold: float | None
    """Of the raw probability; None where validation images could not tell."""
    calibrated_threshold: float | None
    """The same, calibrated: `probability` reaches it where `raw` reaches the other."""
    above: float
    """The share of validation images whose raw probability is lower, ties half."""
    shares: dict[str, float]
    """By member, the probability with which it votes."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one radiograph."""

    image: UInt8[np.ndarray, "s s"]
    """At the size of the cached images."""
    findings: dict[str, Finding]
    patient: Tags
    """What was known of the patient."""
    distance: float
    """From the training images; see `Familiarity`."""
    limit: float
    """Further away are one in a hundred validation images, and pictures of something else."""
    warnings: tuple[str, ...]
    """Why nothing here should be trusted; with any of them no finding is called."""
    notes: tuple[str, ...]
    """What else is to be known: what was missing, or is in doubt."""
    seen: Mapping[str, Seen]
    """By member, what it saw; of one image."""
    shown: str
    """The member whose heatmaps, boxes and crops are shown where none is named."""
    box_rule: BoxRule
    """How a heatmap becomes a finding's box, as in the stage `iou`."""

    @property
    def raw(self) -> dict[str, float]:
        """By finding, the vote's probability."""
        return {name: one.raw for name, one in self.findings.items()}

    @property
    def probabilities(self) -> dict[str, float]:
        """By finding, the calibrated probability."""
        return {name: one.probability for name, one in self.findings.items()}

    @property
    def calls(self) -> dict[str, bool | None]:
        """By finding, whether the raw probability reaches the threshold.

        None where there is no threshold, and everywhere if there are warnings.
        """
        return {name: self._call(one) for name, one in self.findings.items()}

    def _call(self, one: Finding) -> bool | None:
        if self.warnings or one.threshold is None:
            return None
        return bool(np.float32(one.raw) >= one.threshold)

    def heatmap(
        self, finding: str, *, member: str | None = None, method: str | None = None
    ) -> Float32[np.ndarray, "s s"]:
        """A member's heatmap of a finding on the image: 0 for no evidence, 1 at its maximum.

        Args:
            finding: in any spelling.
            member: `shown` without.
            method: of the member's heatmaps; its first that knows findings without.

        Raises:
            ValueError: no such finding.
            KeyError: no such member or method.
        """
        grids, maps = self._map(finding, member, method)
        side = self.image.shape[0]
        drawn = draw_on_image(np.maximum(grids, 0), maps.grid, height=side, width=side)
        peak = drawn.max()
        return np.asarray(drawn / peak if peak > 0 else drawn, np.float32)

    def box(
        self, finding: str, *, member: str | None = None, method: str | None = None
    ) -> Float[np.ndarray, "4"] | None:
        """Where that heatmap is high: xyxy, fractions of the image; None if it says nothing.

        Args and errors: as of `heatmap`.
        """
        grids, maps = self._map(finding, member, method)
        return heatmap_box(grids.astype(np.float64), maps.grid, self.box_rule)

    def crop_boxes(self, *, member: str | None = None) -> Float[np.ndarray, "k 4"]:
        """What a member's local branch looked at: xyxy, fractions of the image.

        Raises:
            KeyError: no such member.
        """
        return np.asarray(self.seen[member or self.shown].crop_boxes[0])

    @property
    def ranked(self) -> list[str]:
        """The findings, the one furthest above its threshold first."""
        return sorted(self.findings, key=lambda name: _above(self.findings[name]), reverse=True)

    def overlay(self, finding: str | None = None) -> UInt8[np.ndarray, "h w 3"]:
        """A picture to look at, RGB: the radiograph, heatmaps, boxes, crops and probabilities.

        Args:
            finding: whose heatmap is shown; those of the first `ranked` ones without.

        Raises:
            ValueError: no such finding.
        """
        from pipeline.predict import sheet  # noqa: PLC0415 (matplotlib is slow to load)

        chosen = self.ranked[:3] if finding is None else [canonical(finding)]
        calls = self.calls
        return sheet.draw_sheet(
            sheet.Sheet(
                self.image,
                _spelt(self.patient),
                self.crop_boxes(),
                [
                    sheet.Panel(
                        f"{_words(name)}: {self.findings[name].probability:.2f}, "
                        f"{_CALLS[calls[name]]}",
                        bool(calls[name]),
                        self.heatmap(name),
                        self.box(name),
                    )
                    for name in chosen
                ],
                [
                    sheet.Bar(
                        _words(name),
                        bool(calls[name]),
                        self.findings[name].probability,
                        self.findings[name].calibrated_threshold,
                        self.findings[name].above,
                    )
                    for name in self.ranked
                ],
                self.warnings,
                self.notes,
            )
        )

    def _map(
        self, finding: str, member: str | None, method: str | None
    ) -> tuple[Float[np.ndarray, "h w"], Maps]:
        found = self.seen[member or self.shown].heatmaps
        telling = [name for name, maps in found.items() if len(maps[0]) > 1]
        maps = found[method or [*telling, *found][0]]
        stack, at = maps[0], FINDINGS.index(canonical(finding))
        return np.asarray(stack[at] if len(stack) > 1 else stack[0]), maps


def _above(one: Finding) -> float:
    """How far above its threshold, as a difference of logits."""
    if one.threshold is None:
        return -np.inf
    return float(logit(np.clip(one.raw, _LEAST, 1 - _LEAST)) - logit(one.threshold))


_LEAST = 1e-6


_CALLS = {True: "called", False: "not called", None: "no call"}


def _spelt(patient: Tags) -> str:
    age = None if patient.age is None else f"{patient.age:.0f} years"
    parts = [part for part in (age, patient.gender, patient.view) if part]
    return ", ".join(parts) or "age, gender and view not known"


def _words(finding: str) -> str:
    return finding.replace("_", " ")
