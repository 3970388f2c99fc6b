"""Picture of a training curve: ``python pretrain/plot_curve.py runs/snip-small/curve.csv curve.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd


def main() -> None:
    """Loss on the left, recall among held-out pairs on the right, over steps."""
    parser = argparse.ArgumentParser(description="Loss and recall over steps.")
    parser.add_argument("curve", type=Path, help="curve.csv of a run, or a table in pretrain/results")
    parser.add_argument("picture", type=Path, help="PNG, SVG or PDF")
    given = parser.parse_args()
    curve = pd.read_csv(given.curve).rename(columns=lambda name: name.removeprefix("eval_"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), constrained_layout=True)
    left.plot(curve["step"], curve["loss"])
    left.set(xlabel="step", ylabel="contrastive loss")
    measured = curve.dropna(subset=["r1_data_1024"])
    for size, style in ((1024, "o-"), (10000, "s--")):
        for k in (1, 10):
            both = 100 * (measured[f"r{k}_data_{size}"] + measured[f"r{k}_formula_{size}"]) / 2
            right.plot(measured["step"], both, style, label=f"R@{k} among {size:,}")
    right.set(xlabel="step", ylabel="recall, mean of both ways, %", ylim=(0, 100))
    right.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(given.picture, dpi=120)


if __name__ == "__main__":
    main()
