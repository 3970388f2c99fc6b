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
# # Equations of motion from data
#
# A recorded trajectory in, a system of differential equations out: `DynamicsRegressor`. Two examples, each
# with noise: a predator and its prey, and a pendulum of which only the angle was recorded. It runs in under
# three minutes.

# %%
# %matplotlib inline
import numpy as np
from IPython.display import Math, display
from scipy.integrate import solve_ivp

from symnum import DynamicsRegressor
from symnum.dynamics_plots import plot_forecast, plot_phase_portrait, plot_right_hand_sides

rng = np.random.default_rng(4)


def record(system, start, t):
    """Exact trajectory of a system, shape (n, d)."""
    return solve_ivp(system, (t[0], t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-12).y.T


# %% [markdown]
# ## Predator and prey
#
# Rosenzweig and MacArthur's predators get full: the more prey, the smaller the share they catch. We record
# 90 points at irregular times, with 2 % noise. Pretend not to know the next three lines.


# %%
def predation(t, u):
    prey, predators = u
    eaten = prey * predators / (1 + prey)
    return [prey * (1 - prey / 4) - eaten, 0.7 * eaten - 0.3 * predators]


t = np.sort(rng.uniform(0, 30, 90))
t[0] = 0.0
exact = record(predation, [3.0, 0.4], t)
data = exact + 0.02 * exact.std(axis=0) * rng.normal(size=exact.shape)

model = DynamicsRegressor(max_time=50, random_state=0)
model.fit(t, data, names=["prey", "predators"])
display(Math(model.latex()))
model.equations_

# %% [markdown]
# Each constant comes with its standard deviation. Where a simple number explains the data as well, it was
# put in its place.

# %%
model.constants_

# %% [markdown]
# The forecast goes on where the data end. The band is two standard deviations of the trajectory, from the
# covariance of constants and initial state.

# %%
plot_forecast(model, until=60)

# %%
plot_phase_portrait(model)

# %% [markdown]
# Nothing was differentiated to choose the equations: candidates are compared with the data as integrals, and
# whole systems as trajectories. As a check, here are derivatives of smoothed data beside the right-hand
# sides.

# %%
plot_right_hand_sides(model)

# %% [markdown]
# How good is it from a start that was not recorded?

# %%
later = np.linspace(0, 40, 200)
start = [0.8, 2.0]
truth, made = record(predation, start, later), model.simulate(start, later)
print("R2 from another start:", 1 - ((truth - made) ** 2).sum() / ((truth - truth.mean(axis=0)) ** 2).sum())

# %% [markdown]
# ## A pendulum, from its angle alone
#
# With `order=2` only positions are needed: the regressor seeks the acceleration in terms of angle and
# angular velocity.


# %%
def pendulum(t, u):
    angle, velocity = u
    return [velocity, -9.81 / 2.5 * np.sin(angle) - 0.15 * velocity]


t = np.linspace(0, 12, 120)
angle = record(pendulum, [2.2, 0.0], t)[:, 0]
measured = angle + 0.02 * rng.normal(size=len(t))

swing = DynamicsRegressor(order=2, max_time=30, random_state=0).fit(t, measured, names=["theta"])
display(Math(swing.latex()))
swing.constants_

# %%
plot_forecast(swing, until=24)

# %%
plot_phase_portrait(swing)

# %% [markdown]
# The model is a JSON file: `swing.save("pendulum.json")`, and `DynamicsRegressor.load` brings it back. On
# the command line: `symnum dynamics pendulum.csv --time-column t --order 2`.
