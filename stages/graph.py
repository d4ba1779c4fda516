"""Command `graph`: write each stage's code deps into dvc.yaml, as its imports are."""

from pathlib import Path

from pipeline.artifacts.files import write_text
from pipeline.graph import rewrite_code_deps
from stages.options import run


def main(dvc_yaml: Path = Path("dvc.yaml")) -> None:
    """Rewrite the code deps; data deps, outs and comments stay."""
    write_text(rewrite_code_deps(dvc_yaml.read_text(encoding="utf-8"), Path()), dvc_yaml)


if __name__ == "__main__":
    run(main, tracked=False)
