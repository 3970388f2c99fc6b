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
# # Quick start: from a table to a formula
#
# Two real tables: the planets, and Edwin Hubble's 24 nebulae of 1929. The first has almost no noise and a
# law behind it; in the second nearly everything is noise. It runs in under a minute.

# %%
# %matplotlib inline
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Math, display

from symnum import SymbolicRegressor
from symnum.fit_plots import plot_slices
from symnum.plotting import front_points, plot_fit_1d, plot_pareto

data = Path("../datasets")
planets = pd.read_csv(data / "planets" / "planets.csv")
planets

# %% [markdown]
# ## The planets
#
# We ask for the period in terms of three columns, two of which have nothing to do with it. A budget of
# formulas (`max_evals`) instead of seconds makes every run give the same table; leave it out and the search
# takes at most a minute, less when it finds something exact.

# %%
X = planets[["semi_major_axis", "eccentricity", "mass"]]
model = SymbolicRegressor(max_time=None, max_evals=3_000, random_state=0).fit(X, planets["period"])
model.equations_

# %% [markdown]
# Each row is the best formula of its size. One is selected: the one that describes the data in the fewest
# bits, because a longer formula must earn its length. The picture shows why two rows deserve a look.

# %%
plot_pareto(front_points(model), model.best_index_)

# %% [markdown]
# The error falls steeply until `semi_major_axis**1.5` is in the formula, and then crawls. The formula of five
# nodes at the bend is what Kepler found in 1618. If another row is selected, it explains what is left by
# small terms: eight rows are few, the values are very precise, and the planets do pull at each other. No
# rule replaces the look at the bend, and every method takes the row you want.

# %%
bend = int(model.equations_.index[model.equations_["complexity"] == 5][0])
display(Math(r"\mathrm{period} = " + model.latex(bend, digits=6)))
model.constants(bend)

# %% [markdown]
# A measured constant comes with its standard deviation; the exponent is a simple fraction and counts as
# part of the form.
#
# Take the formula along: as a sympy expression, as a function in C, as the text of a spreadsheet's cell.

# %%
model.sympy(bend)

# %%
print(model.source("c", bend, function="period_in_days"))
print(model.source("excel", bend))

# %% [markdown]
# ## Hubble's nebulae
#
# Twenty-four points with a large scatter. The front is short: the data do not support more.

# %%
nebulae = pd.read_csv(data / "hubble1929" / "hubble1929.csv")
hubble = SymbolicRegressor(max_time=None, max_evals=1_000, random_state=0)
hubble.fit(nebulae[["distance"]], nebulae["velocity"])
hubble.equations_

# %%
print(hubble.expression_)
hubble.constants()

# %% [markdown]
# `predict_interval` says where a new measurement would lie, nineteen times out of twenty, if the form is
# right. The picture shows both uncertainties: that of the line and that of a measurement.

# %%
lower, upper = hubble.predict_interval(pd.DataFrame({"distance": [1.0]}))
print(f"a nebula at 1 Mpc: between {lower[0]:.0f} and {upper[0]:.0f} km/s")
plot_slices(hubble, nebulae[["distance"]], nebulae["velocity"], target="velocity")

# %% [markdown]
# ## Keep it
#
# A model is a small JSON file without code.

# %%
model.save("planets.json")
again = SymbolicRegressor.load("planets.json")
print(np.array_equal(again.predict(X), model.predict(X)))
Path("planets.json").unlink()

# %%
axis = planets["semi_major_axis"].to_numpy()
plot_fit_1d(
    axis,
    planets["period"].to_numpy(),
    lambda x: model.expressions_[bend].evaluate({"semi_major_axis": x}),
    "semi_major_axis (AU)",
    "period (days)",
)
