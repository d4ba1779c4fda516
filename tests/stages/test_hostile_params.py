"""Words of a shell in params.yaml: `check` refuses them, and no shell ever runs them."""

import pytest
import yaml

from tests.stages.conftest import attempt, merge, stages_run

HOSTILE = {
    "a folder that there is": {"ingest": {"source": "data/a$(touch ran)"}},
    "quotes": {"ingest": {"source": 'data/b"; touch ran; "'}},
    "backticks": {"ingest": {"source": "data/`touch ran`"}},
    "a network": {"model": {"global": "; touch ran"}},
    "a network of timm's": {"model": {"global": "timm:$(touch ran)"}},
    "weights": {"model": {"weights": {"global": "$(touch ran)"}}},
    "a member": {"ensemble": {"members": ["model", "a;touch ran"]}, "a;touch ran": {}},
    "a member to fine-tune": {"fusion": {"finetune": ["`touch ran`"]}},
}


@pytest.mark.slow
def test_params_that_hold_a_shell_s_words_are_refused_and_none_is_run(make_clone):
    folder = make_clone()
    for name in ("a$(touch ran)", 'b"; touch ran; "', "`touch ran`"):
        (folder / "data" / name).mkdir()
    values = (folder / "params.yaml").read_text()
    for what, changes in HOSTILE.items():
        changed = merge(yaml.safe_load(values), changes)
        if "a;touch ran" in changes:
            changed["a;touch ran"] = changed["second"]
        (folder / "params.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
        done = attempt("dvc", "repro", cwd=folder)
        assert done.returncode != 0, what
        assert "error: " in done.stderr, what
        assert stages_run(done) == [], what
        assert not (folder / "ran").exists(), what
