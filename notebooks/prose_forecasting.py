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
# # Forecasting from a short recording: PROSE
#
# Two time units of a noisy recording are given, what follows is asked for, and the equations too. A network
# that has read many systems proposes equations (Liu, Zhang and Schaeffer 2024); their constants are then
# fitted to the recording, and the fitted system is integrated. It needs the extra `neural` and the shipped
# weights `prose-ode-small`, and runs in about a minute.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.integrate import solve_ivp

from symnum import PROSEForecaster

rng = np.random.default_rng(5)

# %% [markdown]
# ## The recording
#
# Lorenz' system with constants that are not the textbook's, seen for two units of time with 2 % noise.
# Pretend not to know the next lines.


# %%
def lorenz(t, u):
    x, y, z = u
    return [9.5 * (y - x), x * (29.0 - z) - y, x * y - 2.6 * z]


t = np.linspace(0, 10, 321)
exact = solve_ivp(lorenz, (0, 10), [1.2, -0.7, 1.5], t_eval=t, rtol=1e-10, atol=1e-12).y.T
recorded = exact + 0.02 * np.sqrt(np.mean(exact**2, axis=0)) * rng.normal(size=exact.shape)
given, asked = t <= 2, (t > 2) & (t <= 6)  # the network was trained for times up to 6
names = ["x", "y", "z"]

# %% [markdown]
# ## Forecast and equations from the data alone

# %%
model = PROSEForecaster("prose-ode-small", max_time=20, random_state=0)
model.fit(t[given], recorded[given], names=names)
for name, side in zip(names, model.equations(3), strict=True):
    print(f"d{name}/dt = {side}")

# %% [markdown]
# The network writes twenty-five systems, most of them the same but for the numbers. Each form is fitted to
# the window; they are ranked by how well they explain it and how likely the network finds them (bits, fewer
# are better). When one has most of the draws and fits, as here, the others are not tried.


# %%
def ranking(model):
    """Systems that could be fitted, best first."""
    return pd.DataFrame(
        {
            "from": [c.source for c in model.candidates_],
            "bits": [c.bits for c in model.candidates_],
            "equations": ["; ".join(e.text(3) for e in c.equations) for c in model.candidates_],
        }
    )


ranking(model)


# %%
def draw(model, title):
    """Data, forecast with its band, and what the network itself says of the states."""
    mean, deviation = model.forecast(t, return_std=True)
    alone = model.forecast(t[asked], route="network")
    _, panels = plt.subplots(3, 1, figsize=(8, 6), sharex=True, layout="constrained")
    for j, ax in enumerate(panels):
        ax.plot(t, exact[:, j], color="#c0c4cc", linewidth=3, label="truth")
        ax.plot(t[given], recorded[given, j], "o", color="#0072b2", markersize=3, label="given")
        band = mean[:, j] - 2 * deviation[:, j], mean[:, j] + 2 * deviation[:, j]
        ax.fill_between(t, *band, color="#d55e00", alpha=0.25, linewidth=0)
        ax.plot(t, mean[:, j], color="#d55e00", label="equations")
        ax.plot(t[asked], alone[:, j], ":", color="#009e73", label="network alone")
        ax.axvline(2, color="#6b7280", linestyle="--", linewidth=1)
        ax.set_ylabel(names[j])
        ax.set_ylim(exact[:, j].min() - 5, exact[:, j].max() + 5)
    panels[0].set_title(title, loc="left")
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False)
    panels[-1].set_xlabel("t")
    plt.show()


draw(model, "no guess")


# %%
def error(model, route="auto"):
    """Relative L2 error of the states from 2 to 6, in percent."""
    made = model.forecast(t[asked], route=route)
    return 100 * np.linalg.norm(made - exact[asked]) / np.linalg.norm(exact[asked])


print(f"equations {error(model):.1f} %, network alone {error(model, 'network'):.1f} %")

# %% [markdown]
# ## With a guess
#
# Somebody suspects a system of this kind, with round numbers, a term too many in the second equation and one
# too few in the third. A guess is read by the network together with the data, and is a candidate itself.

# %%
guess = ["10*(y - x)", "x*(25 - z) - y + 0.5*y*z", "x*y"]
guessed = PROSEForecaster("prose-ode-small", max_time=20, random_state=0)
guessed.fit(t[given], recorded[given], guess=guess, names=names)
for name, side in zip(names, guessed.equations(3), strict=True):
    print(f"d{name}/dt = {side}")
print(f"equations {error(guessed):.1f} %, network alone {error(guessed, 'network'):.1f} %")

# %%
draw(guessed, "with a wrong guess")

# %% [markdown]
# ## Something it does not know
#
# The network knows the fifteen families of systems it was trained on. A food chain of three species is none
# of them. It gets an answer all the same, and the forecast looks as smooth as a right one. What gives it
# away is `noise_`, what the best system leaves unexplained: far more than the instrument's noise.


# %%
def food_chain(t, u):
    x, y, z = u
    return [5 * x * (1 - y), 5 * y * (x - 0.6 - 0.5 * z), 5 * z * (0.5 * y - 0.4)]


t = np.linspace(0, 6, 193)
given, asked = t <= 2, t > 2
exact = solve_ivp(food_chain, (0, 6), [1.5, 0.8, 0.6], t_eval=t, rtol=1e-10, atol=1e-12).y.T
recorded = exact + 0.02 * np.sqrt(np.mean(exact**2, axis=0)) * rng.normal(size=exact.shape)
foreign = PROSEForecaster("prose-ode-small", max_time=20, random_state=0)
foreign.fit(t[given], recorded[given], names=names)
for name, side in zip(names, foreign.equations(3), strict=True):
    print(f"d{name}/dt = {side}")
added = (recorded - exact)[given].std(axis=0)
pd.DataFrame({"noise found": foreign.noise_, "noise added": added}, index=names)

# %% [markdown]
# A guess of the form, with any numbers, is fitted and wins.

# %%
known = PROSEForecaster("prose-ode-small", max_time=20, random_state=0)
known.fit(t[given], recorded[given], guess=["x*(4 - 4*y)", "y*(4*x - 2 - 2*z)", "z*(2*y - 1)"], names=names)
for name, side in zip(names, known.equations(3), strict=True):
    print(f"d{name}/dt = {side}")
pd.DataFrame({"noise found": known.noise_, "noise added": added}, index=names)

# %%
print(f"error of the forecast: {error(foreign):.0f} % without the guess, {error(known):.0f} % with it")

# %% [markdown]
# Where there is no guess, `DynamicsRegressor` searches without such knowledge; it takes the network's
# proposals too (`proposals=["prose"]`). Windows in units far from those of the training are rescaled;
# without a guess the network then rarely finds the system.
