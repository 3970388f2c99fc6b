"""`symnum synth`: synthetic formulas and their numbers, written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symnum.exceptions import InvalidInput, SymnumError

if TYPE_CHECKING:
    from symnum.synthesis import OperatorLaw


def synth(
    n: Annotated[int, typer.Option("--n", "-n", help="Samples to write.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for them; one begun before is completed.")],
    preset: Annotated[str, typer.Option(help="Law: snip, snip-1d or improved.")] = "snip",
    max_dim: Annotated[
        int | None, typer.Option(help="Largest number of variables; default: 10 (1 for snip-1d).")
    ] = None,
    points: Annotated[int | None, typer.Option(help="Rows of a sample; default: 200.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; the samples do not depend on it.")] = 1,
    operators: Annotated[
        str | None, typer.Option(help="Operators and weights instead of the law's, 'add,mul:2,sin,exp:0.5'.")
    ] = None,
    keep_benchmarks: Annotated[
        bool,
        typer.Option("--keep-benchmarks", help="Keep formulas with the skeleton of a benchmark formula."),
    ] = False,
) -> None:
    """Draw random formulas with points on them and write Parquet shards, a manifest and a data card."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from symnum.synthesis import EquationGenerator
    from symnum.synthesis.card import write_card
    from symnum.synthesis.export import export_samples
    from symnum.terminal import make_console

    generator = EquationGenerator(
        preset,
        max_dim,
        points,
        seed,
        exclude_benchmarks=False if keep_benchmarks else None,
        operators=None if operators is None else read_operators(operators),
    )
    console = make_console(stderr=True)
    columns = (TextColumn("samples"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    done = 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("samples", total=n)

        def report(finished: int, total: int) -> None:
            nonlocal done
            done = finished
            progress.update(task, completed=finished)

        try:
            manifest = export_samples(generator, out, n, workers, report)
        except KeyboardInterrupt:
            raise SymnumError(
                f"interrupted; {done:,} samples are kept in {out}, the same command goes on from there"
            ) from None
    write_card(out)
    outcomes = manifest.outcomes()
    judged = sum(outcomes.values()) - outcomes["benchmark"]
    typer.echo(f"{manifest.samples():,} samples in {out} ({len(manifest.shards)} shards, see README.md)")
    typer.echo(f"accepted {outcomes['accepted'] / max(judged, 1):.1%} of {judged:,} attempts")
    if generator.law.exclude_benchmarks:
        typer.echo(f"left out {outcomes['benchmark']:,} formulas with the skeleton of a benchmark formula")
    if generator.unique:
        repeated = sum(len(shard["dropped"]) for shard in manifest.shards.values())
        typer.echo(f"left out {repeated:,} rows: repeated functions and surplus of the last shard")


def read_operators(text: str) -> OperatorLaw:
    """Operator law from ``add,mul:2,sin``; raises InvalidInput when a name or a weight cannot be used."""
    from symnum.expressions.operators import OPERATORS
    from symnum.synthesis import OperatorLaw

    weights: dict[int, dict[str, float]] = {1: {}, 2: {}}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = item.partition(":")
        operator = OPERATORS[name.strip()]
        try:
            weights[operator.arity][operator.name] = float(weight) if weight else 1.0
        except ValueError:
            raise InvalidInput(f"the weight of {name} must be a number, got {weight!r}") from None
    return OperatorLaw(binary=weights[2], unary=weights[1])
