"""Progress and records, without MLflow: nothing is lost, nothing harms the stage."""

import fcntl
import json
import logging
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tracking
from pipeline.base.watching import watched
from pipeline.tracking import display, launch, origin, session, spool, writer

REPOSITORY = Path(__file__).parents[3]

ARGV = ["/somewhere/stages/train_global.py", "--member", "model", "--index", "a", "--index=b"]


@dataclass(frozen=True)
class Epoch:
    epoch: int
    train_loss: float
    val_auroc: float | None = None


@pytest.fixture
def tracked(tmp_path, monkeypatch):
    """Tracking on, into `tmp_path`, with no process to carry the records away."""
    for name in ["MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "RANK"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CXR_TRACKING", "on")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(session, "start_writer", lambda folder: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records(root: Path) -> list[dict]:
    (path,) = spool.spools(launch.spool_folder(root))
    return [json.loads(line) for line in path.read_text().splitlines()]


def log_epochs(epochs, label):
    shown = tracking.Shown(label, epochs=len(epochs))
    for epoch in epochs:
        tracking.log_epoch(vars(epoch), shown)


# Progress


@given(items=st.lists(st.integers()), total=st.integers(0, 10))
def test_progress_passes_every_item_on_whatever_the_total(items, total):
    assert (
        list(watched(items, tracking.progress(total=total, unit="images", label="decode")))
        == items
    )


def test_progress_takes_an_item_only_when_it_is_asked_for():
    source = iter(range(10))
    shown = watched(source, tracking.progress(total=10, unit="images", label="decode"))
    assert [next(shown), next(shown)] == [0, 1]
    assert next(source) == 2


def test_progress_without_a_terminal_says_count_rate_and_remaining_time(caplog, monkeypatch):
    clock = iter([0.0, 4.0, 12.0, 13.0, 40.0])
    monkeypatch.setattr(display, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    caplog.set_level(logging.INFO)
    list(watched("abc", tracking.progress(total=3, unit="images", label="decode")))
    assert caplog.messages == [
        "decode: 2/3 images, 0.167/s, 6.0 s left",
        "decode: 3 images in 40.0 s, 0.075/s",
    ]


def test_progress_on_a_terminal_is_a_bar_and_log_lines_pass_above_it(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = watched(range(3), tracking.progress(total=3, unit="images", label="decode"))
    assert list(shown) == [0, 1, 2]
    assert "decode: 100%" in capsys.readouterr().err


TERMINAL = """
import time
from pipeline import tracking
from pipeline.base.watching import watched
from pipeline.base.watching import watched
shown = tracking.Shown("model.global", epochs=2)
for epoch in (1, 2):
    for _ in watched(range(4), shown.batches(epoch=epoch, sizes=[32, 32, 32, 31])):
        time.sleep(0.15)
    shown.epoch(epoch, {"train_loss": 0.25, "images_per_second": 1234.5})
"""


def test_a_training_in_a_terminal_has_a_bar_for_each_epoch_and_a_line_behind_it():
    """A real one, of 100 columns."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    script = "import logging; logging.basicConfig(level=20, format='%(message)s')" + TERMINAL
    done = subprocess.Popen([sys.executable, "-c", script], stderr=its, cwd=REPOSITORY)
    os.close(its)
    said = b""
    with suppress(OSError):  # the end of a terminal
        while part := os.read(mine, 4096):
            said += part
    assert done.wait() == 0
    text = said.decode()
    assert "model.global epoch 1/2:  50%" in text
    assert "64/127" in text
    assert " images/s" in text
    lines = [line for line in text.split("\r\n") if "model.global: epoch" in line]
    assert len(lines) == 2
    assert "train_loss 0.25  images_per_second 1,234" in lines[0]


def test_of_each_epoch_one_line_is_said(caplog):
    caplog.set_level(logging.INFO)
    epochs = [Epoch(1, 0.5), Epoch(2, 0.25, 0.75)]
    log_epochs(epochs, "train_global")
    assert [line.split("  0.0 s left")[0] for line in caplog.messages] == [
        "train_global: epoch 1/2  train_loss 0.5",
        "train_global: epoch 2/2  train_loss 0.25  val_auroc 0.75",
    ]


def test_other_ranks_of_a_torchrun_are_silent(caplog, tracked, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    caplog.set_level(logging.INFO)
    with tracking.stage(ARGV):
        look = tracking.progress(total=2, unit="images", label="decode")
        assert list(watched("ab", look)) == ["a", "b"]
        log_epochs([Epoch(1, 0.5)], "x")
    assert not caplog.messages
    assert not any(tracked.iterdir())


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.21, "4.2 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 05 min")]
)
def test_durations_read_well(seconds, words):
    assert display.duration(seconds) == words


# Records


def test_a_stage_leaves_its_options_epochs_numbers_files_and_end(tracked):
    (tracked / "params.yaml").write_text("seed: 7\nglobal:\n  epochs: 6\n")
    (tracked / "curve.csv").write_text("1,2")
    with tracking.stage(ARGV):
        epochs = [Epoch(1, float("nan")), Epoch(2, 0.25, 0.75)]
        log_epochs(epochs, "train_global")
        tracking.log_metrics({"model": {"mean_auroc": 0.7, "name": "x", "worst": None}})
        tracking.log_artifact(tracked / "curve.csv")
        (tracked / "curve.csv").write_text("changed afterwards")
    opening, first, second, metrics, artifact, end = records(tracked)
    assert (opening["stage"], opening["title"]) == ("train_global", "train_global model")
    assert opening["options"] == {"member": "model", "index": "a b"}
    assert opening["parent"]["params"] == {"seed": "7", "global.epochs": "6"}
    assert (first["values"], first["step"]) == ({}, 1)
    assert (second["values"], second["step"]) == ({"train_loss": 0.25, "val_auroc": 0.75}, 2)
    assert metrics["values"] == {"model.mean_auroc": 0.7}
    (path,) = spool.spools(launch.spool_folder(tracked))
    assert (spool.files_of(path) / artifact["path"]).read_text() == "1,2"
    assert end["status"] == "FINISHED"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("boom"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(130), "KILLED"),
        (SystemExit(1), "FAILED"),
        (SystemExit(0), "FINISHED"),
    ],
)
def test_an_error_is_recorded_and_goes_on_unchanged(tracked, error, status):
    with pytest.raises(type(error)) as caught, tracking.stage(ARGV):
        raise error
    assert caught.value is error
    assert records(tracked)[-1]["status"] == status


@pytest.mark.parametrize(("off", "argv"), [("off", ARGV), ("on", [*ARGV, "--help"])])
def test_nothing_is_written_when_tracking_is_off_or_only_help_is_asked(
    tracked, monkeypatch, off, argv
):
    monkeypatch.setenv("CXR_TRACKING", off)
    with tracking.stage(argv):
        tracking.log_metrics({"a": 1})
        tracking.log_artifact(tracked)
    assert not any(tracked.iterdir())


def test_what_is_said_outside_a_stage_goes_nowhere(tracked):
    tracking.log_metrics({"a": 1})
    tracking.log_artifact(tracked)
    assert not any(tracked.iterdir())


def test_a_place_that_cannot_be_written_costs_one_warning(tracked, caplog, monkeypatch):
    (tracked / "file").touch()
    monkeypatch.setenv("DVC_ROOT", str(tracked / "file"))
    with tracking.stage(ARGV):
        tracking.log_metrics({"a": 1})
    assert len(caplog.messages) == 1
    assert "not tracked" in caplog.messages[0]


def test_a_large_artifact_is_named_and_not_copied(tracked, monkeypatch):
    monkeypatch.setattr(session, "MAX_ARTIFACT_MB", 0.001)
    (tracked / "shards").mkdir()
    (tracked / "shards" / "0.npy").write_bytes(bytes(2000))
    with tracking.stage(ARGV):
        tracking.log_artifact(tracked / "shards")
    assert records(tracked)[1]["kind"] == "named"
    (path,) = spool.spools(launch.spool_folder(tracked))
    assert not spool.files_of(path).exists()


def test_an_artifact_that_cannot_be_kept_costs_one_warning_and_not_the_end_of_the_run(
    tracked, caplog
):
    """A file in the place of the folder of copies: not even root can write there."""
    (tracked / "curve.csv").write_text("1,2")
    with tracking.stage(ARGV):
        (path,) = spool.spools(launch.spool_folder(tracked))
        spool.files_of(path).touch()
        tracking.log_artifact(tracked / "curve.csv")
        tracking.log_artifact(tracked / "curve.csv")
        tracking.log_metrics({"a": 1})
    (warning,) = caplog.messages
    assert warning.startswith("warning: this stage is tracked with gaps: ")
    assert warning.endswith(".files: File exists.")
    assert [record["kind"] for record in records(tracked)] == ["open", "metrics", "end"]


def test_what_waits_grows_no_larger_than_its_limit_and_that_is_said(tracked, monkeypatch, caplog):
    monkeypatch.setattr(session, "MAX_WAITING_MB", 0.008)
    file = tracked / "curve.csv"
    file.write_bytes(bytes(4000))
    kinds = []
    for _ in range(4):
        with tracking.stage(ARGV):
            tracking.log_artifact(file)
        newest = spool.spools(launch.spool_folder(tracked))[-1]
        kinds.append(json.loads(newest.read_text().splitlines()[1])["kind"])
    assert kinds == ["artifact", "named", "named", "named"]
    assert "0.008 at most: further files are only named in MLflow." in caplog.messages[-1]


FULL = """
import resource, signal, sys
from pathlib import Path
from pipeline.tracking.spool import Reader, Spool
spool = Spool(Path(sys.argv[1]), "split", {"kind": "open"})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = spool.path.stat().st_size + 200
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
for record in ({"kind": "metrics", "values": "x" * 400}, {"kind": "end"}):
    try:
        spool.append(record)
    except OSError as error:
        print("refused", error.strerror)
print([record["kind"] for record in Reader(spool.path).records()])
"""


def test_a_record_that_there_is_no_room_for_leaves_the_next_one_whole(tmp_path):
    """A real limit, of which the kernel first takes what fits."""
    words = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(words, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["refused No space left on device", "['open', 'end']"]


def test_records_are_read_once_in_order_and_a_half_written_line_waits(tmp_path):
    stage = spool.Spool(tmp_path, "split", {"kind": "open"})
    reader = spool.Reader(stage.path)
    stage.append({"kind": "metrics"})
    stage._file.write(b'{"kind": "e')
    assert [record["kind"] for record in reader.records()] == ["open", "metrics"]
    stage._file.write(b'nd"}\n')
    assert [record["kind"] for record in reader.records()] == ["end"]
    assert list(reader.records()) == []


def test_a_record_that_could_not_be_handled_is_read_again(tmp_path):
    stage = spool.Spool(tmp_path, "split", {"kind": "open"})
    reader = spool.Reader(stage.path)
    attempt = reader.records()
    next(attempt)
    attempt.close()
    assert [record["kind"] for record in reader.records()] == ["open"]


def test_a_spool_is_abandoned_when_its_stage_is_gone(tmp_path):
    stage = spool.Spool(tmp_path, "split", {"kind": "open"})
    reader = spool.Reader(stage.path)
    assert not reader.is_abandoned()
    stage.close()
    assert reader.is_abandoned()


# The writer, with a store that only remembers


class MlflowRefusal(Exception):
    error_code = "INVALID_PARAMETER_VALUE"


class Memory:
    """Stands for a store and a run in it; `fails` is how many records it will not take."""

    def __init__(self, fails: int = 0) -> None:
        self.kinds: list[str] = []
        self.fails = fails

    name = "a run"
    error: Exception = OSError("no answer")

    def watch_machine(self) -> None:
        pass

    def check_experiment(self) -> None:
        pass

    def apply(self, record, files) -> None:
        self.fails -= 1
        if self.fails >= 0:
            raise self.error
        self.kinds.append(record.get("status", record["kind"]))
        self.said = record

    def end_pipeline(self, time_ms) -> None:
        self.kinds.append("end of all")
        self.ended_ms = time_ms


def opening(owner=None):
    return {"kind": "open", "parent": {"key": "fox", "owner": owner}}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A stage that has said one thing, a writer for it, and what arrives."""
    memory = Memory()
    monkeypatch.setattr(writer.Writer, "_open", lambda self, record, name: memory)
    monkeypatch.setattr(writer, "POLL_S", 0.01)
    monkeypatch.setattr(writer, "RETRY_S", 0.02)
    stage = spool.Spool(tmp_path, "split", opening())
    stage.append({"kind": "metrics"})
    return stage, writer.Writer(tmp_path), memory


def test_a_stage_that_ends_while_the_writer_looks_is_written_to_its_end(written, monkeypatch):
    stage, carrier, memory = written
    looked = spool.Reader.is_abandoned

    def ends_afterwards(reader):
        free = looked(reader)
        if not stage._file.closed:
            stage.append({"kind": "end", "status": "FINISHED"})
            stage.close()
        return free

    monkeypatch.setattr(spool.Reader, "is_abandoned", ends_afterwards)
    assert carrier.run() == set()
    assert memory.kinds == ["metrics", "FINISHED", "end of all"]
    assert not spool.spools(stage.path.parent)


def test_a_stage_that_is_gone_without_a_last_word_was_killed_when_it_last_spoke(written):
    stage, carrier, memory = written
    last = json.loads(stage.path.read_text().splitlines()[-1])["time_ms"]
    stage.close()
    time.sleep(0.01)
    carrier.run()
    assert memory.kinds == ["metrics", "KILLED", "end of all"]
    assert memory.said["time_ms"] == memory.ended_ms == last


def test_a_pipeline_run_ends_once_and_only_when_its_dvc_is_gone(tmp_path, written, monkeypatch):
    _, carrier, memory = written
    (tmp_path / "of dvc").mkdir()
    carrier = writer.Writer(tmp_path / "of dvc")
    looks = iter([True] * 20)
    monkeypatch.setattr(writer, "is_alive", lambda owner: next(looks, False))
    for name in ("split", "train_global"):
        stage = spool.Spool(tmp_path / "of dvc", name, opening(owner=[1, 1.0]))
        stage.append({"kind": "end", "status": "FINISHED"})
        stage.close()
    # Half way: the first is gone, the last waits for its dvc.
    assert [carrier._is_done(path) for path in spool.spools(tmp_path / "of dvc")] == [False] * 2
    assert [carrier._is_done(path) for path in spool.spools(tmp_path / "of dvc")] == [True, False]
    assert memory.kinds == ["FINISHED", "FINISHED"]
    assert carrier.run() == set()
    assert memory.kinds == ["FINISHED", "FINISHED", "end of all"]


def test_a_dvc_that_ended_is_gone_even_if_nobody_has_waited_for_it():
    """Who called it may first read its output to the end, which the writer holds open."""
    ended = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    owner = (ended.pid, psutil.Process(ended.pid).create_time())
    assert origin.is_alive(owner)
    assert not origin.is_alive((owner[0], owner[1] - 60))
    ended.stdin.close()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert not origin.is_alive(owner)
    ended.wait()
    assert not origin.is_alive(owner)


def test_a_store_that_fails_for_a_while_gets_every_record_once_and_warns_once(
    written, monkeypatch, caplog
):
    stage, carrier, memory = written
    memory.fails = 2
    carrier._owners = {(1, 1.0)}
    monkeypatch.setattr(writer, "is_alive", lambda owner: memory.fails >= 0)
    stage.append({"kind": "end", "status": "FINISHED"})
    stage.close()
    assert carrier.run() == set()
    assert memory.kinds == ["metrics", "FINISHED", "end of all"]
    assert len(caplog.messages) == 1


def test_a_store_that_never_answers_leaves_the_spool_for_the_next_run(written):
    stage, carrier, memory = written
    memory.fails = 1000
    stage.close()
    assert carrier.run() == {stage.path}
    assert stage.path.exists()


def test_a_spool_without_a_first_line_is_named_and_holds_nothing_else_up(
    tmp_path, written, caplog
):
    stage, carrier, memory = written
    stage.close()
    (torn := stage.path.with_name("0-torn.jsonl")).touch()
    assert carrier.run() == {torn}
    assert memory.kinds == ["metrics", "KILLED", "end of all"]
    assert f"{torn}: its first line is no report; delete the file." in caplog.text


def test_a_record_that_can_never_be_taken_is_left_out(written, monkeypatch, caplog):
    stage, carrier, memory = written
    monkeypatch.setattr(memory, "error", MlflowRefusal("no such run"), raising=False)
    memory.fails = 1
    stage.close()
    carrier.run()
    assert memory.kinds == ["KILLED", "end of all"]
    assert "refused" in caplog.text


# Which run of the pipeline


def test_stages_of_an_experiment_share_a_run_and_other_params_are_another(tmp_path, monkeypatch):
    params = tmp_path / "params.yaml"
    monkeypatch.setenv("DVC_EXP_NAME", "brave-fox")
    monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    params.write_text("seed: 7")
    one, two = (origin.origin_of(name, root=tmp_path, params=params) for name in ["a", "b"])
    params.write_text("seed: 8")
    other = origin.origin_of("a", root=tmp_path, params=params)
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "c0ffee")
    elsewhere = origin.origin_of("a", root=tmp_path, params=params)
    assert one.key == two.key
    assert len({one.key, other.key, elsewhere.key}) == 3
    assert one.name == two.name == "brave-fox"
    assert one.tags["mode"] == "temp"
    assert elsewhere.tags["revision"] == "c0ffee"


def test_a_run_is_dirty_when_its_code_is_not_that_of_its_revision(tmp_path, monkeypatch):
    """Params are logged, and what stages write follows: neither counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", "stages/split.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a: 1")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "state"]):
        subprocess.run([*git, *words], check=True)
    for name, dirty in [
        ("params.yaml", "false"),
        ("dvc.lock", "false"),
        ("stages/new.py", "true"),
    ]:
        (tmp_path / name).write_text("b: 2")
        found = origin.origin_of("a", root=tmp_path, params=tmp_path / "params.yaml")
        assert found.tags["dirty"] == dirty, name


def test_stages_started_by_hand_are_runs_of_their_own(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    monkeypatch.setattr(origin, "_is_dvc", lambda words: False)
    one, two = (origin.origin_of("a", root=tmp_path, params=tmp_path) for _ in range(2))
    assert one.key != two.key
    assert one.params == {}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/venv/bin/python /venv/bin/dvc repro", True),
        ("python3.11 -m dvc exp run", True),
        ("dvc repro", True),
        ("/Library/Python.app/Contents/MacOS/Python /venv/bin/dvc repro", True),
        ("python -X utf8 -I /venv/bin/dvc repro", True),
        ("python -c dvc", False),
        ("python -m stages.split --index dvc", False),
        ("make -C dvc demo", False),
        ("", False),
    ],
)
def test_dvc_is_known_by_its_command_line(command, expected):
    assert origin._is_dvc(command.split() or [""]) is expected


NAMES = st.text("abc", min_size=1, max_size=3)
TREES = st.recursive(
    st.integers(), lambda t: st.dictionaries(NAMES, t, min_size=1), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


@given(TREES)
def test_flattening_keeps_every_leaf_under_its_path(tree):
    for name, leaf in origin.flatten(tree).items():
        branch = tree
        for part in name.split("."):
            branch = branch[part]
        assert branch == leaf
