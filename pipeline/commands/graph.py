"""Command `graph`: write code deps into dvc.yaml; into docs/ the drawing, and what runs again."""

import yaml

from pipeline.base.files import write_text
from pipeline.commands.checkout import enter_checkout
from pipeline.graph.code_deps import rewrite_code_deps
from pipeline.graph.reruns import (
    PAGE,
    find_reruns,
    find_room_reruns,
    render_reruns,
    render_room_reruns,
    rewrite_reruns,
)
from pipeline.graph.stage_picture import PICTURE, render_picture
from pipeline.params.whole import load_params
from pipeline.tracking.origin import flat_params


def main() -> None:
    """Rewrite the code deps, docs/graph.svg, docs/rooms.md and the table of docs/pipeline.md."""
    root = enter_checkout()
    dvc_yaml, page = root / "dvc.yaml", root / PAGE
    write_text(rewrite_code_deps(dvc_yaml.read_text(encoding="utf-8"), root), dvc_yaml)
    graph = yaml.safe_load(dvc_yaml.read_text(encoding="utf-8"))
    write_text(render_picture(graph, flat_params(root / "params.yaml")), root / PICTURE)
    members = load_params(root / "params.yaml").ensemble.members
    table = render_reruns(find_reruns(root), members)
    write_text(rewrite_reruns(page.read_text(encoding="utf-8"), table), page)
    rooms = render_room_reruns(find_room_reruns(root), members)
    write_text(rooms, root / "docs/rooms.md")
