"""Which branches of a member are cascades: what of its backbones `pretrain_capsnet` follows from.

Other backbones leave the file as it was, so DVC has no reason to pretrain a CapsNet again.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from pipeline.base.files import read_json, write_json

Cascades = dict[str, dict[str, bool]]
"""Of each member, whether its global branch is a cascade, and its local one."""


@runtime_checkable
class Member(Protocol):
    """A member's section of params.yaml."""

    @property
    def cascades(self) -> dict[str, bool]:
        """Which of its branches are cascades."""


def write_cascades(members: Mapping[str, Member], voting: Iterable[str], file: Path) -> None:
    """Those of the voting members: `{"model": {"global": false, "local": true}}`."""
    write_json({name: members[name].cascades for name in voting}, file)


def read_cascades(file: Path) -> Cascades:
    """Those of the voting members."""
    return dict(read_json(file))
