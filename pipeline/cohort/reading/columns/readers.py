"""What makes one label of several readers' labels."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

ReaderVote = Callable[[Int[np.ndarray, "n f"], Int[np.ndarray, "n f"]], Float[np.ndarray, "n f"]]
"""How many readers say yes, and how many know, to 1, 0, or NaN: unknown."""


def any_(yes: Int[np.ndarray, "n f"], said: Int[np.ndarray, "n f"]) -> Float[np.ndarray, "n f"]:
    """One reader's yes suffices."""
    return _where_said(yes > 0, said)


def majority(
    yes: Int[np.ndarray, "n f"], said: Int[np.ndarray, "n f"]
) -> Float[np.ndarray, "n f"]:
    """More than half of those who know say yes."""
    return _where_said(2 * yes > said, said)


def unanimous(
    yes: Int[np.ndarray, "n f"], said: Int[np.ndarray, "n f"]
) -> Float[np.ndarray, "n f"]:
    """All say the same; where they do not, it is unknown."""
    return np.where((yes == 0) | (yes == said), _where_said(yes > 0, said), np.nan)


def _where_said(
    label: Bool[np.ndarray, "n f"], said: Int[np.ndarray, "n f"]
) -> Float[np.ndarray, "n f"]:
    return np.where(said > 0, label.astype(float), np.nan)


READERS: dict[str, ReaderVote] = {"any": any_, "majority": majority, "unanimous": unanimous}
