"""Stage `check`: refuse bad params before any other stage runs and its outputs are removed."""

from pathlib import Path

from pipeline.base.cascades import write_cascades
from pipeline.base.files import write_json, write_text
from pipeline.guard.options import Out, ParamsFile, run
from pipeline.params.doubts import warn_of_doubts
from pipeline.params.settings import settings as settings_of
from pipeline.params.sources import expect_backbones, expect_source, expect_weights
from pipeline.params.whole import load_params


def main(out: Out, cascades: Out, settings: Out, params: ParamsFile = Path("params.yaml")) -> None:
    """Refuse what is wrong in `params`; write what is the same for most values that are right."""
    cfg = load_params(params)
    expect_source(cfg.ingest.source, Path())
    expect_backbones(cfg.members, cfg.ensemble.members)
    expect_weights(cfg.members, cfg.ensemble.members, Path())
    warn_of_doubts(cfg)
    write_cascades(cfg.members, cfg.ensemble.members, cascades)
    write_json(settings_of(cfg, params.read_text(encoding="utf-8")), settings)
    write_text("Every value of params.yaml is one that the stages can work with.\n", out)


if __name__ == "__main__":
    run(main, tracked=False)
