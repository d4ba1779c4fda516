"""Command `zoo`: every backbone trained for one epoch, and the table of what came out."""

from pathlib import Path

import typer

from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits
from pipeline.networks.backbones.zoo import BACKBONES, CASCADES
from pipeline.params.whole import load_params
from pipeline.training.data.examples import load_examples
from pipeline.zoo.trial_epoch import table, train_zoo
from stages.options import ParamsFile, run


def main(
    images: Path = Path("data/cache/images"),
    index: Path = Path("data/cache/index.parquet"),
    splits: Path = Path("data/splits.parquet"),
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Train each backbone on the cached images of the graph, as params.yaml says, but once."""
    cfg = load_params(params)
    examples = load_examples(
        Shards(images), read_index(index), read_splits(splits), size=cfg.train.input_size
    )
    typer.echo(table(train_zoo([*BACKBONES, *CASCADES], examples, cfg)))


if __name__ == "__main__":
    run(main, tracked=False)
