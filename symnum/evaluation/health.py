"""What a report says about the campaign itself: machine, load, failures, how far verdicts can be trusted."""

from __future__ import annotations

from collections.abc import Iterable

from symnum.evaluation import pages
from symnum.evaluation.aggregate import Frame
from symnum.evaluation.figures import Look
from symnum.evaluation.task import STATUSES

_BUSY = 1.5  # runnable processes per core


def run_facts(runs: Frame) -> tuple[list[tuple[str, str]], list[str]]:
    """Facts for the head of the page, and warnings about how the runs were made."""
    count = runs["status"].value_counts()
    failed = sum(int(count.get(s, 0)) for s in STATUSES if s not in ("ok", "skipped"))
    facts = [
        ("runs", f"{len(runs):,}"),
        ("failed", f"{failed:,}"),
        ("skipped", f"{int(count.get('skipped', 0)):,}"),
        ("methods", str(runs["method"].nunique())),
        ("problems", str(runs["problem"].nunique())),
        ("seeds", str(runs["seed"].nunique())),
        ("budget", _several(f"{s:g} s" for s in sorted(runs["max_time"].unique()))),
        ("threads", _several(str(n) for n in sorted(runs["n_jobs"].unique()))),
        ("processor", _several(sorted(runs["cpu"].dropna().unique()))),
        ("symnum", _several(sorted(runs["symnum_version"].dropna().unique()))),
        ("Python", _several(sorted(runs["python_version"].dropna().unique()))),
        ("finished", str(runs["finished"].dropna().max())[:10]),
    ]
    warnings = []
    busy = float((runs["load"] > _BUSY).mean())
    if busy > 0.02:
        warnings.append(
            f"{100 * busy:.0f} % of the runs began while more than {_BUSY:g} processes a core were waiting:"
            " times and everything under a time budget are worse than on an idle machine."
        )
    crowded = (runs["lanes"] * runs["n_jobs"] > runs["cores"]).fillna(False).astype(bool)
    if crowded.any():
        warnings.append(
            f"{int(crowded.sum()):,} runs shared their cores with others (runs at a time, times threads, were"
            " more than the cores); on a cluster of several machines this may be no problem."
        )
    machines = runs["cpu"].nunique()
    if machines > 1:
        warnings.append(f"The runs come from {machines} kinds of processors; their times cannot be compared.")
    return [(k, v) for k, v in facts if v], warnings


def health_section(runs: Frame, look: Look) -> str:
    """Failures by method, reasons, and agreement of the verdicts."""
    return f"<h3>How the runs ended</h3>{_endings(runs, look)}<h3>Verdicts</h3>{_verdicts(runs)}"


def _several(values: Iterable[object]) -> str:
    return ", ".join(str(v) for v in values)


def _endings(runs: Frame, look: Look) -> str:
    rows, reasons = [], []
    for method, own in runs.groupby("method"):
        count = own["status"].value_counts()
        overhead = (own["run_seconds"] - own["total_seconds"]).astype(float).median()
        cells = "".join(f"<td class=n>{int(count.get(s, 0))}</td>" for s in STATUSES)
        extra = f"<td class=n>{overhead:.2f}</td>" if overhead == overhead else "<td class=n>–</td>"
        peak = own["run_peak_mb"].astype(float).max()
        extra += f"<td class=n>{peak:,.0f}</td>" if peak == peak else "<td class=n>–</td>"
        name = str(method)
        head = pages.method_cell(name, look) if name in look.methods else f"<th>{pages.esc(name)}</th>"
        rows.append(f"<tr>{head}{cells}{extra}</tr>")
        said = own.loc[own["status"] != "ok", ["status", "message"]].dropna().value_counts().head(5)
        reasons += [
            f"<tr><td>{pages.esc(name)}</td><td>{pages.esc(status)}</td><td class=n>{n}</td>"
            f"<td>{pages.esc(str(message)[:300])}</td></tr>"
            for (status, message), n in said.items()
        ]
    heads = [
        "method",
        *STATUSES,
        ("overhead, s", "median wall-clock time of a run outside of data, fit and verdicts"),
    ]
    heads.append(("most memory, MiB", "highest of all runs, all processes of a run together"))
    text = pages.table(heads, [("", rows)])
    if reasons:
        why = pages.table(("method", "outcome", "runs", "reason"), [("", reasons)])
        text += f"<details><summary>Reasons, the most frequent of each method</summary>{why}</details>"
    return text


def _verdicts(runs: Frame) -> str:
    """How often algebra gives up, and where the verdicts contradict each other."""
    judged = runs[(runs["status"] == "ok") & runs["has_truth"].astype(bool) & runs["equation"].notna()]
    if judged.empty:
        return "<p>No run of a problem with a known formula.</p>"
    n = len(judged)
    symbolic, numeric = judged["symbolic"].fillna("unknown"), judged["numeric"].fillna("unknown")
    solved = judged["srbench_solved"].eq(True).fillna(False).astype(bool)
    tried = judged["srbench_status"]
    same, other = numeric == "equal", numeric == "different"
    facts = [
        ("exact algebra undecided", symbolic == "unknown", n),
        ("numeric probing undecided", numeric == "unknown", n),
        ("algebra says equal, probing says different", (symbolic == "equal") & other, n),
        ("algebra says different, probing says equal", (symbolic == "different") & same, n),
        ("right form, other constants", (judged["form"] == "equal") & other, n),
        ("SRBench's rule: error or time-out", tried.isin(["error", "timeout"]), n),
        ("SRBench's rule accepts what probing calls different", solved & other, int(other.sum())),
        ("SRBench's rule rejects what probing calls equal", ~solved & same, int(same.sum())),
    ]
    rows = [
        f"<tr><td>{pages.esc(name)}</td><td class=n>{int(hits.sum())}</td><td class=n>{of}</td>"
        f"<td class=n>{100 * hits.sum() / of if of else 0:.1f} %</td></tr>"
        for name, hits, of in facts
    ]
    return pages.table(("", "runs", "of", "share"), [("", rows)])
