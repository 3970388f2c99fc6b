"""The part of a report about one suite: tables, figures, ranks, problems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symnum.evaluation import figures, pages
from symnum.evaluation.aggregate import MEASURE, Group, Interval, Measure, Ranks, leading
from symnum.evaluation.published import Published, best_first

Scores = Mapping[str, Mapping[str, Interval]]

_TRUTH_COLUMNS = (
    "recovered recovered_any recovered_front right_form srbench_solved accuracy_solution r2_zero_ood"
    " sympy_size size_ratio time_to_first fit_seconds cores_used"
).split()
_OTHER_COLUMNS = "r2_zero_test r2_auc accuracy_solution sympy_size fit_seconds cores_used".split()
_FIRST_PUBLISHED = 5
"""Published methods of a source that are shown without opening anything."""


class Section:
    """One suite under one protocol and budget: its noise levels and subsets.

    Parameters
    ----------
    prefix : str
        Makes the ids of its figures different from those of other sections.
    groups, scores, tests : sequences of the same length
        What `aggregate` makes of the suite.
    others : sequence of Published
    look : Look
    """

    def __init__(
        self,
        prefix: str,
        groups: Sequence[Group],
        scores: Sequence[Scores],
        tests: Sequence[Ranks | None],
        others: Sequence[Published],
        look: figures.Look,
    ) -> None:
        self.prefix, self.look = prefix, look
        self.groups, self.scores, self.tests = groups, scores, tests
        self.whole = [i for i, group in enumerate(groups) if group.subset == "all"]
        self.known = groups[0].has_truth
        self.others = [entry for entry in others if entry.suite == groups[0].suite]

    def parts(self) -> Iterator[str]:
        """HTML of the section, piece by piece."""
        for i in self.whole:
            yield self._table(i)
        if len(self.whole) < len(self.groups):
            yield self._subsets()
        if self.known:
            yield self._over_time()
        for i in self.whole:
            yield self._pareto(i)
        yield from self._profiles()
        for i in range(len(self.groups)):
            yield self._ranks(i)
        yield self._problems()

    # ------------------------------------------------------------------------------------------ tables
    def _table(self, place: int) -> str:
        group, scores = self.groups[place], self.scores[place]
        measures = [MEASURE[name] for name in (_TRUTH_COLUMNS if self.known else _OTHER_COLUMNS)]
        counts = group.runs.groupby("method").agg(runs=("key", "size"), failed=("failed", "sum"))
        rows = []
        for method, cells in _score_cells(scores, measures):
            runs, failed = (int(n) for n in counts.loc[method])
            counted = f"<td class=n>{runs}</td><td class=n>{failed}</td>"
            rows.append(f"<tr>{pages.method_cell(method, self.look)}{counted}{cells}</tr>")
        failed = ("failed", "error, time-out, out of memory or crash; counted as not solved")
        heads = ["method", "runs", failed, *map(_head, measures)]
        entries = [entry for entry in self.others if entry.noise == group.noise]
        shown, rest = _published_rows(entries, measures, leading_published(group))
        text = (
            f"{group.runs['problem'].nunique()} problems{self._noise(group)}, {group.max_time:g} s a fit on"
            f" {group.n_jobs} threads, protocol {group.protocol}"
        )
        uneven = "<p class=warning>The methods do not have the same number of runs: compare with care.</p>"
        more = pages.opened(
            f"All {len(entries)} published results", pages.table(heads, [("published", rest)])
        )
        return (
            f"<h3>{pages.esc(text)}</h3>{uneven if counts['runs'].nunique() > 1 else ''}"
            f"{pages.table(heads, [('', rows), ('published', shown)])}"
            f"{more if len(shown) < len(rest) else ''}"
        )

    def _subsets(self) -> str:
        """The leading measures with and without what inflates a suite."""
        lead = leading(self.groups[0])
        bodies = []
        names = list(dict.fromkeys(group.subset for group in self.groups))
        for i in self.whole:
            own = {g.subset: j for j, g in enumerate(self.groups) if g.noise == self.groups[i].noise}
            for measure in [lead] if self.known else [lead, MEASURE["r2_auc"]]:
                text = f"{_head(measure)[0]}{self._noise(self.groups[i])}"
                rows = [f"<tr><td colspan={len(names) + 1}>{pages.esc(text)}</td></tr>"]
                best = {name: _best(self.scores[j], measure) for name, j in own.items()}
                for method in self.scores[i]:
                    cells = ""
                    for name in names:
                        score = self.scores[own[name]].get(method) if name in own else None
                        interval = score[measure.name] if score else Interval(*[float("nan")] * 3)
                        cells += pages.interval_cell(interval, measure, interval.value == best.get(name))
                    rows.append(f"<tr>{pages.method_cell(method, self.look)}{cells}</tr>")
                bodies.append(("grouped", rows))
        words = (
            "<p>Repeats are problems that are another one of the list after renaming, or tables with the same"
            " rows; the Friedman tables are one synthetic family.</p>"
        )
        sizes = {group.subset: group.runs["problem"].nunique() for group in self.groups}
        heads = ["method", *(f"{name} ({sizes[name]})" for name in names)]
        title = "With and without families and repeated problems"
        return pages.opened(title, words + pages.table(heads, bodies), is_open=True)

    # ------------------------------------------------------------------------------------------ figures
    def _over_time(self) -> str:
        shown = [self.groups[i] for i in self.whole]
        return pages.figure(
            figures.recovery_over_time(shown, self.look, f"{self.prefix}t-"),
            "Recovered within a time",
            "A method that does not say when it found its formula counts at the end of its fit. Dotted: the"
            " budget.",
        )

    def _pareto(self, place: int) -> str:
        group = self.groups[place]
        entries = [entry for entry in self.others if entry.noise == group.noise]
        svg = figures.pareto(group, self.scores[place], entries, self.look, f"{self.prefix}p{place}-")
        caption = "Up and to the left is better; lines are 95 % intervals."
        if any(leading(group).name in entry.values for entry in entries):
            caption += " Hollow: published, other machines and tables; those on their front have names."
        return pages.figure(svg, f"Accuracy against size and time{self._noise(group)}", caption)

    def _profiles(self) -> Iterator[str]:
        shown = [self.groups[i] for i in self.whole]
        for column, where in (("r2_zero_test", "inside"), ("r2_zero_ood", "outside")):
            if all(group.runs[column].notna().any() for group in shown):
                yield pages.figure(
                    figures.profiles(shown, self.look, f"{self.prefix}{where}-", column),
                    f"Performance profile, R² {where} the domain",
                    "The higher and the further to the right a line stays, the better.",
                )

    def _ranks(self, place: int) -> str:
        result, group = self.tests[place], self.groups[place]
        if result is None:
            return ""
        subset = "" if group.subset == "all" else f", {group.subset}"
        title = f"Mean ranks{self._noise(group)}{subset}"
        picture = pages.figure(
            figures.critical_difference(result, self.look, f"{self.prefix}c{place}-"),
            title,
            f"By {leading(group).title} over the {result.problems} problems that all methods ran; bars join"
            " methods that cannot be told apart (Wilcoxon with Holm's correction, 5 %). Over all,"
            f" {'Friedman' if len(result.methods) > 2 else 'Wilcoxon'}'s test: p = {result.friedman_p:.2g}.",
        )
        rows = [
            f"<tr><td>{pages.esc(a)}</td><td>{pages.esc(b)}</td><td class=n>{p:.2g}</td></tr>"
            for (a, b), p in result.pairs.items()
        ]
        pairs = pages.opened("All pairs", pages.table(("method", "method", "p, corrected"), [("", rows)]))
        return picture + pairs if group.subset == "all" else pages.opened(title, picture + pairs)

    # ------------------------------------------------------------------------------------------ problems
    def _problems(self) -> str:
        by_problem: dict[str, list[dict[str, Any]]] = {}
        for i in self.whole:
            for run in self.groups[i].runs[list(pages.RUN_SHOWN)].to_dict("records"):
                by_problem.setdefault(run["problem"], []).append(run)
        present = {run["method"] for runs in by_problem.values() for run in runs}
        legend = "".join(
            pages.chip(method, method, "all", self.look) for method in self.look.methods if method in present
        )
        what = "recovered runs of all" if self.known else "median R²"
        blocks = (
            pages.problem_block(problem, by_problem[problem], self.look, self.known)
            for problem in sorted(by_problem, key=_natural)
        )
        return (
            f"<h3>Problem by problem</h3><p class=quiet>{legend} In the pills: {what}. Open a problem to see"
            f" every run.</p>{''.join(blocks)}"
        )

    def _noise(self, group: Group) -> str:
        return f", noise {group.noise:g}" if self.known else ""


def leading_published(group: Group) -> str:
    """The published measure nearest to our leading one."""
    return "srbench_solved" if group.has_truth else "r2_zero_test"


def _head(measure: Measure) -> tuple[str, str]:
    return f"{measure.title}{', %' if measure.unit == '%' else ''}", measure.meaning


def _score_cells(scores: Scores, measures: Sequence[Measure]) -> Iterator[tuple[str, str]]:
    """Method and its cells, the best figure of each column marked."""
    best = {m.name: _best(scores, m) for m in measures}
    for method, own in scores.items():
        cells = (pages.interval_cell(own[m.name], m, own[m.name].value == best[m.name]) for m in measures)
        yield method, "".join(cells)


def _best(scores: Scores, measure: Measure) -> float:
    """Best value among several methods, NaN where all are equal."""
    values = [own[measure.name].value for own in scores.values() if np.isfinite(own[measure.name].value)]
    if len(set(values)) < 2 or not measure.better:
        return float("nan")
    return max(values) if measure.better > 0 else min(values)


def _published_rows(
    entries: Sequence[Published], measures: Sequence[Measure], lead: str
) -> tuple[list[str], list[str]]:
    """Rows of the first few of each source, and of all."""
    shown, everything = [], []
    for source in dict.fromkeys(entry.source for entry in entries):
        own = [entry for entry in entries if entry.source == source]
        # A source that lacks our leading measure is ordered by the first one that it has.
        order = lead if any(lead in entry.values for entry in own) else next(iter(own[0].values))
        own = best_first(own, order)
        notes = {entry.note for entry in own}
        common = notes.pop() if len(notes) == 1 else ""
        facts = [
            f"Published, {source}: other machines and splits",
            f"{own[0].problems} problems",
            *(part for part in (own[0].budget, common) if part),
        ]
        if any("reported_size" in entry.values for entry in own):
            facts.append("size as the methods count it")
        head = f"<tr><td colspan={len(measures) + 3}>{pages.esc('; '.join(facts))}</td></tr>"
        rows = [_published_row(entry, measures, "" if common else entry.note) for entry in own]
        everything += [head, *rows]
        shown += [head, *rows[:_FIRST_PUBLISHED]]
    return shown, everything


def _published_row(entry: Published, measures: Sequence[Measure], note: str) -> str:
    hint = f" title='{pages.esc(note)}'" if note else ""
    name = f"<td{hint}>{pages.esc(entry.method)}{'*' if note else ''}</td>"
    cells = "".join(f"<td class=n>{pages.number(entry.value(m.name), m)}</td>" for m in measures)
    return f"<tr>{name}<td></td><td></td>{cells}</tr>"


def _natural(problem: str) -> list[tuple[int, str]]:
    """Sort key that takes numbers in a name for numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", problem)]
