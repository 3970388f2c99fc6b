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
# # Formulas and data in one space: SNIP
#
# SNIP is a pair of networks. One reads a formula, the other a table of numbers, and both answer with a
# vector; training puts a formula and its own data at the same place (Meidani et al. 2024). Symnum ships a
# small pair, `snip-small`, for up to three variables. Here we compare, retrieve, look at a map of the space,
# and predict properties of functions from their formulas. It needs the extra `neural` and runs in about a
# minute.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score

from symnum import EquationGenerator, Expression, SNIPEmbedder, SymbolicRegressor
from symnum.plotting import plot_parity
from symnum.training.heads import fit_property, predict_property
from symnum.training.latent_map import plot_latent_map, project
from symnum.training.properties import property_samples

embedder = SNIPEmbedder("snip-small")
rng = np.random.default_rng(0)

# %% [markdown]
# ## Which formula belongs to which table?
#
# Eight formulas, and for each a table of 200 points made from it. The brighter a field, the more alike the
# network finds formula and table; nothing was fitted, and the tables hold numbers only.

# %%
formulas = [
    "sin(x0)",
    "sin(2*x0)",
    "x0**2",
    "x0**3 - 2*x0",
    "exp(-x0**2)",
    "exp(x0)",
    "sqrt(abs(x0))",
    "1/(1 + x0**2)",
]
x = rng.uniform(-3, 3, size=(200, 1))
tables = [(x, Expression.parse(text, ["x0"]).evaluate(x)) for text in formulas]
similarity = embedder.similarity(formulas, tables)

figure, ax = plt.subplots(figsize=(6.4, 5.0), layout="constrained")
shown = ax.imshow(similarity, cmap="viridis")
ax.set_xticks(range(len(formulas)), [f"data {i}" for i in range(len(formulas))], rotation=45)
ax.set_yticks(range(len(formulas)), [f"{text}   {i}" for i, text in enumerate(formulas)])
figure.colorbar(shown, label="similarity (cosine)")
plt.show()

# %% [markdown]
# The diagonal wins, and the neighbours make sense: the bell `exp(-x0**2)` and `1/(1 + x0**2)` are confused
# most.

# %% [markdown]
# ## Retrieval
#
# 500 formulas of a kind the network has not seen in training, with one to three variables, and their tables.
# For each table, how often is its own formula the most similar of the 500, or among the ten most similar?
# And what does noise do to that?

# %%
samples = EquationGenerator("improved", max_dim=3, seed=2_000_081).batch(0, 500)
equations = [samples.expression(i) for i in range(500)]
data = [
    (samples.X[i, :columns, :rows].T, samples.y[i, :rows])
    for i, (columns, rows) in enumerate(zip(samples.dims, samples.rows, strict=True))
]
of_equations = embedder.encode_equations(equations)


def recall(noise):
    """Share of tables whose formula is among the 1 and the 10 most similar ones, in percent."""
    noisy = [(X, y + noise * y.std() * rng.normal(size=y.shape)) for X, y in data]
    score = of_equations @ embedder.encode_data(noisy).T
    rank = (score > np.diag(score)).sum(axis=0)
    return {
        "noise (share of the spread)": noise,
        "R@1 (%)": 100 * np.mean(rank < 1),
        "R@10 (%)": 100 * np.mean(rank < 10),
    }


pd.DataFrame([recall(noise) for noise in (0.0, 0.01, 0.1, 0.5)])

# %% [markdown]
# By chance it would be 0.2 % and 2 %.
#
# ## Recognising a shape, then fitting it
#
# A noisy recording, and a small collection of shapes with constants that were not made for it. `nearest`
# says which shapes it resembles.

# %%
shapes = [
    "exp(-0.8*x0)*sin(3*x0)", "exp(-x0)", "1 - exp(-2*x0)", "sin(2*x0)", "sin(x0)**2", "exp(-(x0 - 2)**2)",
    "x0*exp(-x0)", "1/(1 + exp(-3*(x0 - 2)))", "x0/(1 + x0)", "log(1 + x0)", "sqrt(x0)", "x0**2", "1/x0",
    "1/(1 + x0**2)", "atan(x0)", "x0*(4 - x0)", "sin(2*x0)/x0",
]  # fmt: skip
t = np.sort(rng.uniform(0.1, 6, 200))
recorded = 3 * np.exp(-0.5 * t) * np.sin(4 * t) + 0.05 * rng.normal(size=200)
found = embedder.nearest(t, recorded, shapes, k=4)
pd.DataFrame(found)

# %%
figure, panels = plt.subplots(1, 4, figsize=(11, 2.6), layout="constrained", sharey=True)
for ax, one in zip(panels, found, strict=True):
    ax.plot(t, recorded / recorded.std(), ".", markersize=3, color="#0072b2", label="data")
    y = Expression.parse(one.equation).evaluate(t[:, None])
    ax.plot(t, (y - y.mean()) / y.std(), color="#d55e00", label="shape")
    ax.set_title(one.equation, fontsize=9, parse_math=False)
    ax.set_xlabel("x0")
panels[0].legend(fontsize=8)
panels[0].set_ylabel("standardised")
plt.show()

# %% [markdown]
# The network saw the shape, not the numbers. Given as guesses, the shapes are where a search starts, and it
# fits the numbers.

# %%
model = SymbolicRegressor(
    guesses=[one.equation for one in found], max_time=None, max_evals=2_000, random_state=0
)
model.fit(t[:, None], recorded)
print(model.expression_)
model.constants()

# %% [markdown]
# ## A map of the space
#
# Vectors of 300 formulas (dots) and of their tables (crosses), in two dimensions that keep neighbours
# together. Colour is the number of variables. Formulas and data lie in two clouds that do not overlap, as
# images and captions do in CLIP: training compares distances between the clouds, and nothing pulls them
# together. For comparing it makes no difference; for the picture the mean of each cloud is subtracted.

# %%
of_data = embedder.encode_data(data[:300])
clouds = [part - part.mean(axis=0) for part in (of_equations[:300], of_data)]
print("distance of the means", np.linalg.norm(of_equations[:300].mean(axis=0) - of_data.mean(axis=0)))
place = project(np.concatenate(clouds), "tsne")
plot_latent_map(place, np.tile(samples.dims[:300], 2), "variables", np.repeat([False, True], 300))

# %% [markdown]
# ## Properties of a function from its formula
#
# Does the curve rise more than it falls (`upwardness`), is it more often concave than convex (`ncr`, the
# non-convexity ratio), how often does it turn (`oscillation`)? A small head reads that from the vector of
# the *formula*: 400 formulas of one variable to learn from, 400 others to be tested on, the encoder frozen.
# Beside it the same from the counts of the formula's words, without a network.

# %%
names = ["upwardness", "ncr", "oscillation"]
train = property_samples(EquationGenerator("snip-1d", seed=2_000_029), 400, names)
test = property_samples(EquationGenerator("snip-1d", seed=2_000_003), 400, names)
encoder = embedder.fit()._model()


def counts(part):
    """How often each word occurs, (n, words)."""
    there = np.arange(part.tokens.shape[1]) < part.token_lengths[:, None]
    return np.stack(
        [np.bincount(ids[ok], minlength=2000)[:2000] for ids, ok in zip(part.tokens, there, strict=True)]
    )


rows, predicted = [], {}
for name in names:
    predicted[name] = predict_property(*fit_property(encoder, train, name, "frozen"), test)
    ridge = RidgeCV(np.logspace(-2, 4, 13)).fit(counts(train), train.targets[name])
    truth = test.targets[name]
    rows.append(
        {
            "property": name,
            "R2, head on SNIP": r2_score(truth, predicted[name]),
            "R2, counts": r2_score(truth, ridge.predict(counts(test))),
        }
    )
pd.DataFrame(rows)

# %%
plot_parity(test.targets["upwardness"], predicted["upwardness"], "upwardness")

# %% [markdown]
# Whether a curve rises cannot be counted from words: signs and places decide, and the vector knows. How
# often it turns shows in the words already. More formulas, and weights trained on one variable, do better;
# `pretrain/README.md` has the figures and how far they are from the published ones. The next tutorial trains
# such a pair.
