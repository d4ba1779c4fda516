"""Bad inputs of `cxr external`."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from inputs import BadInput
from made_model import write_model
from made_public_cohorts import write_public_cohort

from pipeline.commands.judging import external

Call = Callable[[Path], None]


@cache
def model() -> Path:
    """A packaged one."""
    return write_model(Path(mkdtemp()) / "model", members=("one",))


def judged(
    layout: str = "chexpert",
    *,
    columns: str = "",
    spoil: Callable[[Path], object] = lambda _: None,
) -> Call:
    """A call on a made cohort in a public layout."""

    def call(folder: Path) -> None:
        cohort = write_public_cohort(folder / "chest", layout)
        spoil(cohort)
        external.main(
            cohort, model=model(), columns=columns or layout, out=folder / "out", bootstrap=0
        )

    return call


def first(folder: Path) -> Path:
    return min(folder.rglob("*.jpg"))


def shorten(folder: Path) -> None:
    path = first(folder)
    path.write_bytes(path.read_bytes()[:60])


EXTERNAL = {
    "external_layout": BadInput(
        "a layout that is none",
        judged(columns="chexprt"),
        "--columns chexprt: no such layout; expected nih, chexpert, padchest, vindr, rsna, "
        "rsna_classes, or the path of a YAML file with the keys of ingest.columns",
    ),
    "external_missing": BadInput(
        "a cohort of which an image is missing, without `--partial`",
        judged(spoil=lambda folder: first(folder).unlink()),
        "…/chest: expected the 150 images of train.csv, found 149; 1 missing, first: "
        "patient00001_study1_view1_frontal.jpg; complete the folder, or say --partial to use "
        "what is there",
    ),
    "external_broken": BadInput(
        "a cohort of which an image is cut off, without `--skip-bad`",
        judged(spoil=shorten),
        "1 bad images (--skip-bad leaves them out)\n  …/view1_frontal.jpg: …",
    ),
    "external_no_table": BadInput(
        "the layout of another cohort",
        judged(columns="padchest"),
        "…/chest: holds none of the tables of --columns "
        "(PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv), nor one of them with .gz, up to "
        "2 folders below; put it there, or name another in the file of --columns (tables)",
    ),
}
