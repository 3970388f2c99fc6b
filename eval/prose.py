"""Forecasts and equations of PROSE and of references on held-out draws of the families.

Usage: ``python eval/prose.py eval/configs/prose/unknown.yaml --out prose.csv``.

Goes on where the CSV file ends, and writes the tables beside it (``prose.md``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from symnum.evaluation.prose_report import report
from symnum.evaluation.prose_routes import make_routes
from symnum.evaluation.prose_study import Study, read_study, run_study
from symnum.exceptions import SymnumError


def main(
    config: Annotated[Path, typer.Argument(help="Study, see eval/configs/prose.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file of results.")],
    weights: Annotated[str, typer.Option(help="Instead of the study's: a name or a folder.")] = "",
) -> None:
    """Run a study, or go on with one."""
    study = Study.read(config)
    given = weights or study.weights
    model = None
    if given:
        from symnum.models import PROSEModel

        model = PROSEModel.from_pretrained(given).eval()
    references = {}
    for kind, folder in study.references.items():
        from symnum.training.prose_pretraining import reference_class

        references[kind] = reference_class(kind).from_pretrained(folder).eval()
    routes = make_routes(study.routes, model, references, study.draws, study.seconds, study.jobs)
    for results in run_study(study, routes, out):
        r = results[0]
        errors = [100 * sum(q.error for q in results) / len(results)]
        errors.append(100 * sum(q.expression_error for q in results) / len(results))
        print(
            f"{r.guess:9} noise {r.noise:g} spread {r.spread:g} {r.family:18} {r.route:12} "
            f"states {errors[0]:7.2f} %  equations {errors[1]:7.2f} %",
            flush=True,
        )
    text = report(read_study(out))
    out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    try:
        typer.run(main)
    except SymnumError as error:
        sys.exit(f"error: {error}")
