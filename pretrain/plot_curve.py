"""Picture of a training curve: ``python pretrain/plot_curve.py runs/snip-small/curve.csv curve.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes


def draw_recall(axes: Axes, curve: pd.DataFrame) -> None:
    """Recall among held-out pairs, of a run of SNIP."""
    measured = curve.dropna(subset=["r1_data_1024"])
    for size, style in ((1024, "o-"), (10000, "s--")):
        for k in (1, 10):
            both = 100 * (measured[f"r{k}_data_{size}"] + measured[f"r{k}_formula_{size}"]) / 2
            axes.plot(measured["step"], both, style, label=f"R@{k} among {size:,}")
    axes.set(xlabel="step", ylabel="recall, mean of both ways, %", ylim=(0, 100))


def draw_errors(axes: Axes, curve: pd.DataFrame) -> None:
    """Errors on held-out equations, of a run of PROSE."""
    measured = curve.dropna(subset=["data_error"])
    axes.plot(measured["step"], 100 * measured["data_error"], "o-", label="states, all later times")
    axes.plot(measured["step"], 100 * measured["data_error_near"], "s-", label="states, first half of them")
    axes.plot(measured["step"], 100 * (1 - measured["word_accuracy"]), "^--", label="words that are wrong")
    axes.set(xlabel="step", ylabel="held-out error, %", ylim=(0, None))


def draw_solved(axes: Axes, curve: pd.DataFrame) -> None:
    """Words, skeletons and fits on held-out functions, of a run of the decoder."""
    measured = curve.dropna(subset=["in_50"])
    for name, style, label in (
        ("word_accuracy", "o-", "words right, given those before"),
        ("r2_99", "s-", "R2 > .99, best of 50 samples"),
        ("r2_999", "^-", "R2 > .999"), ("in_50", "v--", "skeleton among 50 samples"),
    ):  # fmt: skip
        axes.plot(measured["step"], 100 * measured[name], style, label=label)
    axes.set(xlabel="step", ylabel="held-out functions, %", ylim=(0, 100))


def main() -> None:
    """Loss on the left, measures on held-out samples on the right, over steps."""
    parser = argparse.ArgumentParser(description="Loss and held-out measures over steps.")
    parser.add_argument("curve", type=Path, help="curve.csv of a run, or a table in pretrain/results")
    parser.add_argument("picture", type=Path, help="PNG, SVG or PDF")
    given = parser.parse_args()
    curve = pd.read_csv(given.curve).drop(columns="eval_loss", errors="ignore")
    curve = curve.rename(columns=lambda name: name.removeprefix("eval_"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), constrained_layout=True)
    left.plot("step", "loss", data=curve.dropna(subset=["loss"]))
    left.set(xlabel="step", ylabel="loss", yscale="log")
    draw = draw_errors if "data_error" in curve else draw_solved if "in_50" in curve else draw_recall
    draw(right, curve)
    right.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(given.picture, dpi=120)


if __name__ == "__main__":
    main()
