"""`symnum bench`: run a campaign, or go on with one, and write its report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

_INTERRUPTED = 130


def bench(
    config: Annotated[
        Path | None, typer.Argument(help="Campaign to run (YAML, see eval/configs).", show_default=False)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small fixed sample, under 3 minutes.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for results; default: runs/NAME. What it holds is not repeated."
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler that does the runs, e.g. tcp://host:8786.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time on this machine; default: as the campaign says.", min=1)
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(help="Run those again that ended so: error, timeout, memory, crash."),
    ] = None,
) -> None:
    """Compare methods on benchmark problems; write results and report.html."""
    from symnum.evaluation.config import expand, read_config
    from symnum.evaluation.published import default_folder
    from symnum.evaluation.report import write_report
    from symnum.evaluation.runner import run_campaign
    from symnum.terminal import make_console

    console = make_console()
    given = _config_path(config, quick)
    campaign = read_config(given)
    tasks = expand(campaign)
    folder = out if out is not None else Path("runs") / campaign.name
    lanes = workers if workers is not None else campaign.workers
    _warn(lanes, campaign.n_jobs, scheduler)
    ended = run_campaign(
        tasks, folder, name=campaign.name, workers=lanes, scheduler=scheduler, memory_mb=campaign.memory_mb,
        retry=retry or (), console=console,
    )  # fmt: skip
    (folder / "config.yaml").write_bytes(given.read_bytes())
    if ended.stored + ended.finished:
        page = write_report(
            folder, folder, published=default_folder(), title=campaign.name, about=campaign.about
        )
        _show(console, folder)
        console.print(f"\nwrote {page}", markup=False, soft_wrap=True)
    if ended.interrupted:
        typer.echo("symnum: note: stopped early; the same command goes on where it stopped", err=True)
        raise typer.Exit(_INTERRUPTED)


def report(
    results: Annotated[
        Path, typer.Argument(help="Folder of a campaign, or the CSV mirror of one.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for report.html and tables; default: RESULTS.")
    ] = None,
    title: Annotated[str, typer.Option(help="Heading; default: the campaign's name.")] = "",
    mirror: Annotated[
        Path | None, typer.Option(help="Also write all runs to this CSV file, for version control.")
    ] = None,
) -> None:
    """Write the report of stored results again."""
    from symnum.evaluation.published import default_folder
    from symnum.evaluation.report import write_report
    from symnum.evaluation.store import write_mirror
    from symnum.terminal import make_console

    if out is None and not results.is_dir():
        raise InvalidInput(f"{str(results)!r} is no folder: say with --out where the report should go")
    folder = out if out is not None else results
    console = make_console()
    page = write_report(results, folder, published=default_folder(), title=title)
    _show(console, folder)
    console.print(f"\nwrote {page}", markup=False, soft_wrap=True)
    if mirror is not None:
        console.print(f"wrote {write_mirror(results, mirror)}", markup=False, soft_wrap=True)


# -------------------------------------------------------------------------------------------- parts
def _config_path(config: Path | None, quick: bool) -> Path:
    if (config is None) == (not quick):
        raise InvalidInput("give either --quick or the YAML file of a campaign, e.g. eval/configs/quick.yaml")
    if config is not None:
        return config
    place = Path(__file__).resolve().parents[1] / "eval" / "configs" / "quick.yaml"
    if not place.is_file():
        raise InvalidInput(
            "--quick needs a checkout of the repository: its campaign and the benchmark facts are not part of"
            " the installed package"
        )
    return place


def _warn(workers: int, n_jobs: int, scheduler: str | None) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if scheduler is None and workers * n_jobs > cores:
        typer.echo(
            f"symnum: note: {workers} runs at a time with {n_jobs} threads each on {cores} cores: times will"
            " not be comparable",
            err=True,
        )


def _show(console: Console, folder: Path) -> None:
    """The leading measure of each suite, from the tables just written."""
    import pandas as pd
    from rich import box
    from rich.table import Table

    summary: Any = pd.read_csv(folder / "tables" / "summary.csv")
    shown = summary[(summary["subset"] == "all") & summary["measure"].isin(["recovered", "r2_zero_test"])]
    keys = ["protocol", "max_time", "n_jobs", "suite", "noise"]
    table = Table(box=box.SIMPLE, pad_edge=False)
    for head in ("suite", "noise", "seconds", "method"):
        table.add_column(head)
    for head in ("recovered", "95 % interval", "median R2"):
        table.add_column(head, justify="right")
    for (_, seconds, _, suite, noise), group in shown.groupby(keys, sort=False):
        wide = {measure: part.set_index("method") for measure, part in group.groupby("measure")}
        for method in group["method"].unique():
            r2 = f"{wide['r2_zero_test'].loc[method, 'value']:.3f}"
            rate, spread = "", ""
            if "recovered" in wide:
                line = wide["recovered"].loc[method]
                rate = f"{100 * line['value']:.1f} %"
                spread = f"{100 * line['low']:.0f} to {100 * line['high']:.0f}"
            table.add_row(str(suite), f"{noise:g}", f"{seconds:g}", str(method), rate, spread, r2)
        table.add_section()
    console.print(table)
