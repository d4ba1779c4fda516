"""What sharing crops costs: `python -m benchmarks.sharing`; DVC, shards beside single files.

DVC is run as its users run it, as a command, in repositories of its own that are removed again.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.machine import describe_machine
from benchmarks.s3_server import BUCKET, s3_server
from benchmarks.setup import SIZE
from pipeline.base.shards import SHARD_ROWS

Figures = dict[str, Any]

NIH_IMAGES = 112_120


@dataclass(frozen=True)
class Sharing:
    """Crops to share: so many, in one way, through one remote."""

    images: int
    shards: bool
    s3: bool

    @property
    def name(self) -> str:
        """A row's."""
        way = f"shards of {SHARD_ROWS:,}" if self.shards else "single files"
        return f"{way}, {'S3 on loopback' if self.s3 else 'local folder'}"


def measure_sharing(one: Sharing, within: Path | None = None) -> Figures:
    """Seconds of add, push, pull and status, and what went through the remote.

    At most three copies lie on the disk at once: what was pushed is removed before it is pulled,
    and files of the cache are linked into the workspace.

    Args:
        one: what is shared.
        within: the folder to work in; by default the system's for temporary files.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=within)))
        repo, remote, environment = folder / "repo", str(folder / "remote"), dict(os.environ)
        repo.mkdir()
        if one.s3:
            server = stack.enter_context(s3_server(folder))
            remote, environment = f"s3://{BUCKET}/crops", environment | server.environment
        _run("git", "init", "-q", cwd=repo, env=environment)
        _dvc("init", "-q", cwd=repo, env=environment)
        _dvc("config", "core.analytics", "false", cwd=repo, env=environment)
        _dvc("config", "cache.type", "hardlink,copy", cwd=repo, env=environment)
        _dvc("remote", "add", "-q", "-d", "there", remote, cwd=repo, env=environment)
        if one.s3:
            _dvc(
                "remote",
                "modify",
                "there",
                "endpointurl",
                server.endpoint,
                cwd=repo,
                env=environment,
            )
        files, size = write_crops(repo / "crops", one.images, shards=one.shards)
        seconds = {"add": _dvc("add", "-q", "crops", cwd=repo, env=environment)}
        seconds["status"] = _dvc("status", "-q", cwd=repo, env=environment)
        seconds["push"] = _dvc("push", "-q", cwd=repo, env=environment)
        seconds["push again"] = _dvc("push", "-q", cwd=repo, env=environment)
        shutil.rmtree(repo / "crops")
        shutil.rmtree(repo / ".dvc/cache")
        shutil.rmtree(repo / ".dvc/tmp")
        seconds["pull"] = _dvc("pull", "-q", cwd=repo, env=environment)
        back = list((repo / "crops").iterdir())
        if (len(back), sum(path.stat().st_size for path in back)) != (files, size):
            raise RuntimeError(f"{one.name}: {len(back)} files came back, expected {files}")
    return {"images": one.images, "files": files, "MB": size / 1e6, "seconds": seconds}


def write_crops(folder: Path, images: int, *, shards: bool) -> tuple[int, int]:
    """Write noise of the crops' shape, which nothing can compress; number of files and bytes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for start in range(0, images, SHARD_ROWS):
        block = rng.integers(0, 256, (min(SHARD_ROWS, images - start), SIZE, SIZE), np.uint8)
        if shards:
            np.save(folder / f"image-{start // SHARD_ROWS:05d}.npy", block)
        else:
            for row, image in enumerate(block, start):
                np.save(folder / f"{row:08d}.npy", image)
    sizes = [path.stat().st_size for path in folder.iterdir()]
    return len(sizes), sum(sizes)


def _dvc(*words: str, cwd: Path, env: dict[str, str]) -> float:
    started = time.perf_counter()
    _run(sys.executable, "-m", "dvc", *words, cwd=cwd, env=env)
    return time.perf_counter() - started


def _run(*command: str, cwd: Path, env: dict[str, str]) -> None:
    subprocess.run(command, cwd=cwd, env=env, check=True, capture_output=True)


def sharing_table(figures: dict[str, Figures]) -> str:
    """Markdown: a row for each way and remote, as measured."""
    names = ("add", "status", "push", "push again", "pull")
    lines = [
        f"| crops of {SIZE} px | crops | files | MB | {' | '.join(names)} |",
        f"|---|---|---|---|{'---|' * len(names)}",
    ]
    for name, one in figures.items():
        seconds = (f"{one['seconds'][each]:,.1f} s" for each in names)
        cells = [name, f"{one['images']:,}", f"{one['files']:,}", f"{one['MB']:,.0f}", *seconds]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    shards: Annotated[int, typer.Option(help="Crops to share as shards.")] = NIH_IMAGES,
    files: Annotated[int, typer.Option(help="Crops to share as single files.")] = NIH_IMAGES,
    s3: Annotated[int, typer.Option(help="At most so many through S3.")] = NIH_IMAGES,
    out: Annotated[Path, typer.Option(help="JSON with every figure.")] = Path("bench.json"),
    within: Annotated[Path | None, typer.Option(help="Folder for what is shared.")] = None,
) -> None:
    """Measure sharing of crops: shards and single files, through a folder and through S3."""
    machine = describe_machine()
    asked = [
        Sharing(min(images, s3) if remote else images, way, remote)
        for remote in (False, True)
        for way, images in ((True, shards), (False, files))
    ]
    figures: dict[str, Figures] = {}
    for one in asked:
        typer.echo(f"{one.name}: {one.images:,} crops", err=True)
        figures[one.name] = measure_sharing(one, within)
        typer.echo(json.dumps(figures[one.name]), err=True)
    out.write_text(json.dumps({"machine": machine, "sharing": figures}, indent=2) + "\n")
    typer.echo(f"{machine}\n\n{sharing_table(figures)}")


if __name__ == "__main__":
    typer.run(main)
