"""Networks of torchxrayvision, read by that package, which need not be installed."""

import logging
import pickle
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from torch import Tensor

from pipeline.errors import ArtifactError

log = logging.getLogger(__name__)

_UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, LookupError, EOFError, AttributeError, ImportError,
    TypeError, ValueError, OSError,
)  # fmt: skip
"""What a download, and the opening of a file that is no network, may end in."""


class XrvNetwork(NamedTuple):
    """A network that torchxrayvision publishes."""

    state: dict[str, Tensor]
    """By torchvision's names."""
    outputs: tuple[str, ...]
    """What its logits say, in order; "" of those that it was not trained for."""
    side: int
    """Of the images that it was trained on, in pixels."""
    path: Path
    """Its file."""


def read_xrv(name: str) -> XrvNetwork:
    """A network from the cache of the package, or downloaded into it by the package.

    Some files hold whole models, which are code: it is the package that opens them.

    Args:
        name: as the package calls it.

    Raises:
        ArtifactError: the package is not installed, has no such network, cannot fetch it or
            cannot read it.
    """
    with _as_guest():
        package = _package()
        known = package.models.model_urls
        if name not in known:
            raise ArtifactError(
                f"xrv:{name}: the installed torchxrayvision has no such network; pip install "
                "--upgrade torchxrayvision"
            )
        path = Path(package.utils.get_cache_dir(), Path(known[name]["weights_url"]).name)
        read = _cached if path.is_file() else _fetched
        network = read(package, name, path)
    inner = getattr(network, "model", network)  # a ResNet is wrapped
    outputs = tuple(network.pathologies)
    return XrvNetwork(inner.state_dict(), outputs, int(network.input_resolution), path)


@contextmanager
def _as_guest() -> Iterator[None]:
    """What the package prints goes to stderr, and the filters of warnings that it sets go away."""
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield


def _package() -> Any:
    try:
        import torchxrayvision  # noqa: PLC0415
    except ImportError as error:
        raise ArtifactError(
            f"weights xrv:<name> need torchxrayvision, which is not installed ({error}): "
            "pip install '.[xrv]' in the checkout"
        ) from None
    return torchxrayvision


def _cached(package: Any, name: str, path: Path) -> Any:
    try:
        return _opened(package, name, path.parent)
    except _UNREADABLE as error:
        raise ArtifactError(
            f"{path}: torchxrayvision cannot read it ({_in_a_line(error)}); delete it, and it is "
            "downloaded again"
        ) from None


def _fetched(package: Any, name: str, path: Path) -> Any:
    """Downloaded and opened beside its place: what was cut short is never in the cache."""
    log.info("weights: torchxrayvision downloads %s", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        try:
            network = _opened(package, name, Path(folder))
        except _UNREADABLE as error:
            raise ArtifactError(
                f"xrv:{name} could not be fetched ({_in_a_line(error)}); put {path.name} into "
                f"{path.parent}"
            ) from None
        Path(folder, path.name).replace(path)
    return network


def _opened(package: Any, name: str, folder: Path) -> Any:
    """As the package opens what is in a folder, or what it downloads there."""
    return package.models.get_model(name, cache_dir=str(folder))


def _in_a_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
