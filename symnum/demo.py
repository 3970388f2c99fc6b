"""The demonstration: known laws found again in the tables under ``datasets/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import symnum
from symnum.cli_fit import Task, read_task, search_front, show_front, writable_folder, write_results
from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.tables import numbers, read_table

if TYPE_CHECKING:
    from rich.console import Console

    from symnum.regressor import SymbolicRegressor
    from symnum.report import Picture

SYSTEM = "predprey"
"""The system of ``datasets/strogatz`` whose two equations of motion are sought."""
STATES = ("x", "y")
KEPLER = "365.256*semi_major_axis**1.5"
"""Kepler's third law (1619) in days and astronomical units."""
_MOST_SLOPES = 50_000
_SECONDS = 20.0  # at most, for each of the three fits


def run_demo(out: Path, console: Console) -> None:
    """Find Kepler's third law and the two equations of a system; write pages and plots below `out`.

    Raises
    ------
    InvalidInput
        When ``datasets/`` is not found or `out` cannot be written to.
    """
    data = _datasets()
    folders = [writable_folder(out / name) for name in ("planets", f"{SYSTEM}-dx_dt", f"{SYSTEM}-dy_dt")]
    _planets(data, folders[0], console)
    _motion(data, folders[1:], console)
    console.print(f"\nAll of it is in {out}; open the report.html files in a browser.", markup=False)


def _datasets() -> Path:
    """Folder of the tables: below the working directory, or beside an installation from the repository."""
    beside = Path(symnum.__file__).parents[1]
    for root in (Path.cwd(), beside):
        if (root / "datasets" / "planets" / "planets.csv").is_file():
            return root / "datasets"
    raise InvalidInput(
        "the demo reads the tables under datasets/, which are part of the repository and not of the installed"
        f" package; none found in {Path.cwd()} or {beside}: run it in the repository's folder"
    )


def _planets(data: Path, folder: Path, console: Console) -> None:
    console.rule("The planets: period (days) from semi-major axis (AU), with two decoys")
    task = read_task(data / "planets" / "planets.csv", "period")
    model = search_front(task, console, max_time=_SECONDS, random_state=0)
    _show(console, model, task, KEPLER)
    _write(folder, model, task, [], console)


def _motion(data: Path, folders: list[Path], console: Console) -> None:
    path = data / "strogatz" / f"{SYSTEM}.csv"
    truth = read_table(data / "strogatz" / "systems.csv").set_index("id").loc[SYSTEM]
    console.rule(f"Equations of motion: {truth['description']}")
    fits: list[tuple[Task, SymbolicRegressor]] = []
    for state in STATES:
        task = read_task(path, f"d{state}_dt", STATES)
        model = search_front(task, console, max_time=_SECONDS, random_state=0)
        _show(console, model, task, truth[task.target])
        fits.append((task, model))
    picture = _trajectory(path, [model.expressions_[model.best_index_] for _, model in fits])
    for folder, (task, model) in zip(folders, fits, strict=True):
        _write(folder, model, task, [picture], console)


def _trajectory(path: Path, right_hand_side: list[Expression]) -> Picture:
    """The recorded trajectories and those of the equations found, from the same initial conditions."""
    from symnum.plotting import plot_trajectory
    from symnum.report import Picture

    table = read_table(path)
    t = numbers(table, "t")
    recorded = np.column_stack([numbers(table, state) for state in STATES])
    which = numbers(table, "trajectory")
    model = np.concatenate(
        [simulate(right_hand_side, recorded[which == k][0], t[which == k]) for k in np.unique(which)]
    )
    return Picture(
        "Trajectories",
        "recorded states as circles; as lines, the equations found, integrated from the first state alone",
        plot_trajectory(t, recorded, model, STATES),
    )


def simulate(
    right_hand_side: list[Expression], start: NDArray[np.float64], t: NDArray[np.float64]
) -> NDArray[np.float64]:
    """States at times `t`, shape (n, d), of the system that starts in `start`; NaN after it breaks down."""
    from scipy.integrate import solve_ivp

    far = 1e6 * (1.0 + np.abs(start).max())
    calls = 0

    def slope(_: float, state: NDArray[np.float64]) -> list[float]:
        nonlocal calls
        calls += 1  # a stiff or broken system would take forever: undefined slopes end the integration
        defined = calls < _MOST_SLOPES
        return [float(e.evaluate(state[None, :])[0]) if defined else np.nan for e in right_hand_side]

    def escapes(_: float, state: NDArray[np.float64]) -> float:
        return far - float(np.abs(state).max())

    escapes.terminal = True
    solution = solve_ivp(
        slope, (t[0], t[-1]), start, t_eval=t, method="DOP853", rtol=1e-8, atol=1e-10, events=escapes
    )
    states = np.full((len(t), len(start)), np.nan)
    states[: solution.y.shape[1]] = solution.y.T
    return states


def _show(console: Console, model: SymbolicRegressor, task: Task, known: str) -> None:
    show_front(console, model, task.target)
    truth = Expression.parse(known).evaluate(task.X)
    off = float(np.max(np.abs(model.predict(task.X) - truth)) / np.max(np.abs(truth)))
    same = "equal up to rounding" if off < 1e-9 else f"off by at most {100 * off:.2g} % of the largest value"
    console.print(f"known law: {known}; found: {same}", markup=False, soft_wrap=True)


def _write(
    folder: Path, model: SymbolicRegressor, task: Task, pictures: list[Picture], console: Console
) -> None:
    """Results of a fit, and its plots as files of their own."""
    from symnum.plotting import front_points, plot_pareto, plot_parity

    files = write_results(folder, model, task, pictures)
    figures = {
        "pareto.png": plot_pareto(front_points(model), model.best_index_),
        "parity.png": plot_parity(task.y, model.predict(task.X), task.target),
        **{f"{p.title.lower()}.png": p.figure for p in pictures},
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120, bbox_inches="tight")
        files.append(folder / name)
    console.print(f"wrote {', '.join(f.name for f in files)} to {folder}", markup=False, soft_wrap=True)
