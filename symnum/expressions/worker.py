"""A long-lived worker process for sympy: bounded in time and memory, killed and replaced when it overruns."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_START_SECONDS = 120.0  # importing sympy on a slow, busy machine
_MODULE = "symnum.expressions._sympy_worker"


@dataclass(frozen=True)
class WorkerResult:
    """What a task gave.

    Attributes
    ----------
    status : {"ok", "timeout", "error"}
        ``timeout``: the worker was killed; ``error``: the task failed, see `message`.
    value : Any
        Result of the task, None unless ok.
    parts : list
        Intermediate results in order of arrival; kept on a time-out too.
    message : str
        Reason of an error.
    """

    status: str
    value: Any = None
    parts: list[Any] = field(default_factory=list)
    message: str = ""


class SympyWorker:
    """Runs tasks of `_sympy_worker` in one other process, one after the other.

    Parameters
    ----------
    module : str
        What the process runs: `_sympy_worker`, or a module that adds tasks to it.

    Notes
    -----
    The process speaks JSON lines over pipes; formulas travel as `Expression.to_dict`, never as pickles or as
    text to be evaluated. It is started on first use as ``python -m``, so it needs no ``__main__`` guard in
    scripts and works from notebooks, threads and ``python -c``. It ends with this process: on exit, on the
    end of its input, and by its own clock when a task overruns and nobody is left to kill it.
    """

    def __init__(self, module: str = _MODULE) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._inherited: subprocess.Popen[str] | None = None
        self._owner = os.getpid()
        self._count = 0

    def run(self, task: str, payload: dict[str, Any], timeout: float) -> WorkerResult:
        """Run one task for at most `timeout` seconds; the time to start the process is not counted."""
        if self._owner != os.getpid():
            # After a fork the pipes belong to the parent; keeping its process object silences its finaliser.
            self._inherited, self._process = self._process, None
            self._lock, self._owner = threading.Lock(), os.getpid()
        with self._lock:
            try:
                if not self._alive():
                    self._start()
                return self._ask(task, payload, timeout)
            except (OSError, ValueError) as error:
                self._kill()
                return WorkerResult("error", message=f"the sympy worker failed: {error}")
            except BaseException:  # Ctrl-C: an answer may still be under way, so this worker is lost
                self._kill()
                raise

    def close(self) -> None:
        """End the process; the next task starts a new one."""
        if self._owner == os.getpid():
            self._kill()

    # ------------------------------------------------------------------ process
    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        self._kill()
        env = dict(os.environ)
        root = str(Path(__file__).resolve().parents[2])
        env["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [env.get("PYTHONPATH")])])
        env["PYTHONHASHSEED"] = "0"  # sympy's results may depend on the order of sets
        # The address space is limited: BLAS must not reserve buffers for threads that are never used.
        env["OPENBLAS_NUM_THREADS"] = env["OMP_NUM_THREADS"] = env["MKL_NUM_THREADS"] = "1"
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=env,
            start_new_session=True,  # Ctrl-C in the terminal is for this process alone
        )
        answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process, self._answers = process, answers
        threading.Thread(target=_read, args=(process.stdout, answers), daemon=True).start()
        try:
            ready = answers.get(timeout=_START_SECONDS)
        except queue.Empty:
            ready = None
        if ready is None:
            raise OSError(f"{sys.executable} -m {self._module} did not start")

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.kill()
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            process.wait(timeout=5)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()

    def _ask(self, task: str, payload: dict[str, Any], timeout: float) -> WorkerResult:
        self._count += 1
        process = self._process
        if process is None or process.stdin is None:
            raise OSError("no process")
        end = time.monotonic() + timeout
        request = {"id": self._count, "task": task, "payload": payload, "seconds": timeout}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        parts: list[Any] = []
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                self._kill()
                return WorkerResult("timeout", parts=parts)
            if answer is None:
                self._kill()
                return WorkerResult("error", parts=parts, message="the sympy worker ended (out of memory?)")
            if answer.get("id") != self._count:
                continue
            if "part" in answer:
                parts.append(answer["part"])
            elif "error" in answer:
                return WorkerResult("error", parts=parts, message=str(answer["error"]))
            else:
                return WorkerResult("ok", answer.get("value"), parts)


def _read(pipe: IO[str], answers: queue.Queue[dict[str, Any] | None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in pipe:
            answers.put(json.loads(line))
    answers.put(None)


_SHARED = SympyWorker()
atexit.register(_SHARED.close)


def run(task: str, payload: dict[str, Any], timeout: float) -> WorkerResult:
    """Run a task in the worker that all callers of this process share; see `SympyWorker.run`."""
    return _SHARED.run(task, payload, timeout)
