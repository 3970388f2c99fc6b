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
# # Tell it what you know: templates, guesses, operators
#
# Whoever has a table usually knows something about it: a form, a suspicion, what cannot be. This is where it
# goes.

# %%
# %matplotlib inline
import numpy as np

from symnum import SymbolicRegressor

rng = np.random.default_rng(1)
budget = {"max_time": None, "max_evals": 2_000, "random_state": 0}

# %% [markdown]
# ## A template
#
# A damped signal with an unknown offset that depends on another variable. We know that there is a decay and
# that the rest is added; `f` and `g` are unknown functions, `A` is an unknown number.

# %%
t, x = rng.uniform(0, 4, 150), rng.uniform(1, 3, 150)
y = 2.5 * np.exp(-0.4 * t**2) + np.log(x)
model = SymbolicRegressor(template="A*exp(-f(t)) + g(x)", **budget)
model.fit(np.column_stack([t, x]), y, variable_names=["t", "x"])
print(model.expression_.text(5))

# %% [markdown]
# ## Guesses
#
# A formula you suspect is tried first, with its constants refined, and its parts become building blocks.
# The guess here is wrong by a factor and a term.

# %%
a, b = rng.uniform(0.5, 2, (2, 150))
y = 3.2 * np.sin(2 * a) / b + 0.5 * b
table = np.column_stack([a, b])
guided = SymbolicRegressor(guesses=["sin(2*a)/b"], **budget)
guided.fit(table, y, variable_names=["a", "b"])
print(guided.expression_.text(5))

# %% [markdown]
# ## Which operators, and how they may nest
#
# Only these operators; no sine inside a sine; formulas of at most 12 nodes.

# %%
plain = SymbolicRegressor(
    operators=["+", "*", "sin"], nested_constraints={"sin": {"sin": 0}}, max_complexity=12, **budget
)
plain.fit(table, 1.5 * np.sin(a * b) + a, variable_names=["a", "b"])
plain.equations_[["complexity", "r2", "equation"]].tail(3)

# %% [markdown]
# ## An operator of your own
#
# It is a formula of known operators and is written out in the result, so that the formula can be read,
# exported and loaded anywhere. Here a rectifier.

# %%
u = rng.uniform(-2, 2, 150)
own = SymbolicRegressor(extra_operators={"relu": "max(x, 0)"}, **budget)
own.fit(u[:, None], 2 * np.maximum(u - 0.5, 0) + 1, variable_names=["u"])
print(own.expression_.text(5))

# %% [markdown]
# ## Watching, and stopping when it is good enough
#
# A callback sees the front each time it changes. A true answer ends the search; what was found stays.

# %%
shown = set()


def good_enough(event):
    best = event.front[-1]
    if best.expression not in shown:
        print(f"R2 {best.r2:.6f}  {best.expression.text(3)}")
    shown.add(best.expression)
    return best.r2 > 0.999999


stopped = SymbolicRegressor(callbacks=[good_enough], **budget).fit(table, a**2 / b + 1)
print(stopped.stop_reason_)
