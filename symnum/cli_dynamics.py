"""`symnum dynamics`: equations of motion from a table of trajectories."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from symnum.dynamics import DynamicsEvent, DynamicsRegressor

    Float = NDArray[np.float64]

_TIMES = ("t", "time", "Time", "T")


def dynamics(
    data: Annotated[
        Path,
        typer.Argument(
            help="Table (CSV, TSV ...): a column of times, one column a state.", show_default=False
        ),
    ],
    time_column: Annotated[
        str | None, typer.Option("--time-column", help="Column of the times; default: t or time.")
    ] = None,
    states: Annotated[
        list[str] | None,
        typer.Option("--states", "-s", help="Columns of the states, 'x,y'; default: all others."),
    ] = None,
    trajectory_column: Annotated[
        str | None,
        typer.Option(
            "--trajectory-column", help="Column that tells trajectories apart, where there are several."
        ),
    ] = None,
    units: Annotated[
        str | None, typer.Option(help="Units of all states and the time column, 'x=m,t=s'; 1 is a number.")
    ] = None,
    guess: Annotated[
        list[str] | None, typer.Option(help="A right-hand side to try, 'x=a guess'; may be repeated.")
    ] = None,
    order: Annotated[
        int, typer.Option(min=1, max=2, help="1: du/dt = f(u); 2: the acceleration from u alone.")
    ] = 1,
    explicit_time: Annotated[
        bool, typer.Option("--explicit-time", help="Let equations hold the time.")
    ] = False,
    time: Annotated[float, typer.Option(help="Seconds at most.")] = 60.0,
    until: Annotated[float | None, typer.Option(help="Last time of the forecast that is drawn.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results; default: named after the table."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
) -> None:
    """Find equations of motion; write model.json, equations.csv, constants.csv, forecast.csv and figures."""
    from symnum.cli_fit import interruptible, writable_folder
    from symnum.tables import read_table

    table = read_table(data)
    for note in table.attrs["notes"]:
        typer.echo(f"symnum: note: {note}", err=True)
    clock = _time_column(table, time_column)
    names = _state_columns(table, states, clock, trajectory_column)
    t, U = _trajectories(table, clock, names, trajectory_column)
    folder = writable_folder(out if out is not None else Path(f"{data.stem}-dynamics"))
    # Loading the search takes a second; complaints about the table come before.
    import numpy as np

    from symnum.dynamics import DynamicsRegressor

    model = DynamicsRegressor(
        max_time=time, random_state=seed, order=order, explicit_time=explicit_time, callbacks=[_show_event]
    )
    if missing := int(sum(np.isnan(u).sum() for u in U)):
        typer.echo(
            f"symnum: note: {missing} empty cells are left out; the other states of those rows count",
            err=True,
        )
    with interruptible(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # each is said in a note of ours
        model.fit(t, U, names=names, units=_units(units, clock, names), guess=_guesses(guess, names))
    model.callbacks = None
    _show(model)
    files = _write(folder, model, until)
    typer.echo(f"\nwrote {', '.join(f.name for f in files)} to {folder}")


# -------------------------------------------------------------------------------------------- the table
def _time_column(table: pd.DataFrame, given: str | None) -> str:
    from symnum.tables import find_column

    if given is not None:
        return find_column(table, given)
    for name in _TIMES:
        if name in table.columns:
            return name
    raise InvalidInput(
        f"no column is called {' or '.join(_TIMES[:2])}; name the column of the times with --time-column "
        f"(columns: {', '.join(map(str, table.columns))})"
    )


def _state_columns(
    table: pd.DataFrame, given: list[str] | None, clock: str, trajectory: str | None
) -> list[str]:
    from symnum.tables import find_column

    if trajectory is not None:
        find_column(table, trajectory)
    if not given:
        names = [str(n) for n in table.columns if n not in (clock, trajectory)]
        if not names:
            raise InvalidInput(f"the table has no column beside the times {clock!r}: there is no state")
        return names
    parts = [part.strip() for text in given for part in next(csv.reader([text]))]
    return [find_column(table, part) for part in parts if part]


def _trajectories(
    table: pd.DataFrame, clock: str, names: list[str], trajectory: str | None
) -> tuple[list[Float], list[Float]]:
    """Times and states of each trajectory; empty cells of states are NaN."""
    import numpy as np

    from symnum.tables import numbers

    t = numbers(table, clock)
    if trajectory is None and len(back := np.flatnonzero(np.diff(t) < 0)):
        raise InvalidInput(
            f"the times in {clock!r} go back after {t[back[0]]:g}; sort the rows, or name the column that "
            "tells trajectories apart with --trajectory-column"
        )
    U = np.full((len(table), len(names)), np.nan)
    for j, name in enumerate(names):
        filled = (table[name].notna() & (table[name].astype(str).str.strip() != "")).to_numpy()
        if filled.any():
            U[filled, j] = numbers(table.loc[filled], name)
    if trajectory is None:
        return [t], [U]
    keys = table[trajectory].astype(str).to_numpy()
    groups = [keys == key for key in dict.fromkeys(keys)]
    return [t[g] for g in groups], [U[g] for g in groups]


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = (s.strip() for s in text.partition("="))
        if not sign or not name or not value:
            raise InvalidInput(f"{option}: {text!r} is not of the form name=value")
        if name in pairs:
            raise InvalidInput(f"{option} names {name!r} twice")
        pairs[name] = value
    return pairs


def _units(text: str | None, clock: str, names: list[str]) -> list[str] | None:
    if text is None:
        return None
    pairs = _pairs(next(csv.reader([text], skipinitialspace=True)), "--units")
    if missing := [n for n in (*names, clock) if n not in pairs]:
        raise InvalidInput(
            f"--units gives no unit for {', '.join(map(repr, missing))}; write 1 for a pure number"
        )
    if unknown := [n for n in pairs if n not in (*names, clock)]:
        raise InvalidInput(f"--units names {', '.join(map(repr, unknown))}, neither a state nor the time")
    return [pairs[n] for n in (*names, clock)]


def _guesses(texts: list[str] | None, names: list[str]) -> list[str | None] | None:
    if not texts:
        return None
    pairs = _pairs(texts, "--guess")
    if unknown := [n for n in pairs if n not in names]:
        raise InvalidInput(
            f"--guess names {', '.join(map(repr, unknown))}; the states are {', '.join(names)}"
        )
    return [pairs.get(n) for n in names]


# -------------------------------------------------------------------------------------------- results
def _show_event(event: DynamicsEvent) -> None:
    typer.echo(f"[{event.elapsed:6.1f} s] {'; '.join(event.equations)}", err=True)


def _show(model: DynamicsRegressor) -> None:
    import numpy as np

    typer.echo("")
    for row in model.equations_.itertuples():
        typer.echo(f"{row.state} = {row.equation}    (R2 of the integrated state: {row.r2:.6f})")
    where: list[Any] = [
        f"{c.value:.6g} ± {c.deviation:.2g}"
        for c in model.constants_.itertuples()
        if np.isfinite(c.deviation)
    ]
    if where:
        typer.echo(f"constants: {', '.join(where)}")
    noise = ", ".join(f"{n} {s:.3g}" for n, s in zip(model.feature_names_in_, model.noise_, strict=True))
    typer.echo(f"noise of the data (standard deviation): {noise}")
    if model.stop_reason_ == "interrupted":
        typer.echo("symnum: note: stopped early; what was found until then is kept", err=True)


def _write(folder: Path, model: DynamicsRegressor, until: float | None) -> list[Path]:
    import numpy as np
    import pandas as pd

    from symnum.dynamics_plots import plot_forecast, plot_phase_portrait, plot_right_hand_sides

    files = [folder / name for name in ("model.json", "equations.csv", "constants.csv", "forecast.csv")]
    model.save(files[0])
    model.equations_.to_csv(files[1], index=False)
    model.constants_.to_csv(files[2], index=False)
    recording = model.trajectories_[-1]
    first, last = float(recording.t[0]), float(recording.t[-1])
    times = np.linspace(first, last + 0.5 * (last - first) if until is None else max(until, last), 400)
    mean, deviation = model.forecast(times, return_std=True)
    columns = {"t": times}
    for j, name in enumerate(model.feature_names_in_):
        columns |= {str(name): mean[:, j], f"{name}_deviation": deviation[:, j]}
    pd.DataFrame(columns).to_csv(files[3], index=False)
    figures = {
        "forecast.svg": plot_forecast(model, until, len(model.trajectories_) - 1),
        "phase.svg": plot_phase_portrait(model),
        "right-hand-sides.svg": plot_right_hand_sides(model),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name)
        files.append(folder / name)
    return files
