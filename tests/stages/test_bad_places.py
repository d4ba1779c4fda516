"""Bad places: a result that is right, or a line that says why not and what helps; nothing lost."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import becomes_true

from tests.stages.conftest import attempt, commit, run, stages_run
from tests.stages.mounts import grow, read_only, small_disk, without_shared_memory
from tests.stages.queues import workers_stopped
from tests.stages.slow_stage import COMMAND, make_checkout, make_training, with_dvc

ROOM = "No space left on device; make room there, then repeat the command"

SIZE_OF_COHORT = 1700
"""KiB, roughly."""

OUTPUT_OF = {"phantom": "phantom", "ingest": r"(cache/\S+|thumbnails)"}
"""What the stage has no room for."""


@pytest.fixture
def checkout(tmp_path):
    """One with git and DVC, whose stage `wait` does not wait."""
    return let_go(with_dvc(make_checkout(tmp_path / "checkout")))


def let_go(folder: Path) -> Path:
    (folder / "go").touch()
    return folder


def lines_of_error(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What a command said went wrong; it may not have ended well, nor with a traceback."""
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "Traceback" not in said
    return [line for line in said.splitlines() if line.lower().startswith("error")]


@pytest.fixture(scope="module")
def split(make_clone):
    """A clone whose graph has run until `split`, and was committed so."""
    folder = make_clone()
    run("dvc", "repro", "split", cwd=folder)
    commit(folder)
    return folder


@pytest.fixture
def copy(split, tmp_path):
    return shutil.copytree(split, tmp_path / "copy", symlinks=True)


def outputs(folder: Path) -> dict[str, bytes]:
    """What `split` and the stages before it have written, and DVC's record of it."""
    files = [*(folder / "data").rglob("*"), folder / "metrics/split.json", folder / "dvc.lock"]
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in files
        if file.is_file() and file.name != ".gitignore"
    }


def empty(folder: Path) -> None:
    """As after `git clone`: no output, no cache."""
    for path in (*folder.glob("data/[a-z]*"), folder / ".dvc/cache"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def forced(folder: Path, **env: str) -> list[str]:
    """Run all stages until `split` once more; which ran."""
    return stages_run(run("dvc", "repro", "--force", "split", cwd=folder, **env))


# A full disk; tests/unit/base/test_full_disk.py has every kind of file


@pytest.mark.slow
def test_a_disk_that_is_full_in_the_middle_of_stages_costs_no_more_than_repeating_them(copy):
    expected = outputs(copy)
    empty(copy)
    (copy / "data/.gitignore").unlink()
    with small_disk(copy / "data", kib=400) as disk:
        run("git", "checkout", "-q", "data/.gitignore", cwd=copy)
        for stage, kib in (("phantom", SIZE_OF_COHORT + 300), ("ingest", 64_000)):
            first, last = lines_of_error(attempt("dvc", "repro", "split", cwd=copy))
            assert re.fullmatch(rf"error: data/{OUTPUT_OF[stage]}: {ROOM}", first), first
            assert f"failed to reproduce '{stage}'" in last
            assert list(disk.rglob("*.partial")) == []
            grow(disk, kib)
        run("dvc", "repro", "split", cwd=copy)
        assert outputs(copy) == expected


@pytest.mark.slow
def test_a_full_disk_of_dvc_s_cache_loses_no_output_and_records_none(checkout):
    (checkout / "data/table.csv").write_text("x" * 100_000)
    with small_disk(checkout / ".dvc/cache", kib=32) as disk:
        said = lines_of_error(attempt("dvc", "repro", cwd=checkout))
        assert "No space left on device" in said[0]
        assert f"{disk}/" in said[0]
        assert not (checkout / "dvc.lock").exists()
        whole = (checkout / "data/out").read_text()
        grow(disk, 1024)
        run("dvc", "repro", cwd=checkout)
        assert (checkout / "data/out").read_text() == whole
        assert "up to date" in run("dvc", "repro", cwd=checkout).stdout


@pytest.mark.slow
def test_a_full_disk_of_snapshots_is_named_and_the_training_ends_once_there_is_room(tmp_path):
    unit = {"PYTHONPATH": str(Path(__file__).parents[1] / "unit")}
    command = (
        *(sys.executable, "-m", "stages.brief", "--source", "data/table.csv"),
        *("--model", "data/model"),
    )
    folder = let_go(make_training(tmp_path / "checkout"))
    run(*command, cwd=folder, **unit)
    expected = (folder / "data/model").read_text()
    (folder / "data/model").unlink()
    shutil.rmtree(folder / ".ckpt")
    with small_disk(folder / ".ckpt", kib=8) as disk:
        said = lines_of_error(attempt(*command, cwd=folder, **unit))
        assert re.fullmatch(rf"error: \S+/\.ckpt/brief/model/\w+\.pt: {ROOM}", said[0])
        assert not (folder / "data/model").exists()
        grow(disk, 1024)
        run(*command, cwd=folder, **unit)
    assert (folder / "data/model").read_text() == expected


@pytest.mark.slow
def test_a_full_disk_of_mlflow_s_reports_is_a_warning_and_the_stage_ends(copy):
    expected = outputs(copy)
    with small_disk(copy / ".tracking", kib=4):
        (copy / ".tracking/filler").write_bytes(bytes(4096))
        done = run(
            "dvc", "repro", "--force", "--single-item", "split", cwd=copy, CXR_TRACKING="on"
        )
    assert "warning: this stage is not tracked: " in done.stderr
    assert "No space left on device" in done.stderr
    assert outputs(copy) == expected


# Where a checkout lies


def test_a_read_only_checkout_is_said_to_be_one(checkout):
    run("dvc", "repro", cwd=checkout)
    before = outputs(checkout)
    with read_only(checkout):
        stage = lines_of_error(attempt(*COMMAND, cwd=checkout))
        (of_dvc,) = lines_of_error(attempt("dvc", "repro", "--force", cwd=checkout))
    assert stage == [
        "error: .ckpt/running/wait: Read-only file system; it cannot be written: work in a copy "
        "that can"
    ]
    assert "Read-only file system" in of_dvc
    assert outputs(checkout) == before


def test_a_folder_of_a_larger_repository_with_odd_letters_no_home_and_an_old_locale(tmp_path):
    """All at once: each alone has a slow test with stages of the real graph."""
    large = tmp_path / 'Röntgen & Co\'s "große" Sammlung'
    folder = make_checkout(large / "unser teil")
    (folder / ".gitignore").write_text("/data/\n/go\n/started\n/.ckpt/\n__pycache__/\n")
    run("git", "init", "-q", cwd=large)
    run("dvc", "init", "-q", "--subdir", cwd=folder)
    commit(folder)
    let_go(folder)
    words = ("env", "-u", "HOME", "-u", "LANG", "LC_ALL=C", "sh", "-c", "umask 077; dvc repro")
    done = run(*words, cwd=folder)
    assert "Running stage 'wait'" in done.stdout
    assert (folder / "data/out").read_text().endswith("table")
    assert (folder / "data/out").stat().st_mode & 0o077 == 0
    assert "up to date" in run("dvc", "repro", cwd=folder).stdout


@pytest.mark.slow
def test_a_folder_of_radiographs_with_spaces_and_umlauts_is_read_in_locale_c_without_home(
    copy, tmp_path
):
    expected = {k: v for k, v in outputs(copy).items() if k.endswith((".parquet", ".npy"))}
    odd = copy.rename(tmp_path / "Röntgen (Kopie)")
    shutil.copytree(odd / "data/phantom", odd / "data/Bilder für's Üben & mehr")
    params = (odd / "params.yaml").read_text()
    assert "source: data/phantom" in params
    (odd / "params.yaml").write_text(
        params.replace("source: data/phantom", 'source: "data/Bilder für\'s Üben & mehr"')
    )
    run("env", "-u", "HOME", "-u", "LANG", "LC_ALL=C", "dvc", "repro", "split", cwd=odd)
    found = outputs(odd)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.slow
def test_a_checkout_that_was_moved_has_nothing_to_run_and_runs_the_same(copy, tmp_path):
    expected = outputs(copy)
    moved = copy.rename(tmp_path / "moved")
    assert "up to date" in run("dvc", "repro", "split", cwd=moved).stdout
    assert "split" in forced(moved)
    assert outputs(moved) == expected


@pytest.mark.slow
def test_a_folder_of_a_larger_repository_runs_and_has_experiments(split, tmp_path):
    folder = shutil.copytree(split, tmp_path / "all/cxr", ignore=shutil.ignore_patterns(".git"))
    run("git", "init", "-q", cwd=folder.parent)
    commit(folder.parent)
    expected = outputs(folder)
    assert "up to date" in run("dvc", "repro", "split", cwd=folder).stdout
    change = "split.val_fraction=0.3"
    done = run("dvc", "exp", "run", "--temp", "-n", "more", "-S", change, "split", cwd=folder)
    assert stages_run(done) == ["split"]
    assert outputs(folder) == expected
    run("dvc", "exp", "branch", "more", "more", cwd=folder)
    made = {
        file: run("git", "show", f"more:cxr/{file}", cwd=folder).stdout
        for file in ("params.yaml", "metrics/split.json")
    }
    assert "val_fraction: 0.3" in made["params.yaml"]
    assert made["metrics/split.json"] != (folder / "metrics/split.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["symlink", "copy"])
def test_a_cache_on_another_disk_is_neither_written_through_nor_missed(copy, tmp_path, kind):
    expected = outputs(copy)
    with small_disk(tmp_path / "disk", kib=64_000) as disk:
        run("dvc", "cache", "dir", "--local", str(disk), cwd=copy)
        run("dvc", "config", "--local", "cache.type", kind, cwd=copy)
        forced(copy)
        assert (copy / "data/splits.parquet").is_symlink() == (kind == "symlink")
        assert outputs(copy) == expected
        params = (copy / "params.yaml").read_text()
        (copy / "params.yaml").write_text(re.sub("val_fraction: .*", "val_fraction: 0.3", params))
        assert stages_run(run("dvc", "repro", "split", cwd=copy)) == ["split"]
        assert outputs(copy) != expected
        run("git", "checkout", "-q", ".", cwd=copy)
        run("dvc", "checkout", "-q", "--force", "split", "ingest", cwd=copy)
        assert outputs(copy) == expected


def test_an_archive_without_git_is_refused_with_what_is_missing_and_runs_once_it_is_told(
    checkout,
):
    shutil.rmtree(checkout / ".git")
    (said,) = lines_of_error(attempt("dvc", "repro", cwd=checkout))
    assert said == f"ERROR: {checkout} is not a git repository"
    run("dvc", "config", "core.no_scm", "true", cwd=checkout)
    run("dvc", "repro", cwd=checkout)
    assert (checkout / "data/out").exists()


# What a machine lacks


@pytest.mark.slow
def test_without_shared_memory_stages_write_the_same(copy):
    expected = outputs(copy)
    done = run(*without_shared_memory("dvc repro --force split"), cwd=copy)
    assert "split" in stages_run(done)
    assert "warning: works in one process, for /dev/shm cannot be used: Read-only" in done.stderr
    assert outputs(copy) == expected


MEMORY = Path("/sys/fs/cgroup/memory")


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_four_gib_of_memory_are_enough_and_too_few_end_the_stage_as_killed(finished, tmp_path):
    """A control group's limit, which counts what is used and not what is reserved."""
    group = MEMORY / f"cxr-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(4 * 2**30))
    except OSError as error:
        pytest.skip(f"no control group of memory here: {error}")
    folder = shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    shutil.rmtree(
        folder / ".venv", ignore_errors=True
    )  # whose python is a server's child, in no group of ours
    model = folder / "data/models/model/global.safetensors"
    expected = model.read_bytes()
    inside = f"echo $$ > {group}/cgroup.procs && exec "
    words = "dvc repro --force --single-item train_global@model"
    try:
        run("sh", "-c", inside + words, cwd=folder)
        assert model.read_bytes() == expected
        (group / "memory.limit_in_bytes").write_text(str(150 * 2**20))
        done = attempt("sh", "-c", inside + words, cwd=folder)
        assert "exited with -9" in lines_of_error(done)[-1]
        run(*words.split(), cwd=folder)
        assert model.read_bytes() == expected
    finally:
        group.rmdir()


@pytest.mark.slow
def test_an_umask_that_keeps_others_out_changes_no_byte(copy):
    expected = outputs(copy)
    run("sh", "-c", "umask 077; dvc repro --force split", cwd=copy)
    assert outputs(copy) == expected
    assert (copy / "data/splits.parquet").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_windows_line_ends_in_params_change_nothing_and_a_change_among_them_is_seen(copy):
    expected = outputs(copy)
    params = copy / "params.yaml"
    params.write_bytes(params.read_bytes().replace(b"\n", b"\r\n"))
    assert "up to date" in run("dvc", "repro", "split", cwd=copy).stdout
    assert "split" in forced(copy)
    assert outputs(copy) == expected
    params.write_bytes(re.sub(rb"val_fraction: [^\r]*", b"val_fraction: 0.3", params.read_bytes()))
    assert stages_run(run("dvc", "repro", "split", cwd=copy)) == ["split"]


# What git and DVC do beside it


@pytest.mark.slow
def test_a_conflict_in_dvc_lock_is_named_and_either_side_and_a_repro_mend_it(checkout):
    run("dvc", "repro", cwd=checkout)
    commit(checkout)
    here = run("git", "branch", "--show-current", cwd=checkout).stdout.strip()
    params = (checkout / "params.yaml").read_text()
    made = {}
    for branch, seed in (("theirs", 21), (here, 22)):
        run("git", "checkout", "-q", "-B" if branch == "theirs" else "-f", branch, cwd=checkout)
        (checkout / "params.yaml").write_text(re.sub(r"(?m)^seed: \d+", f"seed: {seed}", params))
        run("dvc", "repro", cwd=checkout)
        commit(checkout)
        made[branch] = (checkout / "data/out").read_text()
    assert attempt("git", "merge", "theirs", cwd=checkout).returncode == 1
    assert "<<<<<<<" in (checkout / "dvc.lock").read_text()
    run("git", "checkout", "--theirs", "params.yaml", cwd=checkout)
    done = attempt("dvc", "repro", cwd=checkout)
    assert done.returncode != 0
    said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    assert "dvc.lock" in said
    assert "<<<<<<< HEAD" in said
    run("git", "checkout", "--ours", "dvc.lock", cwd=checkout)
    run("dvc", "repro", cwd=checkout)
    assert (checkout / "data/out").read_text() == made["theirs"]
    commit(checkout)
    assert "up to date" in run("dvc", "repro", cwd=checkout).stdout


BESIDE = """
stages:
  first:
    cmd: python -c "print(open('params.yaml').read())" > a
    params: [seed]
    outs: [a]
  second:
    cmd: touch $DVC_ROOT/started; while [ ! -e $DVC_ROOT/go ]; do sleep 0.1; done; cat a a > b
    deps: [a]
    outs: [b]
"""


@pytest.fixture
def beside(tmp_path):
    """Two stages whose result is committed; the second waits for a file `go` in the checkout."""
    (tmp_path / "dvc.yaml").write_text(BESIDE)
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / ".gitignore").write_text("/a\n/b\n/go\n/started\n/log\n")
    run("git", "init", "-q", cwd=tmp_path)
    run("dvc", "init", "-q", cwd=tmp_path)
    commit(let_go(tmp_path))
    run("dvc", "repro", "-q", cwd=tmp_path)
    commit(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_uncommitted_work_under_an_applied_experiment_is_kept_in_git(beside):
    run("dvc", "exp", "run", "--temp", "-n", "new", "-S", "seed=2", cwd=beside)
    (beside / "params.yaml").write_text("seed: 5  # mine\n")
    run("dvc", "repro", "-q", cwd=beside)
    mine = (beside / "b").read_text()
    run("dvc", "exp", "apply", "new", cwd=beside)
    assert (beside / "params.yaml").read_text() == "seed: 2\n"
    kept = "refs/exps/apply/stash"
    run("git", "checkout", "-q", kept, "--", "params.yaml", "dvc.lock", cwd=beside)
    run("dvc", "checkout", "-q", "--force", cwd=beside)
    assert (beside / "params.yaml").read_text() == "seed: 5  # mine\n"
    assert (beside / "b").read_text() == mine


@pytest.mark.slow
def test_a_gc_beside_a_queue_costs_a_stage_s_repeat_and_no_result(beside):
    for name in ("go", "started"):
        (beside / name).unlink()
    run("dvc", "exp", "run", "--queue", "-n", "new", "-S", "seed=2", cwd=beside)
    with workers_stopped(beside):
        run("sh", "-c", "dvc queue start > log 2>&1", cwd=beside)
        assert becomes_true((beside / "started").exists, within_s=300)
        run("dvc", "gc", "--workspace", "--force", cwd=beside)
        let_go(beside)
        status = ["dvc", "queue", "status"]
        assert becomes_true(lambda: "Success" in run(*status, cwd=beside).stdout, within_s=300)
    assert (beside / "a").read_text() == "seed: 1\n\n"
    attempt("dvc", "exp", "apply", "new", cwd=beside)
    run("dvc", "repro", cwd=beside)
    assert (beside / "a").read_text() == "seed: 2\n\n"
    assert (beside / "b").read_text() == "seed: 2\n\n" * 2
    assert "up to date" in run("dvc", "status", cwd=beside).stdout
