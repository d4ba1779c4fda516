"""Packages that are named, with those that they bring along; all others can be hidden."""

from importlib.metadata import packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def brought(names):
    """Distributions that these bring along, themselves among them."""
    found, todo = set(), [canonicalize_name(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        needs = [Requirement(one) for one in requires(name) or []]
        todo += [
            canonicalize_name(one.name)
            for one in needs
            if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return found


def hidden(allowed):
    """Code that makes every other package one that is not installed.

    But sphinx: scipy takes its name among the modules for one that was imported.
    """
    owners = packages_distributions().items()
    others = [
        name for name, own in owners if not allowed & {canonicalize_name(one) for one in own}
    ]
    others.remove("sphinx")
    assert {"dvc", "ray"} <= {*others}
    return f"import sys; sys.modules.update(dict.fromkeys({others!r}))\n"
