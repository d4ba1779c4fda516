"""Anybody's predictions: csv or parquet with a column for each finding, however it is named."""

import logging
import re
from collections.abc import Container, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.artifacts.tables import SPLIT_NAMES
from pipeline.errors import ArtifactError
from pipeline.findings import ALIASES, FINDINGS

log = logging.getLogger(__name__)

IMAGE_COLUMNS = ("image_index", "image", "image_id", "image_name", "filename", "file", "path")
"""Names of the column that names the radiograph, once they are in lower case with _ for blanks."""

_ALIASES = ALIASES | {"Pleural_Effusion": "Effusion"}  # as CheXpert has it

_SPOKEN = sorted((*FINDINGS, *_ALIASES), key=len, reverse=True)
_FINDING = re.compile(
    "(.*?)(" + "|".join(name.replace("_", "[ _]") for name in _SPOKEN) + ")(.*)", re.IGNORECASE
)


def read_prediction_files(
    paths: Sequence[Path], validation: Path | None, *, affix: str | None = None
) -> dict[str, pd.DataFrame]:
    """Predictions by the file's name, with a column `split`: val or test.

    Args:
        paths: of `read_prediction_file`; without a split of their own, all their images are test.
        validation: the validation images of the first file.
        affix: as there.

    Raises:
        ArtifactError: as there; or a file has no test image, the validation file other findings,
            or validation images are in both.
    """
    frames: dict[str, pd.DataFrame] = {}
    for path in paths:
        frame = read_prediction_file(path, affix=affix)
        frame = frame if "split" in frame else frame.assign(split="test")
        if not frame["split"].eq("test").any():
            raise ArtifactError(f"{path}: none of its images is of the split test")
        if frame["split"].eq("train").any():
            log.info("%s: %d training images are left out", path, frame["split"].eq("train").sum())
        frames[_distinct(path, frames)] = frame[frame["split"] != "train"].reset_index(drop=True)
    if validation is not None:
        first = next(iter(frames))
        frames[first] = _with_validation(frames[first], validation, affix)
    return frames


def _distinct(path: Path, taken: Container[str]) -> str:
    return path.name if path.name not in taken else str(path)


def _with_validation(frame: pd.DataFrame, path: Path, affix: str | None) -> pd.DataFrame:
    val = read_prediction_file(path, affix=affix).assign(split="val")
    both = frame["image_index"].isin(val["image_index"])
    if both.any():
        raise ArtifactError(
            f"{path}: {both.sum():,} of its images are among those to be evaluated; first: "
            f"{frame.loc[both, 'image_index'].iloc[0]}. Validation images must be others"
        )
    differing = [name for name in FINDINGS if (name in val) != (name in frame)]
    if differing:
        raise ArtifactError(f"{path}: has other findings; different: {', '.join(differing)}")
    return pd.concat([frame, val[list(frame)]], ignore_index=True)


def read_prediction_file(path: Path, *, affix: str | None = None) -> pd.DataFrame:
    """Probabilities by image, whoever made them.

    A column is a finding's if its name is that of the finding (NIH's, or an alias; blanks for
    underscores and any case will do) with what all of them have before or behind it: `prob_`, say.

    Args:
        path: csv (also gzipped) or parquet.
        affix: which columns are meant, where several for each finding differ before or behind its
            name: `prob_*`, with the finding in the place of the star.

    Returns:
        image_index (the file name alone, without folders), float columns of the findings that
        the file has, in the order of `FINDINGS`, and `split` if it has that.

    Raises:
        ArtifactError: no such file, no image or finding in it, several candidates for one
            finding, an image named twice, or a value that is no probability.
    """
    frame = _read(path)
    names = _image_column(frame, path)
    columns = _finding_columns(list(frame.columns), affix, path)
    found = pd.DataFrame({"image_index": names.str.replace(r"^.*[/\\]", "", regex=True)})
    _expect_each_once(found["image_index"], path)
    for finding in FINDINGS:
        if finding in columns:
            found[finding] = _probabilities(frame[columns[finding]], path)
    if "split" in frame:
        found["split"] = frame["split"]
        _expect_splits(found["split"], path)
    return found


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(f"{path}: neither csv nor parquet ({error})") from None
    repeated = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if repeated:
        raise ArtifactError(f"{path}: has several columns called {', '.join(repeated)}")
    frame: pd.DataFrame = table.to_pandas()
    if frame.empty:
        raise ArtifactError(f"{path}: holds no prediction")
    return frame


def _image_column(frame: pd.DataFrame, path: Path) -> pd.Series:
    plain = {str(name).strip().lower().replace(" ", "_"): name for name in frame.columns}
    known = [plain[name] for name in IMAGE_COLUMNS if name in plain]
    if not known:
        raise ArtifactError(
            f"{path}: no column names the radiograph; expected one of "
            f"{', '.join(IMAGE_COLUMNS)}, found {', '.join(map(str, frame.columns))}"
            + ("; is it separated by commas?" if len(frame.columns) == 1 else "")
        )
    return frame[known[0]].astype(str)


def _finding_columns(columns: Sequence[str], affix: str | None, path: Path) -> dict[str, str]:
    """The column of each finding."""
    families: dict[str, dict[str, str]] = {}
    for column in columns:
        match = _FINDING.fullmatch(str(column).strip())
        if match:
            before, spoken, behind = match.groups()
            family, finding = families.setdefault(f"{before}*{behind}", {}), _finding(spoken)
            if finding in family:
                raise ArtifactError(
                    f"{path}: {family[finding]} and {column} are both columns of {finding}"
                )
            family[finding] = column
    if not families:
        raise ArtifactError(
            f"{path}: no column is named by a finding; expected {FINDINGS[0]} or "
            f"prob_{FINDINGS[0]} and so on, found {', '.join(map(str, columns))}"
        )
    if len(families) == 1:
        return next(iter(families.values()))
    if affix is None:
        raise ArtifactError(
            f"{path}: several kinds of columns are named by findings: "
            f"{', '.join(f'{name} ({len(one)})' for name, one in families.items())}; say which "
            "are the probabilities, with --columns"
        )
    if affix not in families:
        raise ArtifactError(f"{path}: no columns {affix}; found {', '.join(families)}")
    return families[affix]


def _finding(spoken: str) -> str:
    folded = {name.lower(): name for name in _SPOKEN}
    plain = spoken.lower()
    name = folded.get(plain) or folded[plain.replace(" ", "_")]
    return _ALIASES.get(name, name)


def _probabilities(values: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = ~numbers.between(0, 1)
    if wrong.any():
        raise ArtifactError(
            f"{path}: {values.name}: {wrong.sum():,} of {len(values):,} values are no probability "
            f"in [0, 1]; first: {values[wrong].iloc[0]}. Of logits take the sigmoid first"
        )
    return numbers


def _expect_each_once(names: pd.Series, path: Path) -> None:
    repeated = names[names.duplicated()]
    if len(repeated):
        raise ArtifactError(
            f"{path}: names {len(repeated):,} images more than once; first: {repeated.iloc[0]}"
        )


def _expect_splits(splits: pd.Series, path: Path) -> None:
    wrong = splits[~splits.isin(SPLIT_NAMES)]
    if len(wrong):
        raise ArtifactError(
            f"{path}: split is one of {', '.join(SPLIT_NAMES)}; found {wrong.iloc[0]!r}"
        )
