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
# # Networks that are formulas: DySymNet
#
# A network whose units are `sin`, `exp`, products and quotients computes a formula. Train it, take away the
# small weights, and read the formula off. Which units, how many, how many layers: a controller proposes, and
# learns from how well its networks did (Li et al. 2024). `search="dysymnet"` does that behind the usual
# `fit`. It needs the extra `neural` and runs in about a minute.

# %%
# %matplotlib inline
import numpy as np
import torch

from symnum import Expression, SymbolicRegressor
from symnum.network_plots import plot_network
from symnum.plotting import front_points, plot_pareto
from symnum.search.dysymnet.architecture import Architecture
from symnum.search.dysymnet.network import Networks
from symnum.search.dysymnet.presets import FAST
from symnum.search.dysymnet.readout import read_out
from symnum.search.dysymnet.training import train

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, size=(200, 2))
y = X[:, 0] * np.sin(2 * X[:, 1]) + 0.5 * X[:, 0] ** 2  # pretend not to know this

# %% [markdown]
# ## As any other search
#
# Budget and table as always. One evaluation is one step of one network.

# %%
model = SymbolicRegressor(search="dysymnet", max_time=None, max_evals=60_000, random_state=0)
model.fit(X, y)
model.equations_

# %%
plot_pareto(front_points(model), model.best_index_)

# %% [markdown]
# ## What a network looks like
#
# Here is one by hand: a layer of `sin`, `square` and `id`, then a product and `id`. Each unit reads sums of
# everything to its left (the inputs are `x0`, `x1` and 1) and the output is a sum of the last units. The
# search trains hundreds of such networks, of different shapes, as one tensor program. We train forty of the
# same shape from different random weights, because most get stuck.

# %%
shape = Architecture.of([["sin", "square", "id"], ["mul", "id"]])
networks = Networks.create(
    [shape] * 40, columns=3, skip=True, generator=torch.Generator().manual_seed(0), spread=FAST.spread
)
plot_network(networks, 0, ["x0", "x1", "1"])

# %%
x = torch.tensor(np.column_stack([X, np.ones(len(X))]).T.copy(), dtype=torch.float32)
target = torch.tensor(y, dtype=torch.float32)
row_weights = torch.full((len(y),), 1 / len(y))
trained = train(networks, x, target, row_weights, FAST.phases)
kept = torch.tensor(trained.rows)
best = int(trained.loss[kept].argmin())  # among those trained to the end
print(f"mean squared error: best {float(trained.loss.min()):.2g}, median {float(trained.loss.median()):.2g}")

# %% [markdown]
# The penalty on small weights (a smoothed L0.5) has pushed many of them to nearly zero. Grey links are below
# the threshold of
# 0.05; what only they reach is taken away, here the square.

# %%
plot_network(trained.networks, best, ["x0", "x1", "1"])

# %%
weights = trained.networks.weights[best].double().numpy()
inputs = [Expression.variable(0, ("x0", "x1")), Expression.variable(1, ("x0", "x1")), 1.0]
formula = read_out(shape, networks.layout, np.where(abs(weights) < 0.05, 0.0, weights), inputs, plain=True)
print(formula.text(4))

# %% [markdown]
# The heart of the law is there, `sin` of twice `x1` in a product with `x0`, among terms of no use. The
# search goes on from here: it fits the constants exactly (Levenberg and Marquardt), takes further ones away
# while the description gets shorter, and puts simple numbers where they explain the data as well. So it came
# to the exact formula above.
#
# ## The published form
#
# `preset="paper"` follows the authors' code: up to five layers, 22,000 steps for each network, an R2 of 0.99
# as the end. It takes minutes to hours; "fast" is the default.

# %%
from symnum.search.dysymnet.backend import DySymNetSearch

DySymNetSearch(preset="paper").get_params()
