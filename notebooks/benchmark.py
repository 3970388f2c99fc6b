# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Running the benchmark
#
# `symnum bench` compares methods on problems whose truth is known. Here the smallest campaign that shows
# everything: four formulas from the literature, two methods, two seconds a fit. Larger ones are in
# `eval/configs`, and their results in `eval/results`.

# %%
# %matplotlib inline
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from IPython.display import display

from symnum.evaluation.store import load_runs

folder = Path(tempfile.mkdtemp())
campaign = folder / "small.yaml"
_ = campaign.write_text(
    """
name: small
about: Four formulas of the Nguyen suite, a first look.
methods: [symnum, gplearn]
max_time: 2
n_jobs: 1
workers: 2
problems:
  - find: classic/Nguyen-*
    every: 3
    first: 4
"""
)

# %% [markdown]
# On the command line this is `symnum bench small.yaml --out results`. It can be stopped at any moment; the
# same command goes on where it stopped. The report is one HTML page.

# %%
command = "from symnum.cli import main; main()"
done = subprocess.run(
    [sys.executable, "-c", command, "bench", str(campaign), "--out", str(folder / "results")],
    capture_output=True,
    text=True,
)
print(done.returncode)
print("\n".join(sorted(p.name for p in (folder / "results").iterdir())))

# %% [markdown]
# Every run is a row, with everything that was measured.

# %%
runs = load_runs(folder / "results")
columns = ["method", "problem", "recovered", "r2_test", "fit_seconds", "sympy_size", "truth", "equation"]
with pd.option_context("display.max_colwidth", 60, "display.precision", 3):
    display(runs[columns].sort_values(["problem", "method"]).reset_index(drop=True))

# %% [markdown]
# *Recovered* means: the same function as the truth, checked with numbers inside and outside the sampled box,
# in a form at most 1.5 times as long. A good R2 alone is not recovery:

# %%
runs.groupby("method")[["recovered", "accuracy_solution"]].mean()

# %% [markdown]
# Your own method takes part with two names, those of SRBench: `est`, an estimator with `fit` and `predict`,
# and `model(est, X)`, its formula as text. Put the path of the file among the `methods` of the campaign.
