"""Stage `check`: refuse bad params before any other stage runs and its outputs are removed."""

from pathlib import Path

from pipeline.artifacts.files import write_text
from pipeline.params.whole import load_params
from pipeline.sources import expect_source, expect_weights
from stages.options import Out, ParamsFile, run


def main(out: Out, params: ParamsFile = Path("params.yaml")) -> None:
    """Refuse what is wrong in `params`; write a file that is always the same."""
    cfg = load_params(params)
    expect_source(cfg.ingest.source, Path())
    expect_weights(cfg.members, cfg.ensemble.members, Path())
    write_text("Every value of params.yaml is one that the stages can work with.\n", out)


if __name__ == "__main__":
    run(main, tracked=False)
