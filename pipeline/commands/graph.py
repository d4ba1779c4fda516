"""Command `graph`: write code deps into dvc.yaml, and what a change runs again into the README."""

from pathlib import Path

from pipeline.base.files import write_text
from pipeline.graph.code_deps import rewrite_code_deps
from pipeline.graph.reruns import find_reruns, render_reruns, rewrite_reruns
from pipeline.params.whole import load_params
from stages.options import ParamsFile, run


def main(
    dvc_yaml: Path = Path("dvc.yaml"),
    readme: Path = Path("README.md"),
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Rewrite the code deps, then the table; all else in both files stays."""
    write_text(rewrite_code_deps(dvc_yaml.read_text(encoding="utf-8"), Path()), dvc_yaml)
    members = load_params(params).ensemble.members
    table = render_reruns(find_reruns(Path()), members)
    write_text(rewrite_reruns(readme.read_text(encoding="utf-8"), table), readme)


if __name__ == "__main__":
    run(main, tracked=False)
