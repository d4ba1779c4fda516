"""Command `recipe`: use another complete params file."""

from pathlib import Path

from pipeline.params.recipes import use_recipe
from stages.options import Choice, run


def main(name: Choice) -> None:
    """Copy `recipes/<name>.yaml` to `params.yaml`, unless that has changes of your own."""
    use_recipe(name, Path())


if __name__ == "__main__":
    run(main, tracked=False)
