"""The drawing of the stages: it is that of dvc.yaml, and what stands in it can be read."""

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from pipeline.graph.index import read_index
from pipeline.graph.stage_edges import behind, read_stages, reduced, stage_edges
from pipeline.graph.stage_picture import GIVEN, PICTURE, READ_BY, place, render_picture
from pipeline.tracking.origin import flat_params

REPO = Path(__file__).parents[3]
GRAPH = yaml.safe_load((REPO / "dvc.yaml").read_text())
PARAMS = flat_params(REPO / "params.yaml")
STAGES = read_stages(GRAPH, PARAMS)
EDGES = stage_edges(STAGES)


@pytest.fixture(scope="module")
def drawn():
    return place(STAGES, reduced(EDGES))


def test_the_picture_in_docs_is_current():
    if PARAMS["ingest.source"] != "data/phantom":
        pytest.skip("params.yaml reads other radiographs, so the drawing is of another graph")
    assert (REPO / PICTURE).read_text() == render_picture(GRAPH, PARAMS), "make graph"


def test_a_stage_waits_in_the_picture_for_what_it_waits_for_in_dvc():
    """An oracle: DVC's own graph, its members' stages taken together."""
    graph = read_index(REPO).graph
    waits = {
        (stage.name.partition("@")[0], other.name.partition("@")[0])
        for stage in graph
        for other in graph.successors(stage)
    }
    there = {name for pair in waits for name in pair}
    ours = {(name, one) for name in EDGES for one in EDGES[name] if {name, one} <= there}
    assert len(waits) > 30
    assert ours == waits
    assert {*EDGES} - there <= {"finetune_fusion"}  # no member asks for it


def test_no_line_that_follows_from_others_is_drawn_and_none_is_lost():
    few = reduced(EDGES)
    assert {name: behind(few, name) for name in few} == {n: behind(EDGES, n) for n in EDGES}
    assert reduced({"a": (), "b": ("a",), "c": ("a", "b")}) == {"a": (), "b": ("a",), "c": ("b",)}


def test_every_stage_stands_once_and_no_box_touches_another(drawn):
    assert drawn.boxes.keys() == {*STAGES, GIVEN}
    assert drawn.lines.keys() >= {(GIVEN, READ_BY), ("ensemble", "evaluate")}
    for (x1, y1, x2, y2), (u1, v1, u2, v2) in combinations(drawn.boxes.values(), 2):
        assert x2 < u1 or u2 < x1 or y2 < v1 or v2 < y1
    for x1, y1, x2, y2 in drawn.boxes.values():
        assert x1 >= 0
        assert y1 >= 0
        assert x2 <= drawn.width
        assert y2 <= drawn.height


def test_lines_lead_down_from_box_to_box_and_pass_beside_the_others(drawn):
    for (first, last), points in drawn.lines.items():
        heights = [y for _, y in points]
        assert heights == sorted(heights)
        assert points[0][1] == drawn.boxes[first][3]
        assert points[-1][1] == drawn.boxes[last][1]
        for name, (x1, y1, x2, y2) in drawn.boxes.items():
            if name not in {first, last}:
                assert not [p for p in points if x1 <= p[0] <= x2 and y1 <= p[1] <= y2], name


def test_it_fits_a_telephone_and_needs_nothing_from_elsewhere():
    text = render_picture(GRAPH, PARAMS)
    root = ElementTree.fromstring(text)
    assert float(root.attrib["width"]) <= 360
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    titles = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == 1 + len(STAGES)


@pytest.mark.parametrize(
    ("dep", "out", "reads"),
    [
        ("data/a", "data/a", True),
        ("data/a", "data/a/${item}/x.csv", True),
        ("data/a/${item}/x.csv", "data/a", True),
        ("data/a/model/x.csv", "data/a/${item}/x.csv", True),
        ("data/a/${item}/x.csv", "data/a/model.json", False),
        ("data/a/${item}.csv", "data/a/model.json", False),
        ("data/ab", "data/a", False),
    ],
)
def test_a_path_is_found_through_its_variables(dep, out, reads):
    graph = {
        "stages": {
            "first": {"desc": "", "outs": [{out: {"cache": False}}]},
            "second": {"foreach": [], "do": {"desc": "", "deps": [dep]}},
        }
    }
    edges = stage_edges(read_stages(graph, {}))
    assert edges["second"] == (("first",) if reads else ())
