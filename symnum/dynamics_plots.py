"""Figures of fitted equations of motion: forecast, phase portrait, right-hand sides.

Like those of `symnum.plotting`, every figure belongs to nobody; save it with ``figure.savefig(path)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.motion import Motion, prepare
from symnum.exceptions import InvalidInput
from symnum.plot_parts import BLUE, INK, MUTED, ORANGE, figure_and_axes, panels_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symnum.dynamics import DynamicsRegressor

Float = NDArray[np.float64]
_MOST_PANELS = 8


@styled
def plot_forecast(
    model: DynamicsRegressor,
    until: float | None = None,
    trajectory: int = 0,
    *,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Data of a trajectory, the fitted solution and its continuation with a band of two standard deviations.

    Parameters
    ----------
    model : DynamicsRegressor
        Fitted.
    until : float, optional
        Last time drawn; half the data's span beyond them when left out.
    trajectory : int
        Which of the fitted trajectories.
    ax : sequence of matplotlib Axes, optional
        Axes to draw into, one a state (of many states the first 8).
    """
    recording = _recording(model, trajectory)
    first, last = float(recording.t[0]), float(recording.t[-1])
    end = last + 0.5 * (last - first) if until is None else float(until)
    times = np.linspace(first, max(end, last), 600)
    mean, deviation = model.forecast(times, trajectory, return_std=True)
    figure, panels = panels_for(min(model.n_features_in_, _MOST_PANELS), ax)
    for j, axes in enumerate(panels):
        lower, upper = mean[:, j] - 2 * deviation[:, j], mean[:, j] + 2 * deviation[:, j]
        axes.fill_between(times, lower, upper, color=ORANGE, alpha=0.25, linewidth=0)
        axes.plot(times, mean[:, j], color=ORANGE, linewidth=1.5, label="equations (band: 2 deviations)")
        axes.plot(recording.t, recording.U[:, j], "o", color=BLUE, markersize=3.2, alpha=0.8, label="data")
        if end > last:
            axes.axvline(last, color=MUTED, linewidth=1, linestyle="--")
        axes.set_ylabel(str(model.feature_names_in_[j]), parse_math=False)
        axes.margins(x=0.01)
        # A forecast that runs away must not squeeze the data into a line.
        data = recording.U[:, j]
        margin = 0.5 * (np.nanmax(data) - np.nanmin(data) or 1.0)
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, np.nanmin(data) - margin), min(top, np.nanmax(data) + margin))
    panels[-1].set_xlabel("t")
    panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


@styled
def plot_phase_portrait(
    model: DynamicsRegressor, states: tuple[int, int] = (0, 1), *, ax: Axes | None = None
) -> Figure:
    """Stream lines of the equations in the plane of two states, with the data.

    Other states (and an explicit time) are held at their medians. One state alone is drawn as its right-hand
    side over the state, with arrows on the axis; ``order=2`` is drawn in the plane of state and velocity.

    Parameters
    ----------
    model : DynamicsRegressor
        Fitted.
    states : (int, int)
        Places of the two states among all states, velocities after the observed ones.
    ax : matplotlib Axes, optional
        Axes to draw into.

    Raises
    ------
    InvalidInput
        When there are no such states.
    """
    motion = _motion(model)
    everything = np.concatenate(motion.states)
    count = motion.observed * motion.order
    figure, axes = figure_and_axes(6.4, 5.2, ax)
    if count == 1:
        _line(model, axes, motion, everything)
        return figure
    if len(states) != 2 or states[0] == states[1] or not all(0 <= s < count for s in states):
        raise InvalidInput(f"two different states of 0 to {count - 1} expected, got {states!r}")
    a, b = states
    spans = []
    for j in (a, b):
        low, high = float(everything[:, j].min()), float(everything[:, j].max())
        margin = 0.15 * (high - low or 1.0)
        spans.append(np.linspace(low - margin, high + margin, 60))
    grid = np.tile(np.median(everything, axis=0), (60 * 60, 1))
    grid[:, a], grid[:, b] = (g.reshape(-1) for g in np.meshgrid(*spans))
    slopes = model.solution_.flow.slopes(grid)
    U, V = (slopes[:, j].reshape(60, 60) for j in (a, b))
    axes.streamplot(
        spans[0], spans[1], U, V, color=MUTED, linewidth=0.7, density=1.1, arrowsize=0.8, zorder=1
    )
    for k, recording in enumerate(model.trajectories_):
        if b < motion.observed:
            axes.plot(
                recording.U[:, a], recording.U[:, b], "o", color=BLUE, markersize=3, alpha=0.7,
                label="data" if k == 0 else None,
            )  # fmt: skip
        times = np.linspace(recording.t[0], recording.t[-1], 800)
        solution = model.solution_.forecast(times, k)
        label = "equations" if k == 0 else None
        axes.plot(solution[:, a], solution[:, b], color=ORANGE, linewidth=1.5, label=label)
    axes.set_xlim(spans[0][0], spans[0][-1])
    axes.set_ylim(spans[1][0], spans[1][-1])
    axes.set_xlabel(motion.names[a], parse_math=False)
    axes.set_ylabel(motion.names[b], parse_math=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


@styled
def plot_right_hand_sides(
    model: DynamicsRegressor, trajectory: int = 0, *, ax: Sequence[Axes] | None = None
) -> Figure:
    """Derivatives of the smoothed data with their standard deviations, and the right-hand sides along them.

    Parameters
    ----------
    model : DynamicsRegressor
        Fitted.
    trajectory : int
        Which of the fitted trajectories.
    ax : sequence of matplotlib Axes, optional
        Axes to draw into, one a state (of many states the first 8).
    """
    recording = _recording(model, trajectory)
    motion = _motion(model)
    rows = motion.rows[trajectory]
    slopes, deviations = motion.slopes[trajectory][rows], motion.deviations[trajectory][rows]
    made = model.solution_.slopes(model.solution_.forecast(recording.t, trajectory))
    figure, panels = panels_for(min(model.n_features_in_, _MOST_PANELS), ax)
    sides = model.equations_["state"].tolist()
    for j, axes in enumerate(panels):
        axes.errorbar(
            recording.t, slopes[:, j], deviations[:, j], fmt="o", color=BLUE, markersize=3, elinewidth=0.8,
            alpha=0.8, label="smoothed data",
        )  # fmt: skip
        axes.plot(recording.t, made[:, j], color=ORANGE, linewidth=1.5, label="equation", zorder=3)
        axes.set_ylabel(sides[j], parse_math=False)
        axes.margins(x=0.02)
    panels[-1].set_xlabel("t")
    panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


# -------------------------------------------------------------------------------------------- parts
def _recording(model: DynamicsRegressor, trajectory: int):  # noqa: ANN202
    count = len(model.trajectories_)
    if not 0 <= trajectory < count:
        raise InvalidInput(f"trajectory {trajectory} is outside the {count} fitted ones")
    return model.trajectories_[trajectory]


def _motion(model: DynamicsRegressor) -> Motion:
    return prepare(model.trajectories_, list(model.feature_names_in_), model.order, model.explicit_time)


def _line(model: DynamicsRegressor, axes: Axes, motion: Motion, everything: Float) -> None:
    """Right-hand side of a single state over the state."""
    low, high = float(everything[:, 0].min()), float(everything[:, 0].max())
    margin = 0.15 * (high - low or 1.0)
    grid = np.tile(np.median(everything, axis=0), (400, 1))
    grid[:, 0] = np.linspace(low - margin, high + margin, 400)
    side = model.solution_.slopes(grid)[:, 0]
    data = np.concatenate([s[r, 0] for s, r in zip(motion.states, motion.rows, strict=True)])
    slope = np.concatenate([s[r, 0] for s, r in zip(motion.slopes, motion.rows, strict=True)])
    axes.axhline(0.0, color=MUTED, linewidth=1)
    axes.plot(data, slope, "o", color=BLUE, markersize=3.2, alpha=0.7, label="smoothed data")
    axes.plot(grid[:, 0], side, color=ORANGE, linewidth=1.6, label="equation")
    for x in np.linspace(low, high, 12):
        rate = float(np.interp(x, grid[:, 0], side))
        axes.plot(x, 0.0, marker=">" if rate > 0 else "<", color=INK, markersize=5)
    axes.set_xlabel(motion.names[0], parse_math=False)
    axes.set_ylabel(str(model.equations_["state"][0]), parse_math=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
