"""The report of a campaign: one HTML page that needs nothing beside it, and its numbers as CSV tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from symnum.evaluation import figures, pages
from symnum.evaluation.aggregate import DRAWS, MEASURES, Group, Ranks, groups, prepare, ranks, score
from symnum.evaluation.health import health_section, run_facts
from symnum.evaluation.published import Published, read_published
from symnum.evaluation.sections import Scores, Section
from symnum.evaluation.store import load_runs
from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    import pandas as pd


def write_report(
    source: str | Path,
    out: str | Path,
    *,
    published: str | Path | None = None,
    title: str = "",
    about: str = "",
    draws: int = DRAWS,
) -> Path:
    """Write ``report.html`` and ``tables/*.csv``.

    Parameters
    ----------
    source : str or Path
        Folder of a store, or its CSV mirror.
    out : str or Path
        Folder to write to.
    published : str or Path, optional
        Folder of CSV files with results of others; they become extra rows, marked as published.
    title, about : str
        Heading and a sentence below it.
    draws : int
        Bootstrap draws for each interval.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InvalidInput
        When there are no runs, or a file of published results has the wrong columns.
    """
    runs = load_runs(source)
    table = prepare(runs)
    if table.empty:
        raise InvalidInput(
            f"all {len(runs)} runs in {str(source)!r} were skipped, there is nothing to report; the first: "
            f"{runs['message'].iloc[0] if len(runs) else 'none'}"
        )
    others = read_published(published)
    parts = list(groups(table))
    scores = {i: score(group, draws) for i, group in enumerate(parts)}
    tests = {i: ranks(group) for i, group in enumerate(parts)}
    look = figures.Look(_method_order(table))
    folder = Path(out)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    title = title or ", ".join(sorted(set(table["campaign"].dropna()))) or "Campaign"
    path = folder / "report.html"
    path.write_text(_html(title, about, runs, parts, scores, tests, others, look), encoding="utf-8")
    for name, frame in _tables(table, parts, scores, tests).items():
        frame.to_csv(folder / "tables" / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
    return path


def _method_order(table: pd.DataFrame) -> list[str]:
    """Our own methods first, so that they have the same colours on every page."""
    return sorted(table["method"].unique(), key=lambda name: (not name.startswith("symnum"), name))


# ---------------------------------------------------------------------------------------------- page
def _html(
    title: str,
    about: str,
    runs: pd.DataFrame,
    parts: Sequence[Group],
    scores: Mapping[int, Scores],
    tests: Mapping[int, Ranks | None],
    others: Sequence[Published],
    look: figures.Look,
) -> str:
    facts, warnings = run_facts(runs)
    listed = "".join(f"<div><dt>{pages.esc(k)}</dt><dd>{pages.esc(v)}</dd></div>" for k, v in facts)
    said = "".join(f"<p class=warning>{pages.esc(w)}</p>" for w in warnings)
    picture = pages.figure(
        figures.overview(parts, scores, look),
        "In short",
        "All problems of each suite, 95 % intervals by bootstrap over problems and seeds. A failed run counts"
        " as not recovered and as R² = 0.",
    )
    intro = f"<p>{pages.esc(about)}</p>" if about else ""
    body = [f"<h1>{pages.esc(title)}</h1>{intro}<dl class=facts>{listed}</dl>{said}{picture}"]
    contents = []
    settings = list(dict.fromkeys(group.setting for group in parts))
    for place, setting in enumerate(settings):
        mine = [i for i, group in enumerate(parts) if group.setting == setting]
        heading, anchor = _heading(setting, settings), f"s{place}"
        section = Section(
            anchor,
            [parts[i] for i in mine],
            [scores[i] for i in mine],
            [tests[i] for i in mine],
            others,
            look,
        )
        html = "".join(section.parts())
        body.append(f"<section><h2 id={anchor}>{pages.esc(heading)}</h2>{html}</section>")
        contents.append((anchor, heading))
    body.append(f"<section><h2 id=health>The harness itself</h2>{health_section(runs, look)}</section>")
    body.append(f"<section><h2 id=words>What the columns mean</h2>{_words()}</section>")
    contents += [("health", "The harness itself"), ("words", "Columns")]
    return pages.page(title, "\n".join(body), contents)


def _heading(setting: tuple[str, float, int, str], among: Sequence[tuple[str, float, int, str]]) -> str:
    """Name of a section: the suite, and of protocol and budget what differs between sections."""
    protocol, max_time, n_jobs, suite = setting
    words = [suite]
    words += [protocol] if len({s[0] for s in among}) > 1 else []
    words += [f"{max_time:g} s"] if len({s[1] for s in among}) > 1 else []
    words += [f"{n_jobs} threads"] if len({s[2] for s in among}) > 1 else []
    return ", ".join(words)


def _words() -> str:
    rows = (f"<tr><td>{pages.esc(m.title)}</td><td>{pages.esc(m.meaning)}</td></tr>" for m in MEASURES)
    notes = (
        "<p>Rates are means over seeds within a problem, then over problems; other figures are medians of"
        " medians. Below each stands its 95 % interval: 1,000 draws of problems and, within them, seeds; with"
        " one seed a problem, it speaks about other problems only. Where all runs agree, it is Wilson's. Bold"
        " is the best of a column, whether or not its lead is significant: for that, see the mean ranks. A"
        " failed run (error, time-out, out of memory, crash) counts as not solved and as R² = 0; a skipped"
        " one (method not installed, or not made for such problems) does not count. Published results come"
        " from other machines, budgets and splits, and their 'solved' is SRBench's rule.</p>"
    )
    return notes + pages.table(("column", "meaning"), [("", rows)])


# ---------------------------------------------------------------------------------------------- CSV
def _tables(
    table: pd.DataFrame,
    parts: Sequence[Group],
    scores: Mapping[int, Scores],
    tests: Mapping[int, Ranks | None],
) -> dict[str, pd.DataFrame]:
    """The page's numbers: scores, mean ranks, pairs of methods, problems, failures."""
    import pandas as pd

    summary, mean_ranks, pairs = [], [], []
    for i, group in enumerate(parts):
        key = {
            "protocol": group.protocol, "max_time": group.max_time, "n_jobs": group.n_jobs,
            "suite": group.suite, "noise": group.noise, "subset": group.subset,
        }  # fmt: skip
        for method, values in scores[i].items():
            for name, interval in values.items():
                summary.append(key | {"method": method, "measure": name, **interval._asdict()})
        if (result := tests[i]) is not None:
            mean_ranks += [
                key
                | {"method": m, "mean_rank": r, "problems": result.problems, "friedman_p": result.friedman_p}
                for m, r in zip(result.methods, result.mean_ranks, strict=True)
            ]
            pairs += [key | {"a": a, "b": b, "p": p} for (a, b), p in result.pairs.items()]
    by = ["protocol", "max_time", "n_jobs", "suite", "noise", "problem", "method"]
    problems = table.groupby(by, as_index=False).agg(
        runs=("key", "size"), failed=("failed", "sum"),
        **{m.name: (m.name, m.statistic) for m in MEASURES},
    )  # fmt: skip
    failures = table.loc[table["failed"] == 1, [*by, "seed", "status", "message"]]
    return {
        "summary": pd.DataFrame(summary),
        "ranks": pd.DataFrame(mean_ranks),
        "pairs": pd.DataFrame(pairs),
        "problems": problems,
        "failures": failures,
    }
