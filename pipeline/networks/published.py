"""A published network's tensors by that network's own names, whoever wrapped or trained it."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.errors import ParamsError

State = dict[str, Tensor]

_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""Torchvision's own DenseNet files still name layers as PyTorch 0.3 did: `norm.1` for `norm1`."""

_COMPILED = re.compile(r"(^|\.)_orig_mod\.")
"""What `torch.compile` puts in front of the names of whatever it compiles, at any depth."""

_BESIDE = re.compile(r"(^|\.)(op_threshs|total_ops|total_params)$")
"""Buffers that a network's output does not depend on: torchxrayvision's operating points, thop's
counts of operations."""


class Published(NamedTuple):
    """A file's tensors, sorted."""

    state: State
    """The network's, by its own names."""
    prefix: str
    """What stood in front of these names in the file: wrappers and the dicts that held them."""
    renamed: int
    """How many names of DenseNet's layers were of the old kind."""
    beside: list[str]
    """Names, as in the file, of tensors that are none of the network's."""


def sort_published(given: State, wanted: Collection[str], *, name: str) -> Published:
    """Find a network's tensors among those of a file.

    The prefix is the one behind which most of the network's names stand. Behind it nothing is left
    out but what is known to be beside a network: other names stay, for a strict load to refuse.

    Args:
        given: with the file's names; keys of nested dicts are joined by dots.
        wanted: names of the network's tensors.
        name: the backbone's name in params.yaml.

    Raises:
        ParamsError: several networks in the file fit, or one tensor has two values.
    """
    today = {key: _today(key) for key in given}
    prefix = _prefix(today.values(), wanted, name=name)
    state: State = {}
    beside = []
    for key, value in given.items():
        own = today[key].removeprefix(prefix)
        if not today[key].startswith(prefix) or _BESIDE.search(own):
            beside.append(key)
        elif own in state and not torch.equal(state[own], value):
            raise ParamsError(f"weights do not fit {name}: the file has two values of {own}")
        else:
            state[own] = value
    renamed = sum(_OLD_DENSENET.search(key) is not None for key in given)
    return Published(state, prefix, renamed, beside)


def _today(key: str) -> str:
    """A name as torchvision writes it today, compiled or not."""
    return _OLD_DENSENET.sub(r"\1\2", _COMPILED.sub(r"\1", key))


def _prefix(keys: Iterable[str], wanted: Collection[str], *, name: str) -> str:
    found = Counter(prefix for key in set(keys) for prefix in _prefixes(key, wanted))
    most = max(found.values(), default=0)
    best = sorted((prefix for prefix, count in found.items() if count == most), key=len)
    if len(best) > 1 and most == len(wanted):
        raise ParamsError(
            f"weights do not fit {name}: the file holds {len(best)} such networks, as "
            f"{', '.join(f'{prefix}*' for prefix in best)}; save the one that is meant alone"
        )
    return best[0] if best else ""


def _prefixes(key: str, wanted: Collection[str]) -> Iterator[str]:
    """Whatever stands in front of a wanted name at the end of `key`."""
    parts = key.split(".")
    for place in range(len(parts)):
        if ".".join(parts[place:]) in wanted:
            yield "".join(f"{part}." for part in parts[:place])
