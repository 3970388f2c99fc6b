"""One call in a process of its own, under hard limits of wall-clock time and memory.

A `Warden` is a small process that has the heavy libraries loaded and forks a child for every call, so that a
call starts within milliseconds and still shares nothing with the one before. Whatever the child leaves behind
(processes of its own, in sessions of their own) becomes the warden's and is killed before the call counts as
finished. When the process that made the warden dies, however it dies, the warden kills the running call and
ends.

Linux only: it relies on ``prctl``, ``pidfd_open`` and ``/proc``.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from symnum.exceptions import InvalidInput, SymnumError

_POLL_SECONDS = 0.05
_TAIL = 1500  # characters of the child's output that go into a message
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call.

    Parameters
    ----------
    status : {"ok", "error", "timeout", "memory", "crash"}
        "error": the function raised; "crash": its process died by itself.
    value : Any
        What the function returned, when "ok".
    message : str
        Why, when not "ok".
    seconds, cpu_seconds : float
        Wall-clock time from fork to the end of the last process, CPU time of all that were waited for.
    peak_mb : float
        Highest resident memory of all its processes together, in MiB, seen every 0.05 s.
    """

    status: str
    value: Any = None
    message: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


class Warden:
    """Runs calls one after another, each in a fresh process under limits.

    Parameters
    ----------
    preload : sequence of str
        Modules to import once, before the first call; those that are not there are left out.

    Raises
    ------
    SymnumError
        On a system other than Linux.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        if not sys.platform.startswith("linux"):
            raise SymnumError(f"hard limits need Linux, this is {sys.platform}")
        self.closed = False
        ours, theirs = socket.socketpair()
        paths = [p for p in sys.path if p]  # never the working directory: it may hold a folder `datasets`
        code = (
            f"import sys; sys.path[:] = {paths!r}; from symnum.evaluation import limits; "
            f"limits.serve({theirs.fileno()})"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the campaign, which then closes its wardens
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        theirs.close()
        self._socket = ours
        self._replies = ours.makefile("rb")
        self._send({"preload": list(preload)})

    def run(self, target: str, argument: Any, *, seconds: float, memory_mb: float) -> Outcome:
        """Call ``target(argument)`` in a fresh process.

        Parameters
        ----------
        target : str
            ``"package.module:function"``.
        argument : JSON value
        seconds : float
            Wall-clock seconds after which everything is killed.
        memory_mb : float
            Resident memory, in MiB, of all its processes together, above which everything is killed.

        Returns
        -------
        Outcome
            A "crash" also when the warden itself died or was closed; `closed` is true from then on.
        """
        request = {"target": target, "argument": argument, "seconds": seconds, "memory_mb": memory_mb}
        began = time.monotonic()
        try:
            self._send(request)
            reply = self._replies.readline()
        except (OSError, ValueError):  # ValueError: closed by another thread
            reply = b""
        if reply.endswith(b"\n"):
            return Outcome(**json.loads(reply))
        self.close()
        code = self._process.returncode
        message = f"the process that supervises the run ended (exit code {code})"
        return Outcome("crash", message=message, seconds=time.monotonic() - began)

    def close(self) -> None:
        """Kill the running call, if any, and the warden; any thread may do that."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a reader; the warden sees the end and cleans up
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # stuck in a preload
            self._process.kill()
            self._process.wait()
        self._replies.close()
        self._socket.close()

    def __enter__(self) -> Warden:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _send(self, message: Any) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")


# ---------------------------------------------------------------------------------------------- in the warden
def serve(channel: int) -> None:
    """Serve calls that arrive on a socket until its other end closes: the main function of a warden."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Processes orphaned anywhere below become our children instead of init's: none can run away.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with socket.socket(fileno=channel) as connection, connection.makefile("rb") as requests:
        for name in json.loads(requests.readline())["preload"]:
            with contextlib.suppress(ImportError):  # who needs it says so
                importlib.import_module(name)
        for line in requests:
            outcome = _supervise(connection, **json.loads(line))
            try:
                connection.sendall(json.dumps(asdict(outcome)).encode() + b"\n")
            except OSError:
                break


def _supervise(
    connection: socket.socket, target: str, argument: Any, seconds: float, memory_mb: float
) -> Outcome:
    """Fork, watch, clean up, judge."""
    began = time.monotonic()
    read_end, write_end = os.pipe()
    with tempfile.TemporaryFile() as log:
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            connection.close()
            _child(parent, target, argument, write_end, log.fileno())
        os.close(write_end)
        killed, data, peak = _watch(connection, pid, read_end, began + seconds, memory_mb)
        _, wait_status, usage = os.wait4(pid, 0)
        cpu = usage.ru_utime + usage.ru_stime + _kill_everything()
        data += _drain(read_end)
        os.close(read_end)
        if killed == "memory":
            killed_by, outcome = f"more than {memory_mb:g} MiB of memory in use", {"status": killed}
        elif killed == "timeout":
            killed_by, outcome = f"not finished after {seconds:g} s", {"status": killed}
        else:
            killed_by, outcome = "", _judge(data, wait_status, log)
    outcome.setdefault("message", f"killed: {killed_by}" if killed_by else "")
    peak = max(peak, usage.ru_maxrss / 1024)
    return Outcome(**outcome, seconds=time.monotonic() - began, cpu_seconds=cpu, peak_mb=peak)


def _watch(
    connection: socket.socket, pid: int, read_end: int, deadline: float, memory_mb: float
) -> tuple[str, bytes, float]:
    """Wait for a child to end or break a limit (then kill it): reason, bytes it wrote, peak memory."""
    os.set_blocking(read_end, False)
    data, peak, reason = b"", 0.0, ""
    with selectors.DefaultSelector() as selector:
        ended = os.pidfd_open(pid)
        for readable in (ended, read_end, connection.fileno()):
            selector.register(readable, selectors.EVENT_READ)
        while not reason:
            ready = {
                key.fd for key, _ in selector.select(max(min(_POLL_SECONDS, deadline - time.monotonic()), 0))
            }
            if connection.fileno() in ready:  # nothing is sent during a call: the other end has gone
                os.kill(pid, signal.SIGKILL)
                _kill_everything()
                os._exit(0)
            if read_end in ready:
                chunk = _drain(read_end)
                data += chunk
                if not chunk:  # closed by the child, which may go on all the same
                    selector.unregister(read_end)
            if ended in ready:
                break
            peak = max(peak, _resident_mb())
            if peak > memory_mb:
                reason = "memory"
            elif time.monotonic() >= deadline:
                reason = "timeout"
        os.close(ended)
    if reason:
        os.kill(pid, signal.SIGKILL)
    return reason, data, peak


def _drain(descriptor: int) -> bytes:
    data = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(descriptor, 1 << 20):
            data += chunk
    return data


def _judge(data: bytes, wait_status: int, log: IO[bytes]) -> dict[str, Any]:
    """Status, value and message of a call that ended by itself."""
    with contextlib.suppress(ValueError):  # a process that died while writing leaves half a reply
        reply = json.loads(data)
        return (
            {"status": "error", "message": reply["error"]} if "error" in reply else {"status": "ok", **reply}
        )
    code = os.waitstatus_to_exitcode(wait_status)
    log.seek(0)
    said = log.read().decode(errors="replace").partition("\nExtension modules:")[0].strip()[-_TAIL:]
    if code < 0:
        cause = f"killed by {signal.Signals(-code).name}"
        cause += ", perhaps because the machine ran out of memory" if -code == signal.SIGKILL else ""
    else:
        cause = f"exit code {code} without a result"
    return {"status": "crash", "message": f"{cause}; last words: {said}" if said else cause}


def _descendants(root: int) -> list[int]:
    """Processes below `root`, zombies included."""
    found, ahead = [], [root]
    while ahead:
        pid = ahead.pop()
        with contextlib.suppress(OSError):  # it may end while we look
            for thread in Path(f"/proc/{pid}/task").iterdir():
                text = (thread / "children").read_text()
                children = [int(word) for word in text.split()]
                found += children
                ahead += children
    return found


def _resident_mb() -> float:
    total = 0
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return total * _PAGE / 2**20


def _kill_everything() -> float:
    """Kill and reap all processes below this one, also those born meanwhile; their CPU seconds."""
    cpu = 0.0
    while pids := _descendants(os.getpid()):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, _, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    break
                cpu += usage.ru_utime + usage.ru_stime
        time.sleep(0.001)
    return cpu


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


# ---------------------------------------------------------------------------------------------- in the child
def _child(parent: int, target: str, argument: Any, write_end: int, log: int) -> NoReturn:
    """Call the target, write what it returned, end without any clean-up that could hang."""
    code = 1
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(log, 1)
        os.dup2(log, 2)
        faulthandler.enable(2)
        with contextlib.suppress(OSError):  # where memory runs out all the same, take this one first
            Path("/proc/self/oom_score_adj").write_text("1000")
        try:
            reply = {"value": resolve(target)(argument)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        data = json.dumps(reply).encode()
        with open(write_end, "wb") as results:
            results.write(data)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def resolve(target: str) -> Callable[[Any], Any]:
    """Function behind ``"package.module:function"``.

    Raises
    ------
    InvalidInput
        When the text has another form or nothing is there.
    """
    module, _, name = target.partition(":")
    if not module or not name.isidentifier():
        raise InvalidInput(f"a target reads 'package.module:function', got {target!r}")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidInput(f"no function {target!r}: {error}") from error
