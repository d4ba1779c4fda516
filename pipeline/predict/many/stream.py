"""Many files, predicted one batch after another while the next are decoded."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2

from pipeline.base.cores import cores
from pipeline.cohort.reading.image_files import ImageFile
from pipeline.cohort.reading.tags import Tags
from pipeline.errors import CohortError
from pipeline.predict.many.given_files import Source
from pipeline.predict.model import Model
from pipeline.predict.prediction import Prediction
from pipeline.predict.prepared import Prepared, prepare
from pipeline.predict.radiograph import Radiograph, known, read_radiograph

BATCH = 16
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Answer:
    """What became of a file."""

    path: Path
    prediction: Prediction | None
    fault: str | None
    """Why there is none."""


def predict_files(
    model: Model, sources: Sequence[Source], said: Tags, *, lateral: bool
) -> Iterator[Answer]:
    """An answer to each, in their order; memory holds a few batches, however many there are.

    Args:
        model: that predicts.
        sources: the files.
        said: of every patient of whom the source says nothing; tags of a DICOM file come last.
        lateral: whether DICOM files that say they are lateral views are taken.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the files are spread over the cores
    try:
        with ThreadPoolExecutor(cores()) as pool:
            yield from _answers(model, _decoded(pool, model, sources, said, lateral=lateral))
    finally:
        cv2.setNumThreads(threads)


_Read = tuple[Path, Prepared | str]


def _decoded(
    pool: ThreadPoolExecutor, model: Model, sources: Sequence[Source], said: Tags, *, lateral: bool
) -> Iterator[_Read]:
    """Files as the model is shown them, or why they cannot be; some begun ahead."""
    begun: deque[Future[_Read]] = deque()
    for source in sources:
        begun.append(pool.submit(_read, source, said, model.about.image_side, lateral=lateral))
        if len(begun) > BATCH * _BATCHES_AHEAD:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _read(source: Source, said: Tags, side: int, *, lateral: bool) -> _Read:
    try:
        file = ImageFile(source.path.name, str(source.path), source.path).read()
        found = read_radiograph(file, lateral=lateral)
        patient = known(source.said, said, found.patient)
        shown = Radiograph(found.pixels, patient, found.doubts, found.warnings)
        return source.path, prepare(shown, side)
    except CohortError as error:
        return source.path, str(error)
    except OSError as error:
        return source.path, f"cannot be read ({error.strerror})"


def _answers(model: Model, read: Iterator[_Read]) -> Iterator[Answer]:
    waiting: list[_Read] = []
    for one in read:
        waiting.append(one)
        if sum(isinstance(found, Prepared) for _, found in waiting) == BATCH:
            yield from _batch(model, waiting)
            waiting = []
    yield from _batch(model, waiting)


def _batch(model: Model, waiting: Sequence[_Read]) -> Iterator[Answer]:
    shown = [found for _, found in waiting if isinstance(found, Prepared)]
    predictions = iter(model.predict_prepared(shown))
    for path, found in waiting:
        if isinstance(found, Prepared):
            yield Answer(path, next(predictions), None)
        else:
            yield Answer(path, None, found)
