"""Networks of torchxrayvision, read by that package, which need not be installed."""

import logging
import pickle
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from pipeline.errors import ArtifactError
from pipeline.networks.weight_files import check_file
from pipeline.networks.weights import Weights

log = logging.getLogger(__name__)

_UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, LookupError, EOFError, AttributeError, ImportError,
    TypeError, ValueError, OSError,
)  # fmt: skip
"""What loading a file that is no network of the package may end in."""


def xrv_weights(name: str, *, input_size: int) -> Weights:
    """The weights of a network that torchxrayvision publishes, and what its outputs say.

    From the package's own cache, or downloaded into it by the package. Its files hold whole
    models, so that it is the package that opens them.

    Args:
        name: as the package calls it.
        input_size: side of the images that the branch will see, in pixels.

    Raises:
        ArtifactError: the package is not installed, has no such network, cannot fetch it or
            cannot read it.
    """
    with _as_guest():
        package = _package()
        network = _network(package, name)
    side = int(network.input_resolution)
    if side != input_size:
        log.info(
            "  trained on %d x %d pixels, and sees %d x %d here", *[side] * 2, *[input_size] * 2
        )
    inner = getattr(network, "model", network)  # a ResNet is wrapped
    return Weights(inner.state_dict(), about=None, outputs=tuple(network.pathologies))


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


def _network(package: Any, name: str) -> Any:
    known = package.models.model_urls
    if name not in known:
        raise ArtifactError(
            f"xrv:{name}: the installed torchxrayvision has no such network; pip install "
            "--upgrade torchxrayvision"
        )
    path = Path(package.utils.get_cache_dir(), Path(known[name]["weights_url"]).name)
    if path.is_file():
        network = _opened(package, name, path, "delete it, and it is downloaded again")
    else:
        network = _fetched(package, name, path)
    check_file(path, "")
    return network


def _fetched(package: Any, name: str, path: Path) -> nn.Module:
    """Downloaded beside its place, so that nothing that was cut short is ever in the cache."""
    log.info("weights: torchxrayvision downloads %s", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        try:
            fresh = Path(package.models.get_weights(name, cache_dir=folder))
        except OSError as error:  # those of its client, too
            raise ArtifactError(
                f"xrv:{name} could not be fetched ({_in_a_line(error)}); put {path.name} into "
                f"{path.parent}"
            ) from None
        network = _opened(package, name, fresh, f"try again, or put it into {path.parent}")
        fresh.replace(path)
    return network


def _opened(package: Any, name: str, path: Path, remedy: str) -> nn.Module:
    try:
        network: nn.Module = package.models.get_model(name, cache_dir=str(path.parent))
    except _UNREADABLE as error:
        raise ArtifactError(
            f"{path}: torchxrayvision cannot read it ({_in_a_line(error)}); {remedy}"
        ) from None
    return network


def _in_a_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
