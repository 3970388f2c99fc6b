"""Processes, limits, lanes, interruptions: runs of purpose-built functions, and one of the real thing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from symnum.evaluation import runner
from symnum.evaluation.limits import Outcome, Warden, _descendants
from symnum.evaluation.progress import Progress
from symnum.evaluation.runner import Campaign, run_campaign
from symnum.evaluation.store import ORDER, Store, load_runs
from symnum.evaluation.task import ROW_COLUMNS, Task
from symnum.exceptions import InvalidInput, SymnumError

WORKERS = '''
import json, os, subprocess, sys, time
from pathlib import Path
from symnum.evaluation.task import Task, empty_row

def echo(x): return x
def fail(x): raise ValueError(f"no good: {x}")
def segfault(x): os.kill(os.getpid(), 11)
def leave(x): os._exit(3)
def noise(x): print("o" * 100_000); print("e" * 100_000, file=sys.stderr); return len(sys.argv)
def hold(megabytes):
    kept = []
    while True:
        kept.append(bytearray(os.urandom(4096)) * 256)   # a touched MiB each
        time.sleep(0.001)
def family(path):
    """A child in a session of its own, a grandchild whose parent is gone, then hang."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    script = f"sleep 600 & echo $! > {path}.orphan"
    subprocess.run(["setsid", "sh", "-c", script], check=True)
    Path(path).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
def orphans(path):
    subprocess.run(["setsid", "sh", "-c", f"sleep 600 & echo $! > {path}"], check=True)
    return "done"
def ident(x): return os.getpid(), os.getppid(), os.getsid(0)
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass

def row(task):
    """A row that depends on the task alone; its beginning and end are noted beside the store."""
    task = Task.from_dict(task)
    log = os.environ.get("RUN_LOG")
    def note(event):
        if log:
            with open(log, "a") as file: file.write(f"{event} {task.key}\\n")
    note("begin")
    time.sleep(0.02 + (task.seed % 3) * 0.02)
    note("end")
    found = {"r2_test": 1.0 - task.seed / 100, "equation": f"x0 + {task.seed}"}
    return empty_row(task) | found | {"status": "ok"}
def named(task): return empty_row(Task.from_dict(task)) | {"status": "ok", "message": str(os.getppid())}
def nothing(task): return None
def stuck(task): time.sleep(60)
def mixed(task): return [row, fail, segfault, nothing, stuck][task["seed"]](task)
'''


@pytest.fixture(autouse=True)
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module `bench_workers` that wardens can import, and wardens that load nothing heavy."""
    place = tmp_path / "modules"
    place.mkdir()
    (place / "bench_workers.py").write_text(WORKERS)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(runner, "PRELOAD", ())
    return place


@pytest.fixture
def warden(workers: Path):
    with Warden(["bench_workers", "not_a_module_at_all"]) as warden:
        yield warden


def call(
    warden: Warden, name: str, argument: object, seconds: float = 20, memory_mb: float = 2000
) -> Outcome:
    return warden.run(f"bench_workers:{name}", argument, seconds=seconds, memory_mb=memory_mb)


def tasks(count: int, method: str = "fake") -> list[Task]:
    return [Task(method, "feynman/I.6.2a", seed=seed, max_time=1) for seed in range(count)]


def gone(pid: int, within: float = 5) -> bool:
    end = time.monotonic() + within
    while psutil.pid_exists(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# ------------------------------------------------------------------------------------------------ limits
def test_calls_are_isolated_and_cheap(warden: Warden):
    first, *others = (call(warden, "ident", 0) for _ in range(6))
    assert first.status == "ok"
    pids = {outcome.value[0] for outcome in (first, *others)}
    assert len(pids) == 6  # a process each
    assert all(outcome.value[0] == outcome.value[2] for outcome in others)  # each leads its own session
    assert sorted(outcome.seconds for outcome in others)[2] < 0.25


@pytest.mark.parametrize("value", [None, True, [1, "µ", {"a": 0.1}], "x" * 3_000_000])
def test_values_come_back_whole(warden: Warden, value: object):
    assert call(warden, "echo", value).value == value


def test_errors_and_crashes_are_told_apart(warden: Warden):
    failed = call(warden, "fail", "this")
    assert (failed.status, failed.message) == ("error", "ValueError: no good: this")
    assert call(warden, "no_such", 0).message.startswith("InvalidInput: no function 'bench_workers:no_such'")
    crashed = call(warden, "segfault", 0)
    assert crashed.status == "crash"
    assert "SIGSEGV" in crashed.message
    assert "segfault" in crashed.message  # the line of the crash, from faulthandler
    left = call(warden, "leave", 0)
    assert (left.status, left.message) == ("crash", "exit code 3 without a result")
    assert call(warden, "echo", 1).value == 1  # and life goes on


def test_output_does_not_get_in_the_way(warden: Warden, capfd: pytest.CaptureFixture):
    assert call(warden, "noise", 0).status == "ok"
    assert capfd.readouterr() == ("", "")


def test_time_limit_kills_the_whole_family(warden: Warden, tmp_path: Path):
    note = tmp_path / "family"
    outcome = call(warden, "family", str(note), seconds=2)
    assert outcome.status == "timeout"
    assert 2 <= outcome.seconds < 4
    members = [*note.read_text().split(), (tmp_path / "family.orphan").read_text()]
    assert all(gone(int(pid), within=0.2) for pid in members)


def test_processes_left_behind_end_with_the_call(warden: Warden, tmp_path: Path):
    note = tmp_path / "orphan"
    assert call(warden, "orphans", str(note)).value == "done"
    assert gone(int(note.read_text()), within=0.2)


def test_memory_limit(warden: Warden):
    outcome = call(warden, "hold", 0, seconds=60, memory_mb=300)
    assert outcome.status == "memory"
    assert "300 MiB" in outcome.message
    assert 300 < outcome.peak_mb < 450
    assert outcome.seconds < 30


def test_cpu_time_is_measured(warden: Warden):
    assert 0.3 <= call(warden, "burn", 0.3).cpu_seconds < 0.8


def test_warden_ends_with_the_call_when_its_owner_is_killed(workers: Path, tmp_path: Path):
    note = tmp_path / "family"
    code = f"""
        import sys; sys.path[:0] = {[str(workers), *sys.path]!r}
        from symnum.evaluation.limits import Warden
        Warden().run("bench_workers:family", {str(note)!r}, seconds=600, memory_mb=1000)"""
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    wait_for(note.exists)
    below = _descendants(owner.pid)
    assert len(below) >= 2
    owner.kill()
    owner.wait()
    members = [*note.read_text().split(), (tmp_path / "family.orphan").read_text()]
    assert all(gone(pid) for pid in [*below, *map(int, members)])


def test_closed_warden_reports_a_crash():
    warden = Warden()
    warden.close()
    outcome = warden.run("bench_workers:echo", 1, seconds=5, memory_mb=1000)
    assert (outcome.status, warden.closed) == ("crash", True)


# ------------------------------------------------------------------------------------------------ campaigns
def test_campaign_stores_every_run_and_repeats_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = tmp_path / "log"
    monkeypatch.setenv("RUN_LOG", str(log))
    first = run_campaign(tasks(4), tmp_path / "out", name="a", target="bench_workers:row")
    assert first == Campaign(stored=0, finished=4, failed=0, interrupted=False)
    again = run_campaign([*tasks(6), *tasks(3)], tmp_path / "out", name="b", target="bench_workers:row")
    assert again == Campaign(stored=4, finished=2, failed=0, interrupted=False)
    assert sorted(log.read_text().split()[1::2]) == sorted(t.key for t in tasks(6) for _ in range(2))
    runs = load_runs(tmp_path / "out")
    assert list(runs["seed"]) == list(range(6))
    assert list(runs["campaign"]) == ["a"] * 4 + ["b"] * 2
    assert (runs["run_seconds"] >= 0.02).all()
    assert runs["cores"].iloc[0] == len(os.sched_getaffinity(0))
    assert runs["finished"].is_monotonic_increasing


@pytest.mark.parametrize("workers_count", [1, 2])
def test_failures_are_rows(tmp_path: Path, workers_count: int):
    run_campaign(
        tasks(5), tmp_path, workers=workers_count, target="bench_workers:mixed", seconds=lambda _: 1.0
    )
    runs = load_runs(tmp_path)
    assert list(runs["status"]) == ["ok", "error", "crash", "error", "timeout"]
    assert runs["message"][1].startswith("ValueError: no good")
    assert runs["message"][3] == "expected a row from bench_workers:mixed, got NoneType"
    assert 1.0 <= runs["total_seconds"][4] < 2.0
    assert set(runs["method"]) == {"fake"}


def test_only_the_statuses_asked_for_are_run_again(tmp_path: Path):
    run_campaign(tasks(2), tmp_path, target="bench_workers:fail")
    assert run_campaign(tasks(2), tmp_path, target="bench_workers:row").finished == 0
    assert run_campaign(tasks(2), tmp_path, target="bench_workers:row", retry=["error"]).finished == 2
    assert set(load_runs(tmp_path)["status"]) == {"ok"}
    with pytest.raises(InvalidInput, match="retry takes"):
        run_campaign(tasks(2), tmp_path, retry=["eror"])


def test_two_lanes_run_at_the_same_time(tmp_path: Path):
    ended = run_campaign(tasks(6), tmp_path, workers=2, target="bench_workers:named")
    assert ended.finished == 6
    runs = load_runs(tmp_path)
    assert runs["message"].nunique() == 2  # two wardens
    assert set(runs["lanes"]) == {2}


def test_scheduler_with_two_worker_processes(workers: Path, tmp_path: Path):
    """A dask cluster as on a real machine: a scheduler and two workers, each a process of its own."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(workers), *filter(None, sys.path)])}
    silent = {"env": env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    python = [sys.executable, "-m", "distributed.cli"]
    note = tmp_path / "scheduler.json"
    started = []
    try:
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(note)]
        started.append(subprocess.Popen([*python[:-1], "distributed.cli.dask_scheduler", *options], **silent))
        wait_for(note.exists, 30)
        for _ in range(2):
            options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--scheduler-file", str(note)]
            started.append(
                subprocess.Popen([*python[:-1], "distributed.cli.dask_worker", *options], **silent)
            )
        address = json.loads(note.read_text())["address"]
        wait_for(lambda: connected_workers(address) == 2, 30)
        ended = run_campaign(tasks(8), tmp_path / "out", scheduler=address, target="bench_workers:named")
    finally:
        for process in started:
            process.terminate()
            process.wait(10)
    assert (ended.finished, ended.failed) == (8, 0)
    assert load_runs(tmp_path / "out")["message"].nunique() == 2  # a warden in each worker


def test_unreachable_scheduler_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.5s"}),
        pytest.raises(SymnumError, match="reach"),
    ):
        run_campaign(tasks(1), tmp_path, scheduler="tcp://127.0.0.1:9")


def test_store_has_one_writer(tmp_path: Path):
    with Store(tmp_path).writing(), pytest.raises(SymnumError, match="another campaign is writing"):
        run_campaign(tasks(1), tmp_path, target="bench_workers:row")


def test_bench_and_report_from_the_command_line(tmp_path: Path):
    """The real thing with the smallest budget: YAML in, page out; a second call has nothing to do."""
    import typer
    from typer.testing import CliRunner

    from symnum.cli_bench import bench, report

    app = typer.Typer()
    app.command()(bench)
    app.command()(report)
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "name: tiny\nmethods: linear\nmax_time: 1\nn_jobs: 1\nproblems: [{find: feynman/I.12.1, rows: 100}]\n"
    )
    for _ in range(2):
        said = CliRunner().invoke(app, ["bench", str(config), "--out", str(tmp_path / "out")])
        assert said.exit_code == 0, said.output
        assert re.search(r"feynman +0 +1 +linear +0.0 %", said.output)
        assert "report.html" in said.output
    run = load_runs(tmp_path / "out").iloc[0]
    assert (run["status"], run["campaign"]) == ("ok", "tiny")
    assert set(ROW_COLUMNS) <= set(run.index)
    assert 0 < run["r2_test"] < 1
    assert run["fit_seconds"] < run["total_seconds"] < run["run_seconds"]
    mirror = tmp_path / "mirror.csv"
    said = CliRunner().invoke(app, ["report", str(tmp_path / "out"), "--mirror", str(mirror)])
    assert said.exit_code == 0
    assert list(load_runs(mirror)["equation"]) == [run["equation"]]
    for wrong in (["bench"], ["bench", str(config), "--quick"], ["report", str(mirror)]):
        assert isinstance(CliRunner().invoke(app, wrong).exception, InvalidInput)


# ---------------------------------------------------------------------------------------- interruptions
def campaign_process(workers: Path, out: Path, log: Path, count: int, lanes: int) -> subprocess.Popen:
    code = f"""
        import sys; sys.path[:0] = {[str(workers), *sys.path]!r}
        from symnum.evaluation import runner
        from symnum.evaluation.task import Task
        runner.PRELOAD = ()
        tasks = [Task("fake", "feynman/I.6.2a", seed=s, max_time=1) for s in range({count})]
        ended = runner.run_campaign(tasks, {str(out)!r}, workers={lanes}, target="bench_workers:row")
        sys.exit(130 if ended.interrupted else 0)"""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"RUN_LOG": str(log)},
        start_new_session=True,
    )


def stored(out: Path) -> int:
    return len(list(out.glob("parts/[!.]*.parquet"))) if (out / "parts").exists() else 0


def wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def connected_workers(address: str) -> int:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return len(client.nthreads())


def table(out: Path) -> pd.DataFrame:
    """What does not depend on the clock or the machine's mood."""
    return load_runs(out)[[*ORDER, "status", "r2_test", "equation"]]


def survive(workers: Path, tmp_path: Path, *, kills: int, count: int, lanes: int) -> None:
    """Kill a campaign so many times at random moments; the table in the end is that of an undisturbed one."""
    calm, wild, log = tmp_path / "calm", tmp_path / "wild", tmp_path / "log"
    run_campaign(tasks(count), calm, target="bench_workers:row")
    rng = np.random.default_rng(7)
    moments = np.sort(rng.choice(np.arange(1, count - 1), kills, replace=False))
    for moment in moments:
        process = campaign_process(workers, wild, log, count, lanes)
        wait_for(lambda least=moment: len(load_or_nothing(wild)) >= least, 60)
        time.sleep(rng.uniform(0, 0.06))  # somewhere within a run
        below = _descendants(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert all(gone(pid) for pid in below)
    last = campaign_process(workers, wild, log, count, lanes)
    assert last.wait(120) == 0
    pd.testing.assert_frame_equal(table(wild), table(calm))
    events = log.read_text().split()
    begun = len(events[1::2]) - events.count("end")
    # Each kill costs at most the runs that were going on; what was finished is not begun again.
    assert count <= begun <= count + kills * lanes
    assert len(Store(wild).files()) == 1
    assert not list(wild.glob("*/.*.tmp"))


def load_or_nothing(out: Path) -> set[str]:
    try:
        return set(Store(out).statuses())
    except Exception:  # files may be merged while we look
        return set()


def test_killed_campaign_loses_and_repeats_nothing(workers: Path, tmp_path: Path):
    survive(workers, tmp_path, kills=3, count=24, lanes=1)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 2])
def test_campaign_killed_ten_times(workers: Path, tmp_path: Path, lanes: int):
    survive(workers, tmp_path, kills=10, count=120, lanes=lanes)


@pytest.mark.parametrize("lanes", [1, 2])
def test_ctrl_c_leaves_a_consistent_store(workers: Path, tmp_path: Path, lanes: int):
    out, log = tmp_path / "out", tmp_path / "log"
    process = campaign_process(workers, out, log, 400, lanes)
    wait_for(lambda: stored(out) >= 3)
    below = _descendants(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert all(gone(pid) for pid in below)
    before = len(load_runs(out))
    assert 3 <= before < 400
    ended = run_campaign(tasks(before + 2), out, target="bench_workers:row")
    assert ended.finished + ended.stored == before + 2
    assert load_runs(out)["key"].is_unique


# ------------------------------------------------------------------------------------------------ progress
def test_estimate_follows_each_method(monkeypatch: pytest.MonkeyPatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    waiting = [*tasks(3, "quick"), *tasks(3, "slow")]
    progress = Progress(waiting, stored=4, console=None)
    assert progress.seconds_left() is None
    with progress:
        clock[0] += 2  # two lanes: 4 seconds of work in 2 of the clock
        progress.advance({"method": "quick", "status": "ok", "run_seconds": 1.0})
        progress.advance({"method": "slow", "status": "timeout", "run_seconds": 3.0})
        assert progress.seconds_left() == pytest.approx((2 * 1.0 + 2 * 3.0) / 2)
        assert progress.line() == "6 of 10 runs, 4 from before, 1 timeout, 2 s so far, about 4 s to go"
