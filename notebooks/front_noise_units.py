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
# # The Pareto front, noise and units
#
# How long does a car need to stop? We make measurements with 2 % noise from a known formula, pretend not to
# know it, and watch what noise, outliers and units do to the answer.

# %%
# %matplotlib inline
import numpy as np
import pandas as pd

from symnum import SymbolicRegressor
from symnum.fit_plots import plot_progress
from symnum.plotting import front_points, plot_pareto, plot_residuals

rng = np.random.default_rng(7)
table = pd.DataFrame(
    {
        "speed": rng.uniform(5, 45, 80),  # m/s
        "reaction": rng.uniform(0.5, 2.0, 80),  # s
        "friction": rng.uniform(0.2, 0.9, 80),
    }
)
distance = table.speed * table.reaction + table.speed**2 / (2 * 9.81 * table.friction)
measured = distance * (1 + 0.02 * rng.normal(size=80))

# %% [markdown]
# ## Reading the front

# %%
budget = {"max_time": None, "max_evals": 12_000, "random_state": 0}
model = SymbolicRegressor(**budget).fit(table, measured)
plot_pareto(front_points(model), model.best_index_)

# %% [markdown]
# The error falls steeply until the form is right and then only crawls: what comes after the bend describes
# the noise. The selected formula is the shortest description of the data, formula and residuals together.

# %%
print(model.expression_.text(4))
model.constants()

# %%
plot_residuals(measured, model.predict(table), "distance")

# %%
plot_progress(model)

# %% [markdown]
# ## Units
#
# With units the search runs in dimensionless groups first, and formulas that add metres to seconds are not
# selected. A constant may carry a unit: here the acceleration of gravity, which nobody told the search.

# %%
with_units = SymbolicRegressor(**budget)
with_units.fit(table, measured, X_units=["m/s", "s", "1"], y_units="m")
with_units.equations_[["complexity", "loss", "equation", "units_ok", "selected"]]

# %% [markdown]
# ## Outliers
#
# Five rows were written down wrongly. Squared errors chase them; the absolute error does not.

# %%
spoiled = measured.copy()
spoiled.iloc[:5] *= 4
for loss in ("squared", "absolute"):
    robust = SymbolicRegressor(loss=loss, max_time=None, max_evals=1_000, random_state=0)
    robust.fit(table, spoiled)
    off = np.median(np.abs(robust.predict(table) / distance - 1))
    print(f"{loss:9}  typical error {off:.1%}   {robust.expression_.text(3)}")
