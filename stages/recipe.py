"""Command `recipe`: what differs from the committed params.yaml for another run."""

from pathlib import Path

from pipeline.params.recipes import use_recipe
from stages.options import Choice, run


def main(name: Choice) -> None:
    """Lay `recipes/<name>.yaml` onto the committed params.yaml, unless yours has other changes."""
    use_recipe(name, Path())


if __name__ == "__main__":
    run(main, tracked=False)
