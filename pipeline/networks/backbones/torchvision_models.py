"""`torchvision.models`, imported without the compiler of torch.

torchvision asks `torch._dynamo` for one function, which only its box pooling calls. To import that
package takes as long as torch and torchvision together, each time that a stage starts. Here it is
stood in for while torchvision is imported, and loaded when something is really asked of it.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch  # noqa: F401 (what it imports of its own comes first)

COMPILER = ("torch._dynamo", "torch._dynamo.utils")


@contextmanager
def _without_compiler() -> Iterator[None]:
    if COMPILER[0] in sys.modules:
        yield
        return
    sys.modules.update({name: _stand_in(name) for name in COMPILER})
    try:
        yield
    finally:
        for name in COMPILER:
            del sys.modules[name]


def _stand_in(module: str) -> ModuleType:
    """A module of which every name is a function that calls the real one."""

    def later(name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any) -> Any:
            return getattr(importlib.import_module(module), name)(*args)

        return call

    made = ModuleType(module)
    made.__dict__["__getattr__"] = later
    return made


with _without_compiler():
    from torchvision import models

__all__ = ["models"]
