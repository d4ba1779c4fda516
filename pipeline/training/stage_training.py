"""What training stages share: snapshots, what is shown and tracked, and processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline import tracking
from pipeline.params.sections import LearningParams, Section, TrainParams
from pipeline.training.processes.distributed import leave
from pipeline.training.records.kept import numbers_of_kept
from pipeline.training.records.snapshots import Snapshots
from pipeline.training.state import Epoch

_INDIFFERENT = {"device_cache", "devices", "flip_at_predict"}
"""Params with which a training comes to the same weights; of processes, a snapshot knows."""


class StageTraining:
    """The training of a stage and member: kept by snapshots, shown and tracked.

    Args:
        stage: its name.
        member: of which member.
        train: the section that all trainings share.
        params: its own section.
    """

    def __init__(
        self, stage: str, member: str, train: TrainParams, params: LearningParams
    ) -> None:
        self._train, self._params = train, params
        self._snapshots = Snapshots(
            f"{stage}/{member}",
            *(_decisive(one) for one in (train, params)),
            run=tracking.run_id(),
            resumed=tracking.go_on_with,
        )

    def follow(self, fit: Callable[..., Iterator[Epoch]], *, label: str) -> list[Epoch]:
        """Train; what comes after it is for one process."""
        followed = self.train(fit, label=label)
        leave()
        return followed

    def train(self, fit: Callable[..., Iterator[Epoch]], *, label: str) -> list[Epoch]:
        """Train, in all processes that share it.

        Args:
            fit: takes the keywords `snapshots` and `watch`.
            label: what is trained: "model.global resnet18".
        """
        shown = tracking.Shown(label, epochs=self._params.epochs)
        followed = []
        for epoch in fit(snapshots=self._snapshots, watch=shown.batches):
            tracking.log_epoch(vars(epoch), shown)
            followed.append(epoch)
        kept = numbers_of_kept(followed, self._train.keep)
        tracking.log_metrics(kept)
        return followed

    def finish(self, *outputs: Path) -> None:
        """The stage has written its outputs: see `Snapshots.finish`."""
        self._snapshots.finish(*outputs)


def _decisive(section: Section) -> dict[str, object]:
    return section.model_dump(exclude=_INDIFFERENT)


class StageTrainings:
    """The trainings of a stage for several members, one after the other.

    Args:
        stage: its name.
        train: the section that all trainings share.
        params: its own section.
        label: what is trained: "capsnet".
    """

    def __init__(
        self, stage: str, train: TrainParams, params: LearningParams, *, label: str
    ) -> None:
        self._stage, self._train, self._params, self._label = stage, train, params, label
        self._begun: list[StageTraining] = []

    def follow(self, member: str, fit: Callable[..., Iterator[Epoch]]) -> list[Epoch]:
        """Train that of a member: see `StageTraining.train`."""
        training = StageTraining(self._stage, member, self._train, self._params)
        self._begun.append(training)
        return training.train(fit, label=f"{member}.{self._label}")

    def end(self) -> None:
        """All are trained; what comes after it is for one process."""
        leave()

    def finish(self, *outputs: Path) -> None:
        """The stage has written its outputs: see `Snapshots.finish`."""
        for training in self._begun:
            training.finish(*outputs)
