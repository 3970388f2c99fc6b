"""Formulas with units, generated: share recovered with and without telling the search the units.

Run ``python benchmarks/units.py --count 20 --time 10 --noise 0``. Problem `index` of a `seed` is always the
same one: five to eight columns with units (masses, lengths, charges, ... and columns that stand for constants
of nature), and a target built from products, sums of like quantities, norms, and functions of dimensionless
arguments. Recovered: the same function by numbers, in a form at most 1.5 times as long as the truth.
``--depth 200000`` prints instead how deep a bank of this size reaches with and without units.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np

from symnum import SymbolicRegressor
from symnum.evaluation.domain import Domain
from symnum.evaluation.verdicts import Judge
from symnum.exceptions import SymnumError
from symnum.expressions import Expression
from symnum.expressions.canonical import canonical
from symnum.expressions.units import Unit, check_units
from symnum.search.bank import Bank
from symnum.search.dimensional import Dimensions
from symnum.search.enumerate import DEFAULT_BINARY, DEFAULT_UNARY

LETTERS = tuple("abcdghkmnpqrstuvwz")
PHYSICAL = (
    "kg", "m", "s", "K", "A", "C", "m/s", "m/s^2", "N", "J", "Pa", "W", "V", "1/s", "J/K", "kg/m^3", "m^2",
    "1", "1", "kg*m/s", "V/m", "N*s^2/m^4", "ohm", "F", "J*s",
)  # fmt: skip
TARGETS = ("J", "N", "m", "m/s", "kg", "s", "K", "W", "Pa", "V", "1", "1/s", "J/m^3", "A", "W/m^2", "C")
RANGES = ((1.0, 5.0), (1.0, 3.0), (0.5, 2.0), (2.0, 6.0), (0.2, 1.0))
ROWS = 1_000
ONE = Unit.parse("1")


class _Maker:
    """One attempt at a formula: columns are invented as the tree asks for quantities of a dimension."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.inside = False  # of a function: they are not nested
        self.units: list[Unit] = []
        self.arguments: list[Expression] = []

    def leaf(self, unit: Unit) -> Expression:
        same = [i for i, u in enumerate(self.units) if u.same_dimension(unit)]
        if same and self.rng.random() < 0.35:
            i = int(self.rng.choice(same))
        else:
            i = len(self.units)
            self.units.append(unit)
        return Expression.variable(i, LETTERS)

    def quantity(self, unit: Unit, leaves: int) -> Expression:
        """Random tree of a dimension with so many leaves."""
        if leaves == 1:
            return self.leaf(unit)
        rng = self.rng
        kind = rng.choice(["product", "quotient", "sum", "norm", "function", "root"],
                          p=[0.34, 0.24, 0.16, 0.07, 0.14, 0.05])  # fmt: skip
        first = int(rng.integers(1, leaves))
        if kind in ("sum", "norm"):
            a, b = self.quantity(unit, first), self.quantity(unit, leaves - first)
            if kind == "norm":
                return Expression.apply("sqrt", a**2 + b**2)
            return a + b if rng.random() < 0.5 else a - b
        if kind == "function" and not self.inside:
            u = self.function(max(leaves - 1, 1)) if leaves > 2 or unit.dimensionless else None
            if u is None:
                return self.quantity(unit, leaves)
            return u if unit.dimensionless else self.leaf(unit) * u
        if kind == "root" and leaves > 2:
            return Expression.apply("sqrt", self.quantity(unit**2, leaves))
        part = Unit.parse(str(rng.choice(PHYSICAL)))
        if kind == "product":
            number = float(rng.choice([0.5, 2.0, 3.0, 4.0, np.pi])) if rng.random() < 0.15 else None
            made = self.quantity(part, first) * self.quantity(unit / part, leaves - first)
            return made if number is None else number * made
        return self.quantity(unit * part, first) / self.quantity(part, leaves - first)

    def function(self, leaves: int) -> Expression:
        self.inside = True
        u = self.quantity(ONE, leaves)
        self.inside = False
        self.arguments.append(u)
        name = self.rng.choice(["exp", "sin", "cos", "one plus", "lorentz", "decay", "log", "occupation"])
        if name == "one plus":
            return 1.0 + u
        if name == "lorentz":
            return Expression.apply("sqrt", 1.0 - u**2)
        if name == "occupation":
            return 1.0 / (Expression.apply("exp", u) - 1.0)
        if name == "decay":
            return Expression.apply("exp", -u)
        return Expression.apply("log", 1.0 + u) if name == "log" else Expression.apply(str(name), u)


def problem(seed: int, index: int) -> tuple[Expression, list[str], str, Domain]:
    """Formula, units of its columns, unit of the target, and box of problem `index` of a seed."""
    rng = np.random.default_rng([seed, index, 7])
    while True:
        maker = _Maker(rng)
        target = Unit.parse(str(rng.choice(TARGETS)))
        try:
            raw = maker.quantity(target, int(rng.integers(5, 9)))
            d = len(maker.units)
            if not 5 <= d <= 8 or any(abs(e) > 6 for u in maker.units for e in u.dimension):
                continue
            if any(e.denominator > 1 for u in maker.units for e in u.dimension):
                continue
            names = LETTERS[:d]
            truth = canonical(raw.with_names(names))
            ranges = [RANGES[i] for i in rng.integers(len(RANGES), size=d)]
            domain = Domain.box([a for a, _ in ranges], [b for _, b in ranges])
            if sound(truth, domain, rng, maker.arguments) and check_units(
                truth, maker.units, target, "number"
            ):
                return truth, [str(u.si) for u in maker.units], str(target), domain
        except SymnumError:
            continue


def sound(truth: Expression, domain: Domain, rng: np.random.Generator, arguments: list[Expression]) -> bool:
    """Whether the formula is finite, varies, is no plain monomial, and every column matters.

    Arguments of functions stay below ten: a sine over many periods is noise to any search.
    """
    if not 9 <= truth.complexity <= 32 or "abs" in str(truth) or len(truth.variables) != len(truth.names):
        return False
    X = domain.draw(400, rng)
    with np.errstate(all="ignore"):
        y = truth.evaluate(X)
        large = [np.max(np.abs(u.with_names(truth.names).evaluate(X))) > 10 for u in arguments]
    if not np.all(np.isfinite(y)) or any(large):
        return False
    size, spread = float(np.max(np.abs(y))), float(np.std(y))
    if not 1e-4 < size < 1e6 or spread < 0.05 * np.mean(np.abs(y)) or size > 15 * np.median(np.abs(y)):
        return False
    for j in range(X.shape[1]):
        moved = X.copy()
        moved[:, j] = rng.permutation(X[:, j])
        with np.errstate(all="ignore"):
            if not np.std(truth.evaluate(moved) - y) > 0.03 * spread:
                return False
    logs = np.column_stack([np.ones(len(X)), np.log(X)])
    target = np.log(np.abs(y))
    return float(np.std(target - logs @ np.linalg.lstsq(logs, target, rcond=None)[0])) > 0.01


def defined(truth: Expression, X: np.ndarray) -> np.ndarray:
    """The rows on which the formula is finite."""
    with np.errstate(all="ignore"):
        return X[np.isfinite(truth.evaluate(X))]


def run(seed: int, index: int, seconds: float, noise: float, told: bool) -> dict:
    """One fit and its verdict."""
    truth, units, target, domain = problem(seed, index)
    rng = np.random.default_rng([seed, index, 8])
    X, X_test = (defined(truth, domain.draw(ROWS, rng)) for _ in range(2))
    clean = truth.evaluate(X)
    y = clean + noise * np.sqrt(np.mean(clean**2)) * rng.normal(size=len(clean))
    model = SymbolicRegressor(max_time=seconds, random_state=0)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extra = {"X_units": units, "y_units": target} if told else {}
        model.fit(X, y, variable_names=truth.names, **extra)
    took = time.perf_counter() - began
    check = Judge(truth, domain, X_test, truth.evaluate(X_test), X_test[:0], clean[:0], noise)
    found = model.expression_
    same = check._safely_same(found)
    return {
        "recovered": same and found.sympy_size() <= 1.5 * truth.sympy_size(),
        "same": same, "seconds": took, "found": found, "truth": truth, "stop": model.stop_reason_,
        "ledger": model.ledger_, "model": model,
    }  # fmt: skip


def depth(seed: int, indices: range, size: int) -> None:
    """Print the costs up to which banks of one size are complete, and how many elements that takes."""
    reached: dict[bool, list[int]] = {True: [], False: []}
    shares = []
    for index in indices:
        truth, units, target, domain = problem(seed, index)
        columns, _ = Dimensions.of([Unit.parse(u) for u in (*units, target)]).scaled()
        X = domain.draw(30, np.random.default_rng([seed, index, 9]))
        levels = {}
        for told in (True, False):
            bank = Bank.start(X, truth.names, DEFAULT_UNARY, DEFAULT_BINARY, size, columns if told else None)
            bank.grow(size, lambda: False)
            levels[told] = bank.levels
            reached[told].append(len(bank.levels) - 3)  # the last level is cut off
        common = len(levels[False]) - 3
        shares.append(levels[False][common + 1] / levels[True][common + 1])
    told, bare = (np.mean(reached[k]) for k in (True, False))
    print(
        f"{size:,} elements are complete up to cost {told:.1f} with units, {bare:.1f} without;"
        f" to the latter cost a bank with units needs {np.median(shares):.1f} times fewer (median)"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--time", type=float, default=10.0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--told", choices=("both", "yes", "no"), default="both")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--depth", type=int, default=0)
    options = parser.parse_args()
    if options.depth:
        depth(options.seed, range(options.first, options.first + options.count), options.depth)
        return
    kinds = {"both": (True, False), "yes": (True,), "no": (False,)}[options.told]
    rows: dict[bool, list[dict]] = {told: [] for told in kinds}
    for index in range(options.first, options.first + options.count):
        for told in kinds:  # side by side, so that a busy machine is busy for both
            row = run(options.seed, index, options.time, options.noise, told)
            rows[told].append(row)
            if options.verbose:
                mark = "ok  " if row["recovered"] else "long" if row["same"] else "miss"
                text = f"{row['truth']}  ->  {row['found'].text(4)}"
                kind = "with" if told else "none"
                print(f"{index:3d} {kind} {mark} {row['seconds']:5.1f} s  {text}", flush=True)
    for told, made in rows.items():
        good = [r["seconds"] for r in made if r["recovered"]]
        print(
            f"units {'told' if told else 'not told'}: recovered {len(good)} of {len(made)}"
            f" ({sum(r['same'] for r in made)} in a form of any length), noise {options.noise:g},"
            f" {options.time:g} s; median fit of the recovered {np.median(good or [np.nan]):.2f} s, of all"
            f" {np.median([r['seconds'] for r in made]):.2f} s"
        )


if __name__ == "__main__":
    main()
