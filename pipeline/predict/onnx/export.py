"""A packaged model, written as one ONNX file."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.base.files import replacing
from pipeline.errors import ArtifactError, PipelineError
from pipeline.predict.member import Rules
from pipeline.predict.onnx.check import Agreement, check_onnx
from pipeline.predict.onnx.graph import ModelGraph
from pipeline.predict.onnx.member_graph import MemberGraph
from pipeline.predict.onnx.onnx_session import missing
from pipeline.predict.onnx.said_in_file import notes
from pipeline.predict.package import Package, read_networks, read_package

log = logging.getLogger(__name__)

FILE = "model.onnx"
INPUTS = ("images", "age_years", "gender", "view")

_OPSET = 18
"""The first whose `ScatterElements` takes the maximum, by which regions are labelled."""

_MOST_BYTES = 2**31 - 2**24
"""What one file can hold (protobuf), less some room for the graph itself."""


@dataclass(frozen=True)
class Written:
    """What came of an export."""

    agreement: Agreement
    left_out: list[str]
    """Heatmaps that the graph has not, as `<member>.<method>`."""


def write_onnx(folder: Path, path: Path) -> Written:
    """Write a packaged model as a graph, once that says what PyTorch says.

    Args:
        folder: of a packaged model.
        path: of the file.

    Raises:
        PipelineError: a package is not installed.
        ArtifactError: there is no such graph, or it differs from PyTorch.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(name) is None:
            raise PipelineError(missing(name))
    package = read_package(folder)
    graph = build_graph(folder, package)
    log.info("traces %d members for ONNX, about half a minute each", len(graph.members))
    program = trace(graph, _example(package.about.image_side), INPUTS, graph.outputs)
    program.model.metadata_props.update(notes(graph, package))
    with replacing(path) as fresh:
        program.save(fresh, external_data=False)
        agreement = check_onnx(fresh, package)
    return Written(agreement, graph.left_out)


def build_graph(folder: Path, package: Package) -> ModelGraph:
    """The module that is traced, on the CPU.

    Raises:
        ArtifactError: crops are drawn by what a graph cannot hold, or one file cannot hold it.
    """
    about = package.about
    rules = Rules(about.heatmap, about.crop, about.flip_at_predict)
    members = {
        name: MemberGraph(name, read_networks(folder, name, at), rules, side=about.image_side)
        for name, at in about.members.items()
    }
    graph = ModelGraph(members, package).eval().requires_grad_(requires_grad=False)
    size = sum(one.nbytes for one in graph.state_dict().values())
    if size > _MOST_BYTES:
        raise ArtifactError(
            f"{size / 1e9:.1f} GB of weights, of which one ONNX file holds "
            f"{_MOST_BYTES / 1e9:.1f}; export a model of fewer members"
        )
    return graph


def trace(
    module: nn.Module, example: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str]
) -> Any:
    """An `ONNXProgram` of a module, for batches of any size.

    Args:
        module: in eval mode.
        example: a batch of two of each input.
        inputs: their names.
        outputs: names of what the module returns.

    Raises:
        ArtifactError: PyTorch's exporter cannot, or for no other batch than the example.
    """
    batch = torch.export.Dim("n")
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                module,
                example,
                input_names=inputs,
                output_names=outputs,
                dynamic_shapes=tuple({0: batch} for _ in example),
                opset_version=_OPSET,
                verbose=False,
            )
            tidy(program.model)
    except torch.onnx.OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise ArtifactError(
            f"PyTorch's exporter cannot write this as ONNX: {reason}; train with another backbone"
        ) from None
    if any(isinstance(one.shape[0], int) for one in program.model.graph.inputs):
        raise ArtifactError(
            "a network's code takes the number of images for a constant, so that ONNX would hold "
            "it for that number alone; train with another backbone"
        )
    return program


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters say of their own steps, a thousand lines of it, and deprecate."""
    loggers = [logging.getLogger(name) for name in ("onnx_ir", "onnxscript", "torch.onnx")]
    before = [one.level for one in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for one in loggers:
                one.setLevel(logging.ERROR)
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def _example(side: int) -> tuple[Tensor, ...]:
    known = (torch.full((2,), 50.0), torch.ones(2), torch.ones(2))
    return (torch.zeros(2, 1, side, side, dtype=torch.uint8), *known)


def tidy(model: Any) -> None:
    """Take out traces of the files that a graph was traced from, and what nothing reads."""
    from onnx_ir.passes import common  # noqa: PLC0415 (an extra)

    common.ClearMetadataAndDocStringPass()(model)
    common.RemoveUnusedNodesPass()(model)
