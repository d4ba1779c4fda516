"""Which branches of a member are cascades: what of its backbones `pretrain_capsnet` follows from.

Other backbones leave the file as it was, so DVC has no reason to pretrain a CapsNet again.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.base.files import read_json, replacing, write_json
from pipeline.params.sections import Member


def write_cascades(members: Mapping[str, Member], voting: Iterable[str], folder: Path) -> None:
    """Write `folder`: for each voting member a file, `{"global": false, "local": true}`."""
    with replacing(folder) as fresh:
        fresh.mkdir()
        for name in voting:
            write_json(members[name].cascades, fresh / f"{name}.json")


def read_cascades(file: Path) -> dict[str, bool]:
    """Whether the global branch is a cascade, and the local one."""
    return dict(read_json(file))
