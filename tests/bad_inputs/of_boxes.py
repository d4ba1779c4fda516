"""Bad boxes and heatmaps, given to `cxr score-boxes`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from given_boxes import A, D, cohort, drawn, write_cohort
from inputs import BadInput

from pipeline.commands.judging import score_boxes
from pipeline.results.given_boxes.box_files import detect_in_box_file
from pipeline.results.given_boxes.given_frames import frame_told

Call = Callable[[Path], None]


def judged(path: Path, **options: object) -> None:
    """A call of `cxr score-boxes` on a file or a folder."""
    folder = path.parent
    write_cohort(folder)
    score_boxes.main(path, folder / "true.csv", folder / "labels.csv", bootstrap=0, **options)


def refused(frame: pd.DataFrame, **options: object) -> Call:
    def call(folder: Path) -> None:
        frame.to_csv(folder / "b.csv", index=False)
        judged(folder / "b.csv", **options)

    return call


def first_box(frame: pd.DataFrame, expected: list[float]) -> Call:
    """A call after which the first case's box is this one."""

    def call(folder: Path) -> None:
        refused(frame)(folder)
        found = detect_in_box_file(folder / "b.csv", *cohort(folder), frame_told("1024", "--size"))
        assert found.detections[0].box is not None
        assert found.detections[0].box.tolist() == expected

    return call


def map_of(name: str, heatmap: np.ndarray) -> Call:
    def call(folder: Path) -> None:
        (folder / "maps").mkdir()
        np.save(folder / "maps" / name, heatmap)
        judged(folder / "maps")

    return call


def all_maps(maps: dict[str, np.ndarray]) -> Call:
    def call(folder: Path) -> None:
        np.savez(folder / "all.npz", **maps)
        judged(folder / "all.npz")

    return call


def gridded(heatmap: np.ndarray, note: str) -> Call:
    def call(folder: Path) -> None:
        (folder / "maps").mkdir()
        (folder / "maps/grid.json").write_text(note)
        np.save(folder / "maps" / MASS, heatmap)
        judged(folder / "maps")

    return call


SEVERAL = drawn([(A, "Mass", 0, 0, 128, 128), (A, "Mass", 256, 256, 512, 512)])
MASS = f"{A.removesuffix('.png')}_Mass.npy"

GIVEN_BOXES = {
    "boxes_several": BadInput(
        "several boxes of a finding on an image",
        first_box(SEVERAL, [0, 0, 0.125, 0.125]),
        read_as="the first of them",
    ),
    "boxes_scored": BadInput(
        "the same, with a column `score`",
        first_box(SEVERAL.assign(score=[0.1, 0.2]), [0.25, 0.25, 0.75, 0.75]),
        read_as="that of the highest score",
    ),
    "boxes_finding": BadInput(
        "a finding with a typing error",
        refused(drawn().assign(finding=["Mass", "Nodul", "Mass"])),
        "…/b.csv, row 3, column finding: unknown finding 'Nodul'; did you mean Nodule?",
    ),
    "boxes_strangers": BadInput(
        "images that the labels lack",
        refused(drawn([("x.png", "Mass", 0, 0, 512, 900)])),
        "…/b.csv: 1 of 1 images are not in the labels; first: x.png (row 2), where names are such "
        "as 00000000_000.png",
    ),
    "boxes_frame": BadInput(
        "boxes in another frame than told",
        refused(drawn(), size="512"),
        "…/b.csv: 3 of 3 boxes reach beyond pixels of 512 x 512; first: row 2 (00000000_000.png), "
        "from x = 256, y = 256 to x = 768, y = 512; they are probably drawn in another frame: "
        "--size says which",
    ),
    "boxes_fractions": BadInput(
        "fractions, and no `--size fractions`",
        refused(drawn([(A, "Mass", 0.25, 0.25, 0.5, 0.5)])),
        "…/b.csv: all 1 boxes lie between 0 and 1, which is a single one of the pixels of "
        "1024 x 1024; of fractions say --size fractions",
    ),
    "boxes_negative": BadInput(
        "a negative width",
        refused(drawn().assign(w=[512, -3, 512])),
        "…/b.csv, row 3 (00000001_000.png): a box -3 wide and 512 high, expected both above 0; "
        "read as x, y, w, h by 'x', 'y', 'w', 'h'",
    ),
    "boxes_gap": BadInput(
        "a row without a box",
        refused(drawn().assign(x=[256, None, 512])),
        "…/b.csv, row 3 (00000001_000.png), column x: nan is no number; a case without a box has "
        "no row",
    ),
    "boxes_two_forms": BadInput(
        "corners beside x, y, w, h",
        refused(drawn().assign(x1=1, y1=1, x2=2, y2=2)),
        "…/b.csv: holds boxes in 2 forms: x, y, w, h; x1, y1, x2, y2; keep the columns of one",
    ),
    "boxes_no_form": BadInput(
        "no height",
        refused(drawn().drop(columns="h")),
        "…/b.csv: no columns of a box; expected one of these four: …; found image, finding, x, …",
    ),
    "boxes_of_no_case": BadInput(
        "no box of a finding that radiologists boxed",
        refused(drawn([(D, "Mass", 0, 0, 256, 256)])),
        "…/b.csv: none of its 1 boxes is of a finding that radiologists boxed on that image; "
        "first: Mass on 00000002_000.png, where cases are such as Mass on 00000000_000.png",
    ),
    "maps_stack": BadInput(
        "a heatmap with a third axis",
        map_of(MASS, np.ones((1, 7, 7))),
        "…_Mass.npy: float64 of shape (1, 7, 7); expected numbers of shape (height, width), one "
        "map in each array",
    ),
    "maps_nan": BadInput(
        "a heatmap with gaps",
        map_of(MASS, np.array([[1, np.nan], [0, 2]])),
        "…_Mass.npy: 1 of 4 values are not finite",
    ),
    "maps_no_finding": BadInput(
        "a heatmap that no finding is named for",
        map_of("00000000_000.npy", np.ones((7, 7))),
        "…/00000000_000.npy; expected <image>_<finding>.npy, <image>.npz with the findings' "
        "names as keys, or a .npz file of any name with keys <image>_<finding>: unknown finding "
        "'000'; expected one of …",
    ),
    "maps_one_file": BadInput(
        "heatmaps of several images in one .npz file, with a typing error in a key",
        all_maps({f"{A}_Mass": np.ones((7, 7)), f"{D}_Nodul": np.ones((7, 7))}),
        "…/all.npz, key 00000002_000.png_Nodul; expected …: unknown finding 'Nodul'; did you mean "
        "Nodule?",
    ),
    "maps_beyond_grid": BadInput(
        "heatmaps beside a grid.json of another size",
        gridded(np.ones((7, 7)), '{"first": 0.25, "step": 0.5}'),
        "…_Mass.npy: a map of 7 x 7 cells, of which the last would look at 3.25 of the image by "
        "grid.json; expected a square map within it, or no grid.json: then cells are equal tiles",
    ),
}
