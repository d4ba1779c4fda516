"""Params of the tests with a third member, as params.yaml and the recipes have it."""

from pathlib import Path

THIRD = """third:
  global: resnet18
  local: resnet18
  weights:
    global: none
    local: none

ensemble:
"""


def three_members() -> str:
    """The text of tests/tiny.yaml, and one member more."""
    two = (Path(__file__).parents[1] / "tiny.yaml").read_text()
    return two.replace("ensemble:\n", THIRD, 1).replace(
        "[model, second]", "[model, second, third]", 1
    )
