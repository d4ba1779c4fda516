"""Command `zoo`: every backbone trained for one epoch, and the table of what came out."""

from pathlib import Path

import typer

from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits
from pipeline.commands.checkout import enter_checkout
from pipeline.networks.backbones.zoo import BACKBONES, CASCADES
from pipeline.params.whole import load_params
from pipeline.training.data.examples import load_examples
from pipeline.zoo.trial_epoch import table, train_zoo


def main() -> None:
    """Train each backbone on the cached images of the graph, as params.yaml says, but once."""
    enter_checkout()
    cfg = load_params(Path("params.yaml"))
    images, index = Shards(Path("data/cache/images")), read_index(Path("data/cache/index.parquet"))
    splits = read_splits(Path("data/splits.parquet"))
    examples = load_examples(images, index, splits, size=cfg.train.input_size)
    typer.echo(table(train_zoo([*BACKBONES, *CASCADES], examples, cfg)))
