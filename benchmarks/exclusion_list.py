"""Writes the list of benchmark skeletons that training data leaves out.

    python benchmarks/exclusion_list.py            # rewrites symnum/synthesis/benchmark_hashes.json
    python benchmarks/exclusion_list.py --check    # exit status 1 when the list is out of date

Formulas: all of datasets/feynman, datasets/strogatz, datasets/classic (also their `alternative` spellings)
and datasets/odebench.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from symnum import Expression
from symnum.synthesis.exclusion import FORMAT, LIST, VERSION, skeleton_hashes

DATA = Path(__file__).parents[1] / "datasets"


def rows(path: str) -> list[dict[str, str]]:
    with (DATA / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def formulas() -> Iterator[tuple[str, Expression]]:
    """Name and formula of every benchmark problem."""
    for row in rows("feynman/feynman.csv"):
        yield f"feynman/{row['number']}", Expression.parse(row["formula"], row["variables"].split(";"))
    for row in rows("feynman/srsd.csv"):
        yield (
            f"srsd/{row['id'].removeprefix('feynman_')}",
            Expression.parse(row["formula"], row["variables"].split(";")),
        )
    for row in rows("classic/classic.csv"):
        for formula in filter(None, (row["formula"], row["alternative"])):
            yield f"classic/{row['id']}", Expression.parse(formula)
    for row in rows("strogatz/systems.csv"):
        for k, side in enumerate(("dx_dt", "dy_dt"), 1):
            yield f"strogatz/{row['id']}{k}", Expression.parse(row[side], ["x", "y"])
    for system in json.loads((DATA / "odebench/odebench.json").read_text(encoding="utf-8"))["systems"]:
        names = [f"x_{i}" for i in range(system["dim"])]
        for k, text in enumerate(system["equations"]):
            yield f"odebench/{system['id']}.{k}", Expression.parse(text, names)


def make_list() -> tuple[dict, list[str]]:
    """The list as JSON, and the names of formulas without a skeleton."""
    found = list(formulas())
    names = sorted({name for name, expression in found if expression.variables})
    places: dict[tuple[int, int], set[int]] = {}
    missing = []
    for (name, expression), ways in zip(found, skeleton_hashes([e for _, e in found]).tolist(), strict=True):
        if expression.variables:
            missing += [name] * any(full == 0 for _, full in ways)
            for quick, full in ways:
                places.setdefault((quick, full), set()).add(names.index(name))
    skeletons = [[f"{q:016x}", f"{f:016x}", sorted(k)] for (q, f), k in sorted(places.items())]
    return {"format": FORMAT, "version": VERSION, "names": names, "skeletons": skeletons}, missing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    data, missing = make_list()
    lines = ",\n".join(f"  {json.dumps(e)}" for e in data.pop("skeletons"))
    text = json.dumps(data)[:-1] + ', "skeletons": [\n' + lines + "\n]}\n"
    count = len(data["names"])
    print(f"{count} formulas, {len(lines.splitlines())} skeletons in two ways of reading")
    print(f"without one: {', '.join(missing) or 'none'}")
    if check:
        same = LIST.exists() and LIST.read_text(encoding="utf-8") == text
        print("up to date" if same else f"{LIST.name} is out of date")
        return 0 if same else 1
    LIST.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
