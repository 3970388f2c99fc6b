"""One run from the task to its row: data, fit against the clock, answer, verdicts."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.evaluation.catalogue import Entry, entry
from symnum.evaluation.methods import Answer, NotApplicable, Training, make_method
from symnum.evaluation.methods.base import FitTimeout
from symnum.evaluation.protocols import Prepared, prepare
from symnum.evaluation.tables import DataNotFound
from symnum.evaluation.task import ROW_COLUMNS, Task, empty_row, failure_row, fit_limit, said
from symnum.evaluation.verdicts import Judge, judge, sizes_alone
from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression

_FRONT = 60
_TOLERATED = 1.25
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "sympy", "numba")


def execute(task: Task) -> dict[str, Any]:
    """Run a task and fill its row; `symnum.evaluation.task.run_task` turns what is raised into rows."""
    began = time.perf_counter()
    problem, method = entry(task.problem), make_method(task.method)
    known: dict[str, Any] = {"started": datetime.now(UTC).isoformat(timespec="seconds"), **_versions()}
    if reason := method.missing():
        return failure_row(task, "skipped", reason, **known)
    try:
        data = prepare(problem, task.protocol, task.seed, task.noise, task.rows)
    except DataNotFound:
        # No method can be blamed for it, and the places looked at are of no interest to others.
        return failure_row(
            task, "skipped", f"the table {problem.table} is in no folder of SYMNUM_DATA", **known
        )
    known |= _described(problem, data)
    training = Training(
        data.X_train, data.y_train, data.names, task.max_time, task.n_jobs, task.seed, _units(problem, data),
        data.trajectory,
    )  # fmt: skip
    method.load()
    known["method_version"] = method.version
    clock = _Clock()
    try:
        with _alarm(fit_limit(task)):
            fitted = method.fit(training)
    except NotApplicable as error:
        return failure_row(task, "skipped", str(error), **known)
    except FitTimeout:
        seconds = clock.stop()
        message = f"the fit went on for {seconds['fit_seconds']:.1f} s and gave nothing"
        return failure_row(task, "timeout", message, **known, **seconds)
    except MemoryError as error:
        return failure_row(task, "memory", said(error), **known, **clock.stop())
    except Exception as error:  # whatever a method raises is its failure, not the harness's
        return failure_row(task, "error", said(error), **known, **clock.stop())
    known |= clock.stop()
    late = known["fit_seconds"] > _TOLERATED * task.max_time + 2
    try:
        answer = method.answer(fitted, training)
        row = empty_row(task) | known | _judged(task, problem, data, answer)
        if late:
            row["message"] = "; ".join(filter(None, ["overran its budget", row["message"]]))
    except Exception as error:
        return failure_row(task, "error", said(error), **known)
    row["total_seconds"] = time.perf_counter() - began
    return {name: _plain(row[name]) for name in ROW_COLUMNS}


def _judged(task: Task, problem: Entry, data: Prepared, answer: Answer) -> dict[str, Any]:
    notes = "; ".join(filter(None, [answer.note, data.note]))
    row: dict[str, Any] = {
        "status": "ok", "message": notes, "equation_raw": answer.text,
        "stop_reason": answer.stop_reason or None, "evaluations": answer.evaluations,
        "reported_size": answer.reported_size, "front_size": len(answer.front) or None,
    }  # fmt: skip
    if answer.fit_seconds is not None:
        row["fit_seconds"] = answer.fit_seconds
    row |= _scores(task, data, answer)
    if answer.front:
        shown = sorted(answer.front, key=lambda e: e.complexity)[:_FRONT]
        row["front"] = json.dumps([[e.complexity, str(_unscaled(e, data))] for e in shown])
    if answer.expression is None:
        return row
    formula = _unscaled(answer.expression, data)
    row |= {
        "equation": str(formula),
        "complexity": answer.expression.complexity,
        "n_constants": int(answer.expression.constants.size),
    }
    if problem.truth is None or data.domain is None:
        return row | sizes_alone(answer.expression)
    truth = problem.truth
    X, X_ood = data.original_X(data.X_test), data.original_X(data.X_ood)
    bench = Judge(truth, data.domain, X, data.y_test, X_ood, data.y_ood, task.noise)
    row |= judge(formula, bench, row["r2_test"])
    size = row["truth_sympy_size"]
    row["recovered_front"] = row["recovered"] or any(
        bench.recoveries([_unscaled(e, data) for e in answer.front], size)
    )
    if answer.history is not None:
        row["time_to_first"] = _first(answer.history, data, bench, size)
    return row


def _first(
    history: list[tuple[float, Expression]], data: Prepared, bench: Judge, size: int | None
) -> float | None:
    """When the first recovering formula appeared."""
    ordered = sorted(history, key=lambda pair: pair[0])
    yes = bench.recoveries([_unscaled(e, data) for _, e in ordered], size)
    return next((seconds for (seconds, _), good in zip(ordered, yes, strict=True) if good), None)


# -------------------------------------------------------------------------------------------------- scores
def _scores(task: Task, data: Prepared, answer: Answer) -> dict[str, Any]:
    """Accuracy of the formula; under SRBench's protocols, and where there is no formula, of `predict`."""
    own = answer.expression is None or task.protocol != "symnum"

    def values(X: NDArray[np.float64], predicted: bool) -> NDArray[np.float64]:
        if not len(X):
            return np.empty(0)
        with np.errstate(all="ignore"):
            y = answer.predict(X) if predicted else answer.expression.evaluate(X)  # type: ignore[union-attr]
            return data.original_y(np.asarray(y, dtype=np.float64).reshape(-1))

    test, outside = values(data.X_test, own), values(data.X_ood, own)
    fallback = float(np.mean(data.y_train_score))
    row = {
        "r2_train": _r2(data.y_train_score, values(data.X_train, own), fallback),
        "r2_test": _r2(data.y_test, test, fallback),
        "finite_test": float(np.mean(np.isfinite(test))),
        "mae_test": _mean_error(data.y_test, test, 1),
        "rmse_test": _mean_error(data.y_test, test, 2),
        "r2_ood": _r2(data.y_ood, outside, fallback) if len(outside) else None,
        "mae_ood": _mean_error(data.y_ood, outside, 1) if len(outside) else None,
        "finite_ood": float(np.mean(np.isfinite(outside))) if len(outside) else None,
    }
    row["r2_zero_test"] = max(row["r2_test"] or 0.0, 0.0)
    row["accuracy_solution"] = row["r2_test"] is not None and row["r2_test"] > 0.999
    if answer.expression is not None:
        other = values(data.X_test, not own)
        with np.errstate(all="ignore"):
            gap = np.abs(test - other)
        gap[np.isnan(test) & np.isnan(other)] = 0.0
        gap = np.nan_to_num(gap, nan=np.inf) / (float(np.std(data.y_test)) or 1.0)
        row["formula_gap"] = float(np.quantile(gap, 0.99, method="higher"))
    return row


def _r2(y: NDArray[np.float64], predicted: NDArray[np.float64], fallback: float) -> float | None:
    """R2; where no number is predicted the mean of the training target stands in, as a user would do it."""
    filled = np.where(np.isfinite(predicted), predicted, fallback)
    with np.errstate(all="ignore"):
        total = float(np.sum((y - np.mean(y)) ** 2))
        rest = float(np.sum((y - filled) ** 2))
    if total == 0:
        return 1.0 if rest == 0 else 0.0  # scikit-learn's convention for a constant target
    return 1.0 - rest / total


def _mean_error(y: NDArray[np.float64], predicted: NDArray[np.float64], power: int) -> float | None:
    """Mean absolute (1) or root mean squared (2) error; missing when a prediction is no number."""
    with np.errstate(all="ignore"):
        error = float(np.mean(np.abs(y - predicted) ** power) ** (1 / power))
    return error if np.isfinite(error) else None


def _unscaled(e: Expression, data: Prepared) -> Expression:
    """Formula on the scale of the original data."""
    s = data.scaling
    if s is None:
        return e
    values: dict[str, Expression | float] = {}
    for i in e.variables:
        x = Expression.variable(i, e.names)
        values[e.names[i]] = (x - float(s.x_mean[i])) / float(s.x_scale[i])
    return canonical((s.y_scale * e.substitute(values) + s.y_mean).with_names(data.names))


# -------------------------------------------------------------------------------------------------- resources
class _Clock:
    """Wall-clock, CPU and memory of a fit."""

    def __init__(self) -> None:
        self.cpu, self.wall = self._cpu(), time.perf_counter()

    @staticmethod
    def _cpu() -> float:
        t = os.times()
        return t.user + t.system + t.children_user + t.children_system

    def stop(self) -> dict[str, float]:
        wall = time.perf_counter() - self.wall
        kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        peak = max(resource.getrusage(kind).ru_maxrss for kind in kinds)
        return {
            "fit_seconds": wall,
            "fit_cpu_seconds": self._cpu() - self.cpu,
            "peak_memory_mb": peak / 1024,
        }


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise FitTimeout in the main thread after so many seconds; other threads have no alarm."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise FitTimeout

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _units(problem: Entry, data: Prepared) -> tuple[str, ...] | None:
    """Units of the columns as the method sees them: scaled columns have none."""
    return problem.units if data.scaling is None else None


def _described(problem: Entry, data: Prepared) -> dict[str, Any]:
    return {
        "suite": problem.suite, "n_features": len(data.names), "n_train": len(data.y_train),
        "n_test": len(data.y_test), "n_ood": len(data.y_ood), "noise_std": data.noise_std,
        "truth": None if problem.truth is None else str(problem.truth),
    }  # fmt: skip


def _versions() -> dict[str, str]:
    import symnum

    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return {
        "symnum_version": symnum.__version__,
        "python_version": platform.python_version(),
        "libraries": json.dumps(found, sort_keys=True),
    }


def _plain(value: Any) -> Any:
    """Plain JSON type; numbers that are not finite are missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
