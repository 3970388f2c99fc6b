"""One run of a campaign: a `Task` says what to do, `run_task` does it and returns one flat row.

This is the contract between the runner (processes, limits, store) and the science: data, methods, verdicts.
What a runner has to know:

- `run_task` works in the process that calls it, and starts killable children of its own for algebra; a runner
  that gives up on it kills the whole process group.
- It never raises: what goes wrong is a row with a `status` other than "ok". For a process that died, the
  runner writes `failure_row(task, "timeout" | "memory" | "crash", message)`.
- `time_limit(task)` is how long a healthy run may take at most, verdicts included.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from symnum.exceptions import InvalidInput

PROTOCOLS = ("symnum", "srbench-2021", "srbench-2025")
STATUSES = ("ok", "error", "timeout", "memory", "crash", "skipped")
VERDICT_SECONDS = 60.0
"""Upper limit for all verdicts of one run together."""
GRACE_SECONDS = 60.0
"""How far a method may overrun `max_time` before its run counts as timed out."""
GRACE_2025 = 600.0
"""The same in SRBench's 2025 edition."""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Task:
    """A method on a problem: everything that decides the numbers in the row.

    Parameters
    ----------
    method : str
        Name from `symnum.evaluation.methods`, or a module's dotted
        name or a path ``.../regressor.py`` of anything with SRBench's contract.
    problem : str
        Id from `symnum.evaluation.catalogue`, e.g. "feynman/I.6.2a".
    seed : int
        Decides split, noise and the method's random state.
    noise : float
        Standard deviation of the noise on the training target, relative to its root mean square.
    protocol : {"symnum", "srbench-2021", "srbench-2025"}
    max_time : float
        Wall-clock seconds of the fit.
    n_jobs : int
        Threads of the fit.
    rows : int or None
        Training rows; None is the protocol's own number.
    tracks : tuple of str
        Labels for reports, e.g. ("feynman", "non-duplicate"); not part of `key`.

    Raises
    ------
    InvalidInput
        When a value cannot be used.
    """

    method: str
    problem: str
    seed: int = 0
    noise: float = 0.0
    protocol: str = "symnum"
    max_time: float = 10.0
    n_jobs: int = 2
    rows: int | None = None
    tracks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("method", self.method), ("problem", self.problem)):
            if not isinstance(value, str) or not value:
                raise InvalidInput(f"{name} must be a name, got {value!r}")
        if self.protocol not in PROTOCOLS:
            raise InvalidInput(f"protocol {self.protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}")
        # One spelling for each value: 10 and 10.0 seconds are the same run.
        object.__setattr__(self, "seed", int(self.seed))
        object.__setattr__(self, "noise", float(self.noise))
        object.__setattr__(self, "max_time", float(self.max_time))
        object.__setattr__(self, "n_jobs", int(self.n_jobs))
        object.__setattr__(self, "rows", None if self.rows is None else int(self.rows))
        object.__setattr__(self, "tracks", tuple(str(t) for t in self.tracks))
        if self.seed < 0 or not 0 <= self.noise < float("inf") or not 0 < self.max_time < float("inf"):
            raise InvalidInput("seed and noise must not be negative, max_time must be positive and finite")
        if self.n_jobs < 1 or (self.rows is not None and self.rows < 2):
            raise InvalidInput("n_jobs must be at least 1, rows at least 2")

    @property
    def key(self) -> str:
        """Run key: 24 hexadecimal digits, the same on every machine and in every session."""
        content = {k: v for k, v in self.to_dict().items() if k != "tracks"} | {"version": _VERSION}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads it back."""
        return asdict(self) | {"tracks": list(self.tracks)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Task:
        """Read what `to_dict` wrote.

        Raises
        ------
        InvalidInput
            When a key is missing or unknown.
        """
        try:
            return cls(**{**data, "tracks": tuple(data.get("tracks", ()))})
        except TypeError as error:
            raise InvalidInput(f"no task: {error}") from error


ROW_COLUMNS: dict[str, tuple[str, str]] = {
    # ---- the task
    "key": ("str", "run key, `Task.key`"),
    "method": ("str", "name of the method"),
    "problem": ("str", "catalogue id"),
    "seed": ("int", "seed of split, noise and method"),
    "noise": ("float", "noise on the training target, relative to its root mean square"),
    "protocol": ("str", "symnum, srbench-2021 or srbench-2025"),
    "max_time": ("float", "budget of the fit in wall-clock seconds"),
    "n_jobs": ("int", "threads of the fit"),
    "rows": ("int", "training rows asked for; missing: the protocol's own number"),
    "tracks": ("str", "labels joined by ';'"),
    # ---- how it went
    "status": ("str", "ok, error, timeout, memory, crash or skipped"),
    "message": ("str", "why, when not ok; what the method remarked, when ok"),
    "started": ("str", "UTC, ISO 8601"),
    "fit_seconds": ("float", "wall-clock seconds of the fit alone"),
    "fit_cpu_seconds": ("float", "CPU seconds of the fit, its threads and finished child processes"),
    "total_seconds": ("float", "wall-clock seconds of the run: data, fit and verdicts"),
    "peak_memory_mb": ("float", "peak resident memory of the process until the end of the fit, in MiB"),
    "stop_reason": ("str", "why the method stopped, where it says so"),
    "evaluations": ("int", "expressions formed, where the method counts them"),
    # ---- the data
    "suite": ("str", "first part of the catalogue id"),
    "n_features": ("int", "columns"),
    "noise_std": ("float", "standard deviation of the noise, on the scale of the training target"),
    "n_train": ("int", "rows of the fit"),
    "n_test": ("int", "rows of the clean test part"),
    "n_ood": ("int", "rows outside the domain"),
    "truth": ("str", "the true formula, where known"),
    # ---- the answer
    "equation": ("str", "the chosen formula in symnum's text form, on the scale of the original data"),
    "equation_raw": ("str", "the text the method gave, where it gives one"),
    "formula_gap": ("float", "99 % quantile of |predictions - formula| over the spread of the test target"),
    "front": ("str", "JSON list of [complexity, text] of the method's Pareto front"),
    "front_size": ("int", "formulas on the front"),
    # ---- accuracy, on clean targets
    "r2_train": ("float", "R2 on the rows of the fit, noise included"),
    "r2_test": ("float", "R2 on the clean test part"),
    "r2_zero_test": ("float", "max(r2_test, 0); 0 where undefined"),
    "mae_test": ("float", "mean absolute error on the clean test part"),
    "rmse_test": ("float", "root mean squared error on the clean test part"),
    "r2_ood": ("float", "R2 outside the domain"),
    "mae_ood": ("float", "mean absolute error outside the domain"),
    "finite_test": ("float", "share of test rows with a finite prediction"),
    "finite_ood": ("float", "share of rows outside the domain with a finite prediction"),
    "accuracy_solution": ("bool", "r2_test > 0.999"),
    # ---- the same function? each verdict by itself
    "symbolic": ("str", "exact algebra: equal, different or unknown"),
    "symbolic_seconds": ("float", "what it took"),
    "numeric": ("str", "probing in and out of the domain: equal, different or unknown"),
    "numeric_error": ("float", "99 % quantile of the relative error of the probes inside the domain"),
    "numeric_error_ood": ("float", "the same outside the domain"),
    "form": ("str", "after refitting its constants to the noise-free truth: equal, different or unknown"),
    "form_error": ("float", "quantile of the relative error that is left then"),
    "affine": ("bool", "truth = a*formula + b within the tolerance, with a not 0"),
    "affine_a": ("float", "a"),
    "affine_b": ("float", "b"),
    "tree_distance": ("float", "edit distance of the canonical trees over the size of the larger, 0 to 1"),
    "variables_precision": ("float", "share of the used variables that the truth uses"),
    "variables_recall": ("float", "share of the truth's variables that are used"),
    "srbench_solved": ("bool", "symbolic solution by SRBench's own rule"),
    "srbench_zero": ("bool", "SRBench's flag: difference is 0"),
    "srbench_constant": ("bool", "SRBench's flag: difference is constant"),
    "srbench_fraction": ("bool", "SRBench's flag: fraction is constant"),
    "srbench_status": ("str", "ok, not tried (r2_test <= 0.5), error or timeout"),
    "srbench_seconds": ("float", "what it took"),
    "recovered": ("bool", "same function, in a form of at most 1.5 times the truth's sympy size"),
    "recovered_any": ("bool", "same function, however long"),
    "recovered_short": ("bool", "same function, at most the truth's sympy size"),
    "recovered_form": ("bool", "right form whatever its constants, at most 1.5 times the truth's sympy size"),
    "recovered_front": ("bool", "`recovered` holds for some formula of the front"),
    "time_to_first": ("float", "seconds until the first formula on the front that is `recovered`"),
    # ---- sizes
    "complexity": ("int", "nodes of the formula in symnum's count"),
    "n_constants": ("int", "constants in it"),
    "sympy_size": ("int", "nodes of its sympy tree as returned"),
    "simplified_size": ("int", "nodes of its sympy tree after sympy's simplify, missing after a time-out"),
    "srbench_size": ("int", "SRBench 2025 model size: sympy nodes after round_floats"),
    "srbench_simplified_size": ("int", "SRBench 2021 simplified complexity"),
    "reported_size": ("int", "the method's own count, where it gives one"),
    "truth_complexity": ("int", "nodes of the truth in symnum's count"),
    "truth_sympy_size": ("int", "nodes of the truth's sympy tree"),
    "size_ratio": ("float", "sympy_size / truth_sympy_size"),
    # ---- versions
    "symnum_version": ("str", "version of symnum"),
    "method_version": ("str", "version of the method's package"),
    "python_version": ("str", "version of Python"),
    "libraries": ("str", "JSON: versions of numpy, scipy, scikit-learn, sympy, numba"),
}
"""Name -> (dtype, meaning) of every column of a row, in order; dtypes are str, int, float and bool, each with
missing values (None). Floats are finite or missing."""


def empty_row(task: Task) -> dict[str, Any]:
    """Row with the task's own columns filled and every other column missing."""
    row: dict[str, Any] = dict.fromkeys(ROW_COLUMNS)
    row.update(task.to_dict())
    row.update(key=task.key, tracks=";".join(task.tracks), suite=task.problem.split("/", 1)[0])
    return row


def failure_row(task: Task, status: str, message: str, **known: Any) -> dict[str, Any]:
    """Row of a run that gave no formula; `known` fills columns that are known all the same.

    Raises
    ------
    InvalidInput
        When the status or a column is unknown.
    """
    unknown = [name for name in known if name not in ROW_COLUMNS]
    if status not in STATUSES or unknown:
        raise InvalidInput(f"unknown status {status!r} or columns {unknown}; see STATUSES and ROW_COLUMNS")
    return empty_row(task) | known | {"status": status, "message": message[:2000]}


def said(error: BaseException) -> str:
    """Name and message of an error, without the places of this machine: rows are published."""
    text = f"{type(error).__name__}: {error}"
    root = str(Path(__file__).resolve().parents[2])
    places = [(tempfile.gettempdir(), "TMP"), (root, "ROOT"), (str(Path.home()), "~")]
    # Longest first: a checkout may lie in the folder for temporary files.
    for place, sign in sorted(places, key=lambda p: -len(p[0])):
        text = text.replace(place, sign) if len(place) > 1 else text
    return text


def time_limit(task: Task) -> float:
    """Seconds after which a run of this task is certainly stuck: the runner's hard limit."""
    return fit_limit(task) + VERDICT_SECONDS + 60.0


def fit_limit(task: Task) -> float:
    """Seconds after which an alarm ends a fit."""
    from symnum.evaluation.methods import make_method

    try:
        start = make_method(task.method).start_seconds
    except InvalidInput:  # the run will say so
        start = 0.0
    return task.max_time + start + (GRACE_2025 if task.protocol == "srbench-2025" else GRACE_SECONDS)


def run_task(task: Task) -> dict[str, Any]:
    """Run one task in this process.

    Returns
    -------
    dict
        One value for each of `ROW_COLUMNS`, plain JSON types only. Never raises, except for KeyboardInterrupt
        and SystemExit.
    """
    try:
        from symnum.evaluation.execution import execute

        return execute(task)
    except MemoryError as error:
        return failure_row(task, "memory", said(error))
    except Exception as error:  # the contract: failures are rows
        return failure_row(task, "error", said(error))
