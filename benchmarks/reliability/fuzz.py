"""Hostile inputs by the million: what is not refused as documented, or takes a second, is a finding.

``python benchmarks/reliability/fuzz.py --seconds 300`` goes through all targets, a batch of each at a time;
with ``--state fuzz.json`` a later call goes on where this one stopped. Input k of a target is always the
same, so a finding can be repeated: ``--repeat parse:123456``. With the package atheris, ``--coverage
parse`` lets libFuzzer choose the inputs of one target by the code they reach.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from fuzz_targets import ROOT, TARGETS, Finding, Target

SLOW = 1.0
BATCH = {"parse": 5_000, "tokens": 5_000, "prefix": 5_000, "units": 5_000}


def attempt(target: Target, given: Any) -> tuple[str, float, str]:
    """Verdict on one input ("read", "refused" or a finding), CPU seconds, and the trace of a finding."""
    began = time.process_time()
    try:
        target.read(given)
        verdict, trace = "read", ""
    except ValueError:  # SymnumError for bad input is one
        verdict, trace = "refused", ""
    except Exception as error:
        from symnum.exceptions import SymnumError

        known = isinstance(error, SymnumError)
        verdict, trace = ("refused", "") if known else (type(error).__name__, traceback.format_exc(limit=-4))
    return verdict, time.process_time() - began, trace


def source(name: str, k: int) -> random.Random:
    """Random numbers of input k of a target."""
    return random.Random(f"{name}:{k}")  # noqa: S311


def run(names: list[str], seconds: float, count: int, state: Path | None) -> dict[str, dict[str, Any]]:
    """Run batches of all targets in turn until the time or the count of inputs is reached."""
    fresh = {"inputs": 0, "read": 0, "refused": 0, "slowest": 0.0, "cpu": 0.0, "findings": []}
    table = {name: json.loads(json.dumps(fresh)) for name in names}
    if state is not None and state.exists():
        table |= json.loads(state.read_text())
    targets = {name: TARGETS[name]() for name in names}
    began = time.monotonic()
    while time.monotonic() - began < seconds and sum(r["inputs"] for r in table.values()) < count:
        for name in names:
            row = table[name]
            for k in range(row["inputs"], row["inputs"] + BATCH.get(name, 50)):
                given = targets[name].make(source(name, k))
                verdict, spent, trace = attempt(targets[name], given)
                row["cpu"] += spent
                row["slowest"] = max(row["slowest"], spent)
                if verdict in ("read", "refused"):
                    row[verdict] += 1
                if trace or spent > SLOW:
                    what = trace or f"took {spent:.2f} s"
                    row["findings"].append({"input": f"{name}:{k}", "given": repr(given)[:300], "what": what})
                    print(f"{name}:{k}: {repr(given)[:200]}\n{what}", flush=True)
            row["inputs"] += BATCH.get(name, 50)
            if state is not None:
                state.with_suffix(".new").write_text(json.dumps(table, indent=1))
                state.with_suffix(".new").replace(state)
    return table


def coverage_guided(name: str, arguments: list[str]) -> None:
    """Let libFuzzer choose inputs of one target, from a few that are made as usual.

    `arguments` are its own, e.g. ``-max_total_time=60``.
    """
    import atheris

    # Numba cannot read instrumented functions.
    compiled = [
        ".".join(p.relative_to(ROOT).with_suffix("").parts)
        for p in ROOT.glob("symnum/**/*.py")
        if "numba" in p.read_text(encoding="utf-8")
    ]
    with atheris.instrument_imports(include=["symnum"], exclude=compiled):
        target = TARGETS[name]()
        first = [target.make(source(name, k)) for k in range(300)]
        for given in first:  # loads what is loaded on use
            attempt(target, given)

    def one(raw: bytes) -> None:
        try:
            given = target.from_bytes(raw)
        except ValueError:
            return
        verdict, spent, trace = attempt(target, given)
        if trace or spent > SLOW:
            raise Finding(f"{verdict} after {spent:.2f} s\n{trace}")

    with tempfile.TemporaryDirectory() as folder:
        for k, given in enumerate(first):
            Path(folder, str(k)).write_bytes(target.to_bytes(given))
        atheris.Setup([sys.argv[0], *arguments, folder], one)
        atheris.Fuzz()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all when left out")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=10**9, help="of inputs, those of a state counted")
    parser.add_argument("--state", type=Path, help="JSON file that a later call goes on from")
    parser.add_argument("--repeat", metavar="TARGET:K", help="read one input again, with its full trace")
    parser.add_argument("--coverage", metavar="TARGET", help="coverage-guided, with the package atheris")
    given, rest = parser.parse_known_args()
    warnings.simplefilter("ignore")
    if given.coverage:
        coverage_guided(given.coverage, rest)
        return
    if given.repeat:
        name, _, k = given.repeat.partition(":")
        target = TARGETS[name]()
        made = target.make(source(name, int(k)))
        print(repr(made)[:2_000])
        target.read(made)
        return
    table = run(given.targets or list(TARGETS), given.seconds, given.count, given.state)
    print(f"{'target':10} {'inputs':>10} {'read':>9} {'refused':>10}  us each  slowest findings")
    for name, row in table.items():
        each = 1e6 * row["cpu"] / max(row["inputs"], 1)
        print(
            f"{name:10} {row['inputs']:10,} {row['read']:9,} {row['refused']:10,} {each:8.0f} "
            f"{row['slowest']:7.3f}s {len(row['findings']):8}"
        )
    print(f"{sum(r['inputs'] for r in table.values()):,} inputs")


if __name__ == "__main__":
    main()
