"""The `symnum` command; heavy libraries are imported inside the commands that need them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from symnum.cli_bench import bench
from symnum.cli_dynamics import dynamics
from symnum.cli_synth import synth
from symnum.exceptions import InvalidInput, SymnumError

if TYPE_CHECKING:
    import pandas as pd

    from symnum.regressor import SymbolicRegressor


_INTERRUPTED = 130  # the shell's convention: 128 + SIGINT


class _Group(TyperGroup):
    """Commands whose errors are one line on stderr."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
            if code == _INTERRUPTED:  # the parser's library swallows Ctrl-C and says nothing
                code = _complain(KeyboardInterrupt())
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get("SYMNUM_DEBUG"):
                raise
            code = _complain(error)
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    cls=_Group, name="symnum", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Find the equation behind numbers.",
)  # fmt: skip

_Model = Annotated[Path, typer.Argument(help="model.json of a fit.", show_default=False)]


@app.command()
def fit(
    data: Annotated[
        Path, typer.Argument(help="Table (CSV, TSV ...), column names first.", show_default=False)
    ],
    target: Annotated[str, typer.Option("--target", "-t", help="Column to find a formula for.")],
    features: Annotated[
        list[str] | None,
        typer.Option("--features", "-f", help="Columns it may use, 'a,b'; default: all others with numbers."),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(help="Units of all features and the target, 'a=kg,b=m/s,T=N'; 1 is a number."),
    ] = None,
    time: Annotated[
        float | None, typer.Option(help="Seconds at most; default 60, or no limit with --max-evals.")
    ] = None,
    max_evals: Annotated[
        int | None, typer.Option(help="Expressions to form at most; repeatable to the bit.")
    ] = None,
    max_memory: Annotated[str | None, typer.Option(help="Memory of the process at most, '2GB'.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results; default: named after the table."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    jobs: Annotated[int, typer.Option(help="Threads; -1 for all cores.")] = 1,
    search: Annotated[str, typer.Option(help="How to search.")] = "auto",
    operators: Annotated[
        str | None, typer.Option(help="Operators it may use, '+,*,sin'; default: a physicist's.")
    ] = None,
    guess: Annotated[
        list[str] | None, typer.Option(help="A formula you suspect, tried first; may be given again.")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(help="Form of the formula with unknown functions and numbers: 'A*exp(-f(t))'."),
    ] = None,
    loss: Annotated[
        str, typer.Option(help="What an error costs: squared, absolute, huber, quantile(0.9), relative ...")
    ] = "squared",
) -> None:
    """Find formulas for a column of a table; write equations.csv, model.json, report.html and report.md."""
    from symnum.cli_fit import (
        read_operators,
        read_task,
        read_units,
        search_front,
        show_front,
        writable_folder,
        write_results,
    )
    from symnum.terminal import make_console

    if jobs == 0:
        raise InvalidInput("--jobs is a number of threads, or -1 for all cores; got 0")
    console = make_console()
    task = read_task(data, target, features)
    for note in task.notes:
        typer.echo(f"symnum: note: {note}", err=True)
    given_units = read_units(units, task) if units is not None else None
    folder = writable_folder(out if out is not None else Path(f"{data.stem}-symnum"))
    limit = 60.0 if time is None and max_evals is None else time
    model = search_front(
        task, console, given_units,
        max_time=limit, max_evals=max_evals, max_memory=max_memory, random_state=seed, n_jobs=jobs,
        search=search, operators=read_operators(operators), guesses=guess, template=template, loss=loss,
    )  # fmt: skip
    if model.stop_reason_ == "interrupted":
        typer.echo("symnum: note: stopped early; what was found until then is kept", err=True)
    show_front(console, model, target)
    files = write_results(folder, model, task)
    console.print(f"\nwrote {', '.join(f.name for f in files)} to {folder}", markup=False, soft_wrap=True)


@app.command()
def predict(
    model: _Model,
    data: Annotated[
        Path, typer.Argument(help="Table with the columns the formula uses.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="CSV file to write; default: standard output.")
    ] = None,
    index: Annotated[int | None, typer.Option(help="Row of the front; default: the selected one.")] = None,
) -> None:
    """Add a column 'prediction' to a table."""
    import numpy as np

    from symnum.export import read_model
    from symnum.tables import read_table

    fitted, target = read_model(model)
    table = read_table(data)
    predicted = _predict(fitted, table, index)
    name = "prediction"
    while name in table.columns:
        name += "_"
    result = table.assign(**{name: predicted})
    if out is None:
        typer.echo(result.to_csv(index=False), nl=False)
    else:
        try:
            result.to_csv(out, index=False)
        except OSError as error:
            raise InvalidInput(f"cannot write {str(out)!r}: {error.strerror or error}") from None
        typer.echo(f"wrote {len(table):,} predictions to {out}")
    undefined = int((~np.isfinite(predicted)).sum())
    if undefined:
        typer.echo(
            f"symnum: note: the formula is undefined on {undefined:,} of {len(table):,} rows", err=True
        )
    if target in table.columns:
        _compare(table, target, predicted)


@app.command()
def show(model: _Model) -> None:
    """Show the formulas of a fit: table, selected formula, LaTeX, units."""
    from symnum.cli_fit import show_front
    from symnum.export import read_model
    from symnum.terminal import make_console

    console = make_console()
    fitted, target = read_model(model)
    show_front(console, fitted, target)
    console.print(f"LaTeX: {fitted.latex(digits=6)}", markup=False, soft_wrap=True)
    if fitted.units_:
        names = [*fitted.expressions_[0].names, target]
        shown = ", ".join(f"{n} [{u}]" for n, u in zip(names, fitted.units_, strict=True))
        console.print(f"units: {shown}", markup=False, soft_wrap=True)
    console.print(
        f"fitted on {fitted.n_rows_:,} rows; the search ended by: {fitted.stop_reason_}", markup=False
    )


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for pages and plots.")] = Path(
        "demo-output"
    ),
) -> None:
    """Find Kepler's third law and two equations of motion in the tables under datasets/."""
    from symnum.demo import run_demo
    from symnum.terminal import make_console

    run_demo(out, make_console())


@app.command()
def version() -> None:
    """Show the version."""
    from symnum import __version__

    typer.echo(f"symnum {__version__}")


app.command()(dynamics)
app.command()(bench)
app.command()(synth)


def main() -> None:
    """Run the command line: exit code 0, or one line on stderr and another code.

    The environment variable ``SYMNUM_DEBUG=1`` shows tracebacks and all warnings instead.
    """
    import warnings

    if not os.environ.get("SYMNUM_DEBUG"):
        # Warnings of symnum itself, one line each; those of libraries say nothing to a user.
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", category=UserWarning, module=r"symnum\b")
        warnings.formatwarning = lambda message, *_, **__: f"symnum: note: {_one_line(str(message))}\n"
    app()


# -------------------------------------------------------------------------------------------- parts
def _predict(model: SymbolicRegressor, table: pd.DataFrame, index: int | None) -> Any:
    """Predictions from the columns that the formula uses; the others need not be there."""
    import numpy as np
    import pandas as pd

    from symnum.tables import numbers

    count = len(model.expressions_)
    index = model.best_index_ if index is None else index
    if not 0 <= index < count:
        raise InvalidInput(f"--index {index} is no row of the front; it has rows 0 to {count - 1}")
    expression = model.expressions_[index]
    X = pd.DataFrame(np.zeros((len(table), len(expression.names))), columns=list(expression.names))
    for place in expression.variables:
        name = expression.names[place]
        X[name] = numbers(table, name)
    return model.predict(X if hasattr(model, "feature_names_in_") else X.to_numpy(), index=index)


def _compare(table: pd.DataFrame, target: str, predicted: Any) -> None:
    """Say how good predictions are where the table holds the measured values too."""
    import numpy as np

    from symnum.tables import numbers

    try:
        measured = numbers(table, target)
    except InvalidInput:  # measured in part: no ground for a figure
        return
    spread = float(np.mean((measured - measured.mean()) ** 2))
    loss = float(np.mean((measured - predicted) ** 2))
    if spread > 0 and np.isfinite(loss):
        text = f"R2 {1 - loss / spread:.6f}, mean squared error {loss:.4g}"
        typer.echo(f"symnum: note: against the column {target!r} of this table: {text}", err=True)


def _complain(error: BaseException) -> int:
    """Print one line about an error; returns the exit code."""
    format_message = getattr(error, "format_message", None)
    if format_message is not None:  # wrong usage, found by the command line parser
        if not format_message():  # no command at all: the help was shown
            return 2
        message, code = f"{format_message()} (see symnum --help)", 2
    elif isinstance(error, SymnumError):
        message, code = str(error), 1
    elif isinstance(error, KeyboardInterrupt | typer.Abort):
        message, code = "interrupted before there was a result", _INTERRUPTED
    elif isinstance(error, MemoryError):
        message, code = "not enough memory for this table; try fewer rows or columns", 1
    elif isinstance(error, OSError):
        message, code = f"{error.strerror or error}: {error.filename or ''}", 1
    else:
        kind = type(error).__name__
        message, code = f"internal error, {kind}: {error}; run again with SYMNUM_DEBUG=1 to see where", 70
    typer.echo(f"symnum: error: {_one_line(message)}", err=True)
    return code


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
