"""Campaigns: many tasks, each in a process of its own, every finished run stored at once.

One lane runs in this process; several run as threads of an in-process dask cluster; ``scheduler`` sends the
tasks to any other dask cluster. In each lane a `Warden` isolates the runs, so the lanes themselves never hold
a method's memory or its crashes. Only the process that called `run_campaign` writes to the store.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symnum.evaluation.limits import Warden
from symnum.evaluation.progress import Progress
from symnum.evaluation.store import COLUMNS, Store
from symnum.evaluation.task import STATUSES, Task, failure_row, run_task, time_limit
from symnum.exceptions import InvalidInput, MissingExtra, SymnumError

if TYPE_CHECKING:
    from distributed import Client
    from rich.console import Console

WORK = "symnum.evaluation.runner:work"
PRELOAD = (
    "scipy.optimize", "scipy.stats", "pandas", "sklearn.base", "sklearn.model_selection", "sklearn.metrics",
    "sympy", "numba", "threadpoolctl", "symnum.regressor", "symnum.evaluation.execution",
    "symnum.evaluation.runner",
)  # fmt: skip
"""What a warden imports once, with the modules that the methods need, so that no run pays for it."""

_THREAD_VARIABLES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "VECLIB_MAXIMUM", "JULIA", "RAYON")


@dataclass(frozen=True, slots=True)
class Campaign:
    """How a campaign ended.

    Parameters
    ----------
    stored, finished, failed : int
        Runs that were there before, that were run now, and how many of these gave no formula.
    interrupted : bool
        Ended by Ctrl-C; the same call goes on where it stopped.
    """

    stored: int
    finished: int
    failed: int
    interrupted: bool


def run_campaign(
    tasks: Iterable[Task],
    out: str | Path,
    *,
    name: str = "",
    workers: int = 1,
    scheduler: str | None = None,
    memory_mb: float = 8192,
    retry: Sequence[str] = (),
    console: Console | None = None,
    target: str = WORK,
    seconds: Callable[[Task], float] = time_limit,
) -> Campaign:
    """Run all tasks that the store does not hold yet.

    Parameters
    ----------
    tasks : iterable of Task
        In the order in which they are begun.
    out : str or Path
        Folder of the `Store`.
    name : str
        Goes into the column ``campaign``.
    workers : int
        Runs at the same time on this machine; 1 for measurements of time that can be trusted.
    scheduler : str, optional
        Address of a dask scheduler whose workers do the runs instead.
    memory_mb : float
        Resident memory a run may use.
    retry : sequence of str
        Statuses of stored runs to run again; skipped ones always are.
    console : rich Console, optional
        Where to show progress.
    target : str
        Function that turns the dictionary of a task into a row.
    seconds : callable
        Hard limit of the wall-clock time of a task.

    Raises
    ------
    InvalidInput
        When an argument cannot be used.
    SymnumError
        When another campaign writes to the same store, or the scheduler cannot be reached.
    """
    if workers < 1 or memory_mb <= 0:
        raise InvalidInput(f"workers and memory_mb must be positive, got {workers} and {memory_mb}")
    if wrong := [status for status in retry if status not in STATUSES]:
        raise InvalidInput(f"retry takes statuses of {', '.join(STATUSES)}, got {wrong[0]!r}")
    again = {"skipped", *retry}
    store = Store(out)
    with store.writing():
        stored = {key for key, status in store.statuses().items() if status not in again}
        unique = {task.key: task for task in tasks}
        waiting = [task for key, task in unique.items() if key not in stored]
        preload = [*PRELOAD, *_modules(waiting)]
        calls = [_call(task, target, seconds(task), memory_mb, preload) for task in waiting]
        failed, finished, interrupted = 0, 0, False
        lanes = _lanes(workers, scheduler, len(calls))
        progress = Progress(waiting, len(unique) - len(waiting), console)
        # Lanes outermost: Ctrl-C at any moment ends inside them.
        with contextlib.suppress(KeyboardInterrupt), lanes as run:
            interrupted = True
            with progress:
                for row in run(calls):
                    store.add(row | {"campaign": name})
                    progress.advance(row)
                    finished, failed = finished + 1, failed + (row["status"] != "ok")
                    store.compact()
            interrupted = False
        store.compact(everything=True)
    return Campaign(len(unique) - len(waiting), finished, failed, interrupted)


def work(task: Mapping[str, Any]) -> dict[str, Any]:
    """Run a task in this process with as many threads as it says: what a run's process does."""
    given = Task.from_dict(task)
    limit_threads(given.n_jobs)
    return run_task(given)


def limit_threads(count: int) -> None:
    """Let linear algebra, OpenMP, numba and what child processes load use so many threads."""
    for prefix in _THREAD_VARIABLES:
        os.environ[f"{prefix}_NUM_THREADS"] = str(count)
    from threadpoolctl import threadpool_limits

    threadpool_limits(count)
    import numba
    from numba.core import config

    most = config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue] (set while numba loads)
    numba.set_num_threads(min(count, most))


# ---------------------------------------------------------------------------------------------- lanes
_Call = dict[str, Any]
_Run = Callable[[Sequence[_Call]], Iterator[dict[str, Any]]]


def _call(task: Task, target: str, seconds: float, memory_mb: float, preload: Sequence[str]) -> _Call:
    return {
        "task": task.to_dict(),
        "target": target,
        "seconds": seconds,
        "memory_mb": memory_mb,
        "preload": preload,
    }


def _modules(tasks: Iterable[Task]) -> list[str]:
    """Modules that the tasks' methods import before their fits."""
    from symnum.evaluation.methods import make_method

    needed: dict[str, None] = {}
    for name in dict.fromkeys(task.method for task in tasks):
        with contextlib.suppress(SymnumError):  # an unknown method is an error of its runs
            needed.update(dict.fromkeys(make_method(name).requires))
    return list(needed)


def _lanes(workers: int, scheduler: str | None, calls: int) -> contextlib.AbstractContextManager[_Run]:
    if scheduler is None and min(workers, calls) <= 1:
        return _serial()
    return _dask(min(workers, calls), scheduler)


@contextlib.contextmanager
def _serial() -> Iterator[_Run]:
    """One run after the other, with nothing in between."""
    try:
        yield lambda calls: (supervise(call, lanes=1) for call in calls)
    finally:
        stop_wardens()


@contextlib.contextmanager
def _dask(workers: int, scheduler: str | None) -> Iterator[_Run]:
    """Runs spread over a dask cluster, stored in the order in which they end."""
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError:
        raise MissingExtra("several workers need dask; install the extra `eval`") from None

    with contextlib.ExitStack() as stack:
        try:
            # Lanes are threads: what has to be isolated runs in the wardens' children anyway.
            cluster = scheduler or stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=False,
                    dashboard_address=None,  # pyright: ignore[reportArgumentType] (documented: no dashboard)
                    memory_limit=0,
                )
            )
            client = stack.enter_context(Client(cluster, set_as_default=False))
        except (OSError, ValueError) as error:
            raise SymnumError(f"cannot reach the dask scheduler at {scheduler}: {error}") from None
        stack.callback(_stop_workers, client)

        def run(calls: Sequence[_Call]) -> Iterator[dict[str, Any]]:
            ahead = iter(calls)
            futures = as_completed(loop=client.loop)
            tasks: dict[Any, _Call] = {}

            def submit() -> None:
                threads: Any = client.nthreads()
                lanes = sum(threads.values())
                while len(tasks) < max(2 * lanes, 2 if scheduler is None else 32):
                    call = next(ahead, None)
                    if call is None:
                        return
                    future = client.submit(supervise, call, lanes=lanes, pure=False)
                    tasks[future.key] = call
                    futures.add(future)

            submit()
            for future in futures:
                call = tasks.pop(future.key)
                error = future.exception()
                yield future.result() if error is None else _lost(call, error)
                submit()

        yield run


def _stop_workers(client: Client) -> None:
    with contextlib.suppress(Exception):  # a cluster that is gone has nothing left to stop
        client.run(stop_wardens)


def _lost(call: _Call, error: BaseException) -> dict[str, Any]:
    """Row of a run whose worker was lost again and again."""
    row = failure_row(Task.from_dict(call["task"]), "crash", f"{type(error).__name__}: {error}")
    return row | {"finished": _now()}


# ---------------------------------------------------------------------------------------------- one run
_here = threading.local()
_all_wardens: weakref.WeakSet[Warden] = weakref.WeakSet()


def supervise(call: _Call, lanes: int) -> dict[str, Any]:
    """Run one call in the warden of this thread: its row, whatever happens to the process."""
    task = Task.from_dict(call["task"])
    warden: Warden | None = getattr(_here, "warden", None)
    if warden is None or warden.closed:
        warden = _here.warden = Warden(call["preload"])
        _all_wardens.add(warden)
    machine = _machine()
    load = os.getloadavg()[0] / machine["cores"]
    limits = {"seconds": call["seconds"], "memory_mb": call["memory_mb"]}
    outcome = warden.run(call["target"], call["task"], **limits)
    if outcome.status == "ok" and isinstance(outcome.value, dict):
        row = {name: outcome.value.get(name) for name in COLUMNS} | {"key": task.key}
    else:
        status = "error" if outcome.status == "ok" else outcome.status
        message = (
            outcome.message or f"expected a row from {call['target']}, got {type(outcome.value).__name__}"
        )
        row = failure_row(task, status, message, total_seconds=outcome.seconds)
    return row | machine | {
        "finished": _now(),
        "run_seconds": outcome.seconds,
        "run_cpu_seconds": outcome.cpu_seconds,
        "run_peak_mb": outcome.peak_mb,
        "memory_limit_mb": call["memory_mb"],
        "lanes": lanes,
        "load": load,
    }  # fmt: skip


def stop_wardens() -> None:
    """Kill what runs in this process's wardens, and the wardens."""
    for warden in list(_all_wardens):
        warden.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


@functools.cache
def _machine() -> dict[str, Any]:
    cpu = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {"host": platform.node(), "cpu": cpu, "cores": len(os.sched_getaffinity(0))}
