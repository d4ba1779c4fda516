"""What a request may cost."""

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Bounds on memory and time, whoever asks."""

    megabytes: int = 64
    """Of one request's body, the radiograph's file and little else."""
    seconds: float = 60.0
    """That an upload may take, and after it the prediction with what waits before it."""
    waiting: int = 32
    """Requests that are read or wait while one is answered; they are all held in memory."""

    @property
    def body_bytes(self) -> int:
        """Of one request's body."""
        return self.megabytes * MEGABYTE
