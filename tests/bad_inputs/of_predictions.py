"""Bad predictions, given to `cxr score`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from inputs import BadInput
from made_results import made_index, made_predictions, made_splits, write_labels

from pipeline.base.findings import FINDINGS
from pipeline.commands.judging import score
from pipeline.results.evaluation.files.prediction_files import read_prediction_file

INDEX = made_index(patients=30)
FRAME = made_predictions(INDEX, made_splits(INDEX))
TEST = FRAME[FRAME["split"] == "test"].drop(columns="split").reset_index(drop=True)
FIRST = TEST["image_index"][0]

Change = Callable[[pd.DataFrame], pd.DataFrame]


def labels(folder: Path) -> Path:
    """NIH's table of these images."""
    write_labels(INDEX, folder / "labels.csv")
    return folder / "labels.csv"


def scored(content: bytes, file: str = "p.csv", **options: object) -> Callable[[Path], None]:
    """A call of `cxr score` on a file."""

    def call(folder: Path) -> None:
        (folder / file).write_bytes(content)
        score.main(folder / file, labels(folder), bootstrap=0, **options)

    return call


def csv_of(change: Change = lambda frame: frame, **options: object) -> bytes:
    return change(TEST.copy()).to_csv(index=False, **options).encode()


def refused(change: Change, **options: object) -> Callable[[Path], None]:
    """A call on a csv file that was changed."""
    return scored(csv_of(change), **options)


def same(content: bytes | None = None, file: str = "p.csv", **options: object) -> Callable:
    """A call whose predictions are those of the unchanged file."""

    def call(folder: Path) -> None:
        scored(content, file)(folder)
        found = read_prediction_file(folder / file, **options)
        np.testing.assert_allclose(found[list(FINDINGS)], TEST[list(FINDINGS)], atol=1e-5)
        assert found["image_index"].tolist() == TEST["image_index"].tolist()

    return call


def parquet(change: Change) -> bytes:
    return change(TEST.copy()).to_parquet()


def mass(value: object) -> Change:
    """Another value in the third row."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame["Mass"].astype(object)
        values[2] = value
        return frame.assign(Mass=values)

    return change


def renamed(change: Callable[[str], str]) -> Change:
    return lambda frame: frame.rename(
        columns=lambda name: change(name) if name in FINDINGS else name
    )


def two_networks(frame: pd.DataFrame) -> pd.DataFrame:
    one, other = (renamed(lambda name, n=n: f"{n}_{name}")(frame) for n in (0, 1))
    return one.merge(other, on="image_index")


def chosen(folder: Path) -> None:
    (folder / "p.csv").write_bytes(csv_of(two_networks))
    found = read_prediction_file(folder / "p.csv", affix="1_*")
    np.testing.assert_allclose(found["Mass"], TEST["Mass"])


def rounded(folder: Path) -> None:
    scored(csv_of(mass(1.0000001)))(folder)
    assert read_prediction_file(folder / "p.csv")["Mass"][2] == 1


def all_or_no_split(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(fold=["train", "test"] * (len(frame) // 2) + ["test"] * (len(frame) % 2))


THIRD = f"…/p.csv, row 4 ({TEST['image_index'][2]}), column Mass: "

PREDICTIONS = {
    "score_prefix": BadInput(
        "columns `prob_Mass`",
        same(csv_of(renamed(lambda name: f"prob_{name}"))),
        read_as="those findings",
    ),
    "score_numbered": BadInput(
        "columns that count the findings, `4_Mass`",
        same(csv_of(renamed(lambda name: f"{FINDINGS.index(name)}_{name}"))),
        read_as="those findings",
    ),
    "score_networks": BadInput(
        "columns `0_Mass` and `1_Mass` of two networks",
        refused(two_networks),
        "…/p.csv: several kinds of columns are named by findings: 0_* (14), 1_* (14); say which "
        "are the probabilities, with --columns",
    ),
    "score_network_chosen": BadInput(
        "the same, with `--columns '1_*'`", chosen, read_as="those of the second"
    ),
    "score_no_such_columns": BadInput(
        "`--columns` of which there are none",
        refused(lambda frame: frame, columns="p_*"),
        "…/p.csv: no columns p_*; found * (14)",
    ),
    "score_no_star": BadInput(
        "`--columns` without a `*`",
        refused(two_networks, columns="prob"),
        "--columns prob: expected one * in the place of the finding, as in prob_*",
    ),
    "score_path": BadInput(
        "paths in place of names",
        same(csv_of(lambda f: f.assign(image_index="/data/images/" + f["image_index"]))),
        read_as="the names at their ends",
    ),
    "score_unnamed_index": BadInput(
        "images as the index of a parquet file",
        same(parquet(lambda frame: frame.set_index("image_index")), "p.parquet"),
        read_as="the column of images",
    ),
    "score_pq": BadInput(
        "parquet under a name that ends in .csv",
        same(parquet(lambda frame: frame)),
        read_as="parquet",
    ),
    "score_rounding": BadInput(
        "1.0000001 as a probability",
        rounded,
        read_as="1",
    ),
    "score_xlsx": BadInput(
        "a spreadsheet, whatever it is called",
        scored(b"PK\x03\x04" + bytes(99)),
        "…/p.csv: a spreadsheet or zip archive; save it as csv or parquet",
    ),
    "score_latin1": BadInput(
        "a header in latin-1",
        scored(csv_of().replace(b"Hernia", b"Herni\xe9", 1)),
        "…/p.csv: its header is not UTF-8 text (…)",
    ),
    "score_no_file": BadInput(
        "a file that is not there",
        lambda folder: score.main(folder / "p.csv", labels(folder)),
        "…/p.csv: no such file",
    ),
    "score_empty": BadInput("an empty file", scored(b""), "…/p.csv: an empty file (0 bytes)"),
    "score_no_rows": BadInput(
        "a header and no rows",
        refused(lambda frame: frame.iloc[:0]),
        "…/p.csv: holds no prediction",
    ),
    "score_damaged_parquet": BadInput(
        "a parquet file that was cut off",
        scored(parquet(lambda frame: frame)[:-50], "p.parquet"),
        "…/p.parquet: neither csv nor parquet (…)",
    ),
    "score_repeated_column": BadInput(
        "a column that is there twice",
        scored(csv_of().replace(b"Hernia", b"Mass", 1)),
        "…/p.csv: has several columns called Mass",
    ),
    "score_two_spellings": BadInput(
        "two columns of one finding",
        refused(lambda frame: frame.assign(infiltrate=0.5)),
        "…/p.csv: 'Infiltration' and 'infiltrate' are both columns of Infiltration; keep one of "
        "them",
    ),
    "score_no_images": BadInput(
        "no column of images",
        refused(lambda frame: frame.drop(columns="image_index")),
        "…/p.csv: no column names the radiograph; expected one of image_index, image, …, found "
        "Atelectasis, …",
    ),
    "score_no_findings": BadInput(
        "no column of a finding",
        refused(lambda frame: frame[["image_index"]].assign(score=0.5)),
        "…/p.csv: no column is named by a finding; expected Atelectasis or prob_Atelectasis and "
        "so on, found image_index, score",
    ),
    "score_repeated_image": BadInput(
        "an image twice",
        refused(lambda frame: pd.concat([frame, frame.iloc[:2]])),
        f"…/p.csv: names 2 images more than once; first: {FIRST}",
    ),
    "score_logit": BadInput(
        "logits",
        refused(mass(-3.5)),
        THIRD + "-3.5 is no probability in [0, 1]; of logits take the sigmoid first",
    ),
    "score_percent": BadInput(
        "a little more than 1",
        refused(mass(1.02)),
        THIRD + "1.02 is no probability in [0, 1]",
    ),
    "score_word": BadInput(
        "a word", refused(mass("high")), THIRD + "high is no probability in [0, 1]"
    ),
    "score_gap": BadInput("a gap", refused(mass(None)), THIRD + "nan is no probability in [0, 1]"),
    "score_split_word": BadInput(
        "an unknown split",
        refused(lambda frame: frame.assign(split="valid")),
        "…/p.csv, row 2, column split: 'valid'; expected one of train, val, test",
    ),
    "score_hidden_split": BadInput(
        "a split under another name",
        refused(all_or_no_split),
        "…/p.csv: the column 'fold' holds test, train, and is not called split; call it split, "
        "with train, val, test, to have its test rows evaluated, or remove it to have all rows",
    ),
    "score_is_test": BadInput(
        "`is_test` of true and false",
        refused(lambda frame: frame.assign(is_test=[True, False] * (len(frame) // 2))),
        "…/p.csv: the column 'is_test' holds False, True, and is not called split; …",
    ),
    "score_fold_gaps": BadInput(
        "`fold` of train and gaps",
        refused(lambda frame: frame.assign(fold=["train", None] * (len(frame) // 2))),
        "…/p.csv: the column 'fold' holds , train, and is not called split; …",
    ),
    "score_filtered": BadInput(
        "parquet of filtered or shuffled rows, with their old numbers",
        same(parquet(lambda frame: frame.set_index(frame.index + 7)), "p.parquet"),
        read_as="the rows",
    ),
    "score_no_ending": BadInput(
        "names of images without their ending, and blanks around them",
        scored(csv_of(lambda f: f.assign(image_index=" " + f["image_index"].str[:-4] + " "))),
        read_as="the images of the labels",
    ),
    "score_lfs": BadInput(
        "a Git-LFS pointer",
        scored(b"version https://git-lfs.github.com/spec/v1\n"),
        "…/p.csv: a Git-LFS pointer, not the file it stands for: run `git lfs pull`",
    ),
    "score_no_test": BadInput(
        "a file of training images only",
        refused(lambda frame: frame.assign(split="train")),
        "…/p.csv: none of its images is of the split test",
    ),
    "score_strangers": BadInput(
        "images that the labels lack",
        refused(lambda frame: frame.assign(image_index="x" + frame["image_index"])),
        f"p.csv: {len(TEST)} of {len(TEST)} images are not in the labels; first: x{FIRST}, where "
        "names are such as 00000000_000.png",
    ),
}
