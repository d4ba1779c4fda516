"""One thread that predicts, one radiograph after another; PyTorch takes the cores."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException

from pipeline.errors import PipelineError

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Worker:
    """Waits for its jobs without the event loop waiting with it."""

    def __init__(self, *, seconds: float) -> None:
        """`seconds` may pass until a job is done, its wait for others included."""
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")

    async def run(self, job: Callable[[], Result]) -> Result:
        """What a job returns, or what it finds wrong with its radiograph.

        A job that has not begun when its time is over never does; one that has goes on.

        Raises:
            HTTPException: 504, time is over; 500, the job has a fault.
            PipelineError: by the job.
        """
        future = self._thread.submit(job)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            detail = f"no prediction within {self._seconds:g} s; try again, or `--timeout` longer"
            raise HTTPException(504, detail) from None
        except PipelineError:
            raise
        except Exception as error:
            kind = type(error).__name__
            log.error("a prediction failed: %s\n%s", kind, _stack(error))  # noqa: TRY400
            raise HTTPException(500, f"the prediction failed ({kind}); see the log") from None

    def stop(self) -> None:
        """Take no more jobs, and wait for none."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _stack(error: Exception) -> str:
    """Where it happened, without its message, which may quote what is in a file."""
    return "".join(traceback.format_tb(error.__traceback__))
