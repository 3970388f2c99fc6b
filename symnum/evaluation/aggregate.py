"""From runs to figures that can be compared: rates and medians with intervals, profiles, ranks.

A run that failed counts as not solved and with R2 = 0; a skipped run (the method is not installed) does not
count. Seeds are averaged within their problem and problems within their suite, so a problem that was run more
often weighs no more.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Frame: TypeAlias = Any
"""A pandas DataFrame; what type checkers infer about pandas without stubs is in the way."""

DRAWS = 1000
_Z = 1.959964  # two-sided 95 % quantile of the normal distribution
PROFILE_GRID = np.linspace(0.0, 1.0, 51)
"""Thresholds of R2 in performance profiles, as in SRBench 2025."""


class Interval(NamedTuple):
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of merit.

    Parameters
    ----------
    name : str
        Column of `prepare`'s table.
    title, unit : str
        For people; unit "%" shows a rate in per cent.
    statistic : {"mean", "median"}
        Over seeds within a problem, then over problems.
    better : {1, -1, 0}
        Whether more is better, less, or neither.
    truth : bool
        Needs a known true formula.
    meaning : str
        One sentence.
    """

    name: str
    title: str
    unit: str
    statistic: str
    better: int
    truth: bool
    meaning: str


MEASURES = (
    Measure(
        "recovered", "recovered", "%", "mean", 1, True,
        "the same function inside and outside the domain, at most 1.5 times the truth's size; under noise,"
        " its form with constants within the noise",
    ),
    Measure("recovered_any", "any size", "%", "mean", 1, True, "the same function, however long"),
    Measure(
        "recovered_front", "on the front", "%", "mean", 1, True,
        "recovered by some formula of the front, not only by the one that was chosen",
    ),
    Measure(
        "right_form", "right form", "%", "mean", 1, True,
        "the same function once its constants are refitted to noise-free data",
    ),
    Measure(
        "srbench_solved", "SRBench's rule", "%", "mean", 1, True,
        "symbolic solution by SRBench's own check, which accepts many wrong formulas",
    ),
    Measure(
        "accuracy_solution", "R² > 0.999", "%", "mean", 1, False,
        "SRBench's accuracy solution, on clean test rows",
    ),
    Measure("r2_zero_test", "R²", "", "median", 1, False, "on clean test rows, at least 0"),
    Measure("r2_zero_ood", "R² outside", "", "median", 1, False, "on rows outside the domain, at least 0"),
    Measure(
        "r2_auc", "profile area", "", "mean", 1, False,
        "area under the share of runs with R² above a threshold from 0 to 1, as in SRBench 2025",
    ),
    Measure(
        "sympy_size", "size", "", "median", -1, False,
        "nodes of the formula's sympy tree; failed runs have none",
    ),
    Measure("size_ratio", "size / truth", "", "median", -1, True, "sympy nodes over those of the truth"),
    Measure(
        "fit_seconds", "seconds", "", "median", -1, False,
        "wall-clock time of the fit; of the whole run where it had to be killed",
    ),
    Measure(
        "time_to_first", "found after", "s", "median", -1, True,
        "seconds until the first recovered formula, over the runs that have one and say so",
    ),
    Measure("cores_used", "cores", "", "median", 0, False, "CPU time over wall-clock time of the fit"),
)  # fmt: skip
MEASURE = {measure.name: measure for measure in MEASURES}


def prepare(runs: Frame) -> Frame:
    """Runs that count, with failures as failures and the columns that `MEASURES` name."""
    table: Frame = runs[runs["status"] != "skipped"].copy()
    ok = table["status"] == "ok"
    truth = table["has_truth"].astype(bool)

    def rate(solved: Any, applies: Any = None) -> Any:
        values = (ok & solved.eq(True).fillna(False).astype(bool)).astype(float)  # a missing verdict is no
        return values if applies is None else values.where(applies)

    columns = (
        "r2_test r2_ood n_ood sympy_size size_ratio fit_seconds fit_cpu_seconds time_to_first run_seconds"
    ).split()
    numbers: dict[str, Any] = {name: table[name].astype(float) for name in columns}
    numbers["fit_seconds"] = numbers["fit_seconds"].fillna(numbers["run_seconds"].where(~ok))
    # Whether a problem has rows outside its domain is known from the runs that did not fail.
    outside = (numbers["n_ood"].fillna(0) > 0).groupby(table["problem"]).transform("max").astype(bool)
    r2 = numbers["r2_test"].where(ok).fillna(0.0).clip(lower=0.0)
    verdicts = ("recovered", "recovered_any", "recovered_front", "srbench_solved")
    new: dict[str, Any] = {name: rate(table[name], truth) for name in verdicts}
    new |= {
        "right_form": rate(table["form"] == "equal", truth),
        "accuracy_solution": rate(table["accuracy_solution"]),
        "r2_zero_test": r2,
        "r2_zero_ood": numbers["r2_ood"].where(ok).fillna(0.0).clip(lower=0.0).where(outside),
        "r2_auc": _profile_area(r2.to_numpy()),
        "sympy_size": numbers["sympy_size"],
        "size_ratio": numbers["size_ratio"],
        "fit_seconds": numbers["fit_seconds"],
        "time_to_first": numbers["time_to_first"].where(new["recovered"] == 1),
        "cores_used": numbers["fit_cpu_seconds"] / numbers["fit_seconds"].where(numbers["fit_seconds"] > 0),
        "failed": (~ok).astype(float),
    }
    return table.assign(**new)


def _profile_area(r2: NDArray[np.float64]) -> NDArray[np.float64]:
    above = r2[:, None] >= PROFILE_GRID[None, :]
    return np.trapezoid(above.astype(float), PROFILE_GRID, axis=1)


# ---------------------------------------------------------------------------------------------- groups
class Group(NamedTuple):
    """Runs that may be compared: one suite under one protocol, budget and noise."""

    protocol: str
    max_time: float
    n_jobs: int
    suite: str
    noise: float
    subset: str
    runs: Frame

    @property
    def setting(self) -> tuple[str, float, int, str]:
        """Everything but noise and subset: what a section of the report is about."""
        return self.protocol, self.max_time, self.n_jobs, self.suite

    @property
    def has_truth(self) -> bool:
        """Whether true formulas are known."""
        return bool(self.runs["has_truth"].any())


def groups(table: Frame) -> Iterator[Group]:
    """Comparable groups of `prepare`'s table, each suite whole and without what inflates it."""
    for keys, runs in table.groupby(["protocol", "max_time", "n_jobs", "suite", "noise"], sort=True):
        protocol, max_time, n_jobs, suite, noise = keys
        for subset, part in _subsets(runs):
            yield Group(protocol, float(max_time), int(n_jobs), suite, float(noise), subset, part)


def _subsets(runs: Frame) -> Iterator[tuple[str, Frame]]:
    yield "all", runs
    labels = ";" + runs["tracks"].fillna("") + ";"
    friedman, repeat = labels.str.contains(";friedman;"), labels.str.contains(";repeat;")
    wanted = [("without Friedman", ~friedman, friedman.any()), ("without repeats", ~repeat, repeat.any())]
    wanted.append(("without Friedman and repeats", ~friedman & ~repeat, friedman.any() and repeat.any()))
    for name, keep, differs in wanted:
        if differs and keep.any():
            yield name, runs[keep]


def matrix(runs: Frame, column: str) -> NDArray[np.float64]:
    """Values of a column as (problems, runs), filled up with NaN; problems without any are left out."""
    given = runs[column].to_numpy(dtype=float)
    codes = runs["problem"].factorize(sort=True)[0]
    codes, given = codes[~np.isnan(given)], given[~np.isnan(given)]
    if not len(given):
        return np.empty((0, 0))
    order = np.argsort(codes, kind="stable")
    codes, given = np.unique(codes[order], return_inverse=True)[1], given[order]
    starts = np.searchsorted(codes, np.arange(codes[-1] + 1))
    places = np.arange(len(codes)) - starts[codes]
    values = np.full((codes[-1] + 1, places.max() + 1), np.nan)
    values[codes, places] = given
    return values


def bootstrap(values: NDArray[np.float64], statistic: str = "mean", draws: int = DRAWS) -> Interval:
    """Statistic over problems of the statistic over seeds, with its 95 % percentile interval.

    Each draw takes problems with replacement and, within each, seeds with replacement (two stages), so the
    interval speaks about other problems of the same kind and other seeds.

    Parameters
    ----------
    values : ndarray (problems, seeds)
        NaN where there was no run; at least one number in each row.
    statistic : {"mean", "median"}
    draws : int
    """
    if values.size == 0:
        return Interval(np.nan, np.nan, np.nan)
    reduce = {"mean": np.mean, "median": np.median}[statistic]
    counts = (~np.isnan(values)).sum(axis=1)
    packed = np.take_along_axis(values, np.argsort(np.isnan(values), axis=1, kind="stable"), axis=1)
    value = float(reduce([reduce(row[:count]) for row, count in zip(packed, counts, strict=True)]))
    rng = np.random.default_rng(0)  # the same draws for every method: their intervals can be compared
    n = len(values)
    problems = rng.integers(n, size=(draws, n))
    if counts.max() == 1:
        sampled = packed[problems, 0]
    elif (counts == counts[0]).all():
        seeds = rng.integers(counts[0], size=(draws, n, counts[0]))
        sampled = reduce(packed[problems[:, :, None], seeds], axis=2)
    else:
        sampled = np.empty((draws, n))
        for count in np.unique(counts):
            here = counts[problems] == count
            seeds = rng.integers(count, size=(int(here.sum()), count))
            sampled[here] = reduce(packed[problems[here][:, None], seeds], axis=1)
    low, high = np.quantile(reduce(sampled, axis=1), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _interval(values: NDArray[np.float64], measure: Measure, draws: int) -> Interval:
    """Bootstrap interval; Wilson's where all runs agree, of which a bootstrap would make certainty."""
    interval = bootstrap(values, measure.statistic, draws)
    if measure.unit != "%" or not (interval.low == interval.high and interval.value in (0.0, 1.0)):
        return interval
    # Wilson 1927 for no failure in n problems: z^2 / (n + z^2).
    width = _Z**2 / (len(values) + _Z**2)
    return Interval(1.0, 1.0 - width, 1.0) if interval.value else Interval(0.0, 0.0, width)


def score(group: Group, draws: int = DRAWS) -> dict[str, dict[str, Interval]]:
    """Method -> measure -> interval, the best methods first."""
    result = {}
    for method, runs in group.runs.groupby("method", sort=True):
        result[str(method)] = {
            m.name: _interval(matrix(runs, m.name), m, draws)
            for m in MEASURES
            if group.has_truth or not m.truth
        }
    lead = leading(group).name
    return dict(sorted(result.items(), key=lambda item: -np.nan_to_num(item[1][lead].value, nan=-1)))


def leading(group: Group) -> Measure:
    """The measure that orders methods: recovery where the truth is known, R2 elsewhere."""
    return MEASURE["recovered" if group.has_truth else "r2_zero_test"]


# ---------------------------------------------------------------------------------------------- curves
def profile(runs: Frame, column: str = "r2_zero_test") -> NDArray[np.float64]:
    """Share of runs with at least R2 = t for each t of `PROFILE_GRID`, each problem weighing the same."""
    values = matrix(runs, column)
    with np.errstate(invalid="ignore"):
        above = values[:, :, None] >= PROFILE_GRID
    counts = (~np.isnan(values)).sum(axis=1)
    return (above.sum(axis=1) / counts[:, None]).mean(axis=0)


def over_time(runs: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds, and share of runs recovered by then; without a time of its own, a run counts at its end."""
    weight = 1.0 / runs.groupby("problem")["problem"].transform("size") / runs["problem"].nunique()
    solved = runs["recovered"] == 1
    when = runs["time_to_first"].fillna(runs["fit_seconds"])[solved]
    order = np.argsort(when.to_numpy(), kind="stable")
    return when.to_numpy()[order], np.cumsum(weight[solved].to_numpy()[order])


# ---------------------------------------------------------------------------------------------- ranks
class Ranks(NamedTuple):
    """Mean ranks of methods over problems that all of them ran, and which differences are real."""

    methods: list[str]
    mean_ranks: NDArray[np.float64]
    problems: int
    friedman_p: float
    critical_difference: float
    pairs: dict[tuple[str, str], float]

    def differ(self, a: str, b: str) -> bool:
        """Whether Wilcoxon's test with Holm's correction tells two methods apart at 5 %."""
        return self.pairs[(a, b) if (a, b) in self.pairs else (b, a)] < 0.05


def ranks(group: Group) -> Ranks | None:
    """Ranks by the leading measure (R2 rounded to 3 digits), 1 the best; None below 2 methods or 5 problems.

    Friedman's test over all, Nemenyi's critical difference (Demsar 2006), Wilcoxon's signed-rank test for
    pairs with Holm's correction (as Benavoli et al. 2016 recommend).
    """
    from scipy.stats import friedmanchisquare, rankdata, wilcoxon

    lead = leading(group)
    wide = group.runs.pivot_table(index="problem", columns="method", values=lead.name, aggfunc=lead.statistic)
    wide = wide.dropna().round(3)
    n, k = wide.shape
    if k < 2 or n < 5:
        return None
    values = wide.to_numpy()
    mean_ranks = rankdata(-values, axis=1).mean(axis=0)
    order = np.argsort(mean_ranks, kind="stable")
    methods = [str(wide.columns[i]) for i in order]
    columns = values[:, order].T
    friedman_p = 1.0
    raw = {}
    with warnings.catch_warnings():  # about ties and small samples, both of which the tests allow for
        warnings.simplefilter("ignore")
        if k > 2 and not np.allclose(columns, columns[0]):
            friedman_p = float(friedmanchisquare(*columns).pvalue)
        for i, j in itertools.combinations(range(k), 2):
            different = not np.array_equal(columns[i], columns[j])
            tested: Any = wilcoxon(columns[i], columns[j]) if different else None
            raw[methods[i], methods[j]] = float(tested.pvalue) if different else 1.0
    if k == 2:
        friedman_p = next(iter(raw.values()))
    difference = _studentized_range(k) * float(np.sqrt(k * (k + 1) / (6 * n)))
    return Ranks(methods, mean_ranks[order], n, friedman_p, difference, _holm(raw))


@functools.cache
def _studentized_range(k: int) -> float:
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2))


def _holm(raw: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Step-down adjusted p-values (Holm 1979)."""
    adjusted, running = {}, 0.0
    for place, (pair, p) in enumerate(sorted(raw.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, (len(raw) - place) * p))
        adjusted[pair] = running
    return adjusted
