# ruff: noqa: ANN001, ANN202  (numba infers the types)
"""Compiled Dormand-Prince integration of postfix programs, many trajectories side by side.

Each lane carries one trajectory with a time and a step of its own, so a trajectory does not depend on the
others; a lane whose trajectory ends takes the next one. Operators run over all lanes at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LANES = 32
"""Trajectories side by side, a multiple of the width of the compiled operators."""

OK, BOUND, STEPS, NOT_FINITE = 0, 1, 2, 3

# Dormand & Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6, 1980: RK5(4)7M.
STAGES = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [1 / 5, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
# Fifth order minus fourth order.
ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])
# Shampine, Some practical Runge-Kutta formulas, Math. Comp. 46, 1986: quartic interpolation inside a step.
DENSE = np.array(
    [
        [1, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432],
        [0, 0, 0, 0],
        [0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799],
        [0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072],
        [0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632],
        [0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844],
        [0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423],
    ]
)


@njit(nogil=True, error_model="numpy", cache=True)
def _derivatives(run, codes, offsets, constants, const_offsets, w, levels, base, stack, k):
    """Values of all programs on the variable rows, from row ``base`` on, into ``k`` (d, lanes)."""
    lanes = w.shape[1]
    for p in range(k.shape[0]):
        r = run(
            codes, offsets[p], offsets[p + 1], constants, const_offsets[p], w, base, levels, 0, lanes, stack,
        )  # fmt: skip
        for j in range(lanes):
            k[p, j] = w[r, j]


@njit(nogil=True, error_model="numpy", cache=True)
def _copy(source, target, first, at, count):
    """Copy rows; slices would take long to compile."""
    for i in range(count):
        for j in range(source.shape[1]):
            target[at + i, j] = source[first + i, j]


@njit(nogil=True, error_model="numpy", cache=True)
def _first_step(y, f, j, span, rtol, atol):
    """First guess of the step (Hairer, Norsett & Wanner, Solving ODEs I, II.4), and whether it is finite."""
    size = slope = 0.0
    for i in range(y.shape[0]):
        scale = atol + rtol * abs(y[i, j])
        size += (y[i, j] / scale) ** 2
        slope += (f[i, j] / scale) ** 2
    if not np.isfinite(slope):
        return 0.0, False
    size, slope = np.sqrt(size), np.sqrt(slope)
    step = 1e-6 if size < 1e-5 or slope < 1e-5 else 0.01 * size / slope
    return min(step, span), True


@njit(nogil=True, error_model="numpy", cache=True)
def integrate(
    run, codes, offsets, constants, const_offsets, initial, parameters, times, rtol, atol, bound, max_steps,
    stages, error, dense, w, levels, base, out, status, steps,
):  # fmt: skip
    """Fill ``out`` (n, m, d), ``status`` (n,), ``steps`` (n,); variables are rows of ``w`` from ``base`` on.

    ``run`` is `symnum.expressions._kernels.run`, with the layout of the workspace ``w`` explained there.
    ``initial`` (n, d) holds at ``times[:, 0]``; ``parameters`` (n, p) are the columns after the d states.
    """
    n, d = initial.shape
    lanes, m, extra = w.shape[1], times.shape[1], parameters.shape[1]
    stack = np.zeros(2 * levels, np.int64)
    y, k = np.zeros((d, lanes)), np.zeros((7, d, lanes))
    t, h = np.zeros(lanes), np.zeros(lanes)
    trial = np.zeros((d, lanes))
    who = np.full(lanes, -1)  # trajectory of a lane, -1 when there is none left
    due = np.zeros(lanes, np.int64)  # next entry of its times
    fresh = np.ones(lanes, np.bool_)
    pending = active = 0
    while True:
        # Lanes that are free take the next trajectories.
        any_fresh = False
        for j in range(lanes):
            if not fresh[j]:
                continue
            if pending >= n:
                fresh[j], who[j], h[j] = False, -1, 0.0
                continue
            any_fresh, active = True, active + 1
            who[j], due[j], t[j] = pending, 1, times[pending, 0]
            status[pending], steps[pending] = 0, 0
            for i in range(d):
                y[i, j] = out[pending, 0, i] = initial[pending, i]
            for i in range(extra):
                w[base + d + i, j] = parameters[pending, i]
            pending += 1
        if active == 0:
            return
        if any_fresh:
            _copy(y, w, 0, base, d)
            _derivatives(run, codes, offsets, constants, const_offsets, w, levels, base, stack, trial)
            for j in range(lanes):
                if fresh[j]:
                    for i in range(d):
                        k[0, i, j] = trial[i, j]
                    h[j], fine = _first_step(y, trial, j, times[who[j], m - 1] - t[j], rtol, atol)
                    fresh[j] = False
                    if m == 1 or not fine:
                        status[who[j]] = 0 if m == 1 else 3
                        fresh[j], who[j], active = True, -1, active - 1
                        h[j] = 0.0
        # One trial step in every lane.
        for s in range(1, 7):
            for i in range(d):
                for j in range(lanes):
                    w[base + i, j] = 0.0
                for q in range(s):
                    a = stages[s, q]
                    for j in range(lanes):
                        w[base + i, j] += a * k[q, i, j]
                for j in range(lanes):
                    w[base + i, j] = y[i, j] + h[j] * w[base + i, j]
            if s == 6:
                _copy(w, trial, base, 0, d)
            _derivatives(run, codes, offsets, constants, const_offsets, w, levels, base, stack, k[s])
        for j in range(lanes):
            row = who[j]
            if row < 0:
                continue
            steps[row] += 1
            total, largest = 0.0, 0.0
            for i in range(d):
                e = 0.0
                for q in range(7):
                    e += error[q] * k[q, i, j]
                scale = atol + rtol * max(abs(y[i, j]), abs(trial[i, j]))
                total += (h[j] * e / scale) ** 2
                largest = max(largest, abs(trial[i, j]))
            norm = np.sqrt(total / d)
            end = -1
            if norm <= 1.0:
                while due[j] < m and times[row, due[j]] <= t[j] + h[j]:
                    x = (times[row, due[j]] - t[j]) / h[j]
                    for i in range(d):
                        v = 0.0
                        for q in range(7):
                            c = dense[q, 3]
                            for g in (2, 1, 0):
                                c = c * x + dense[q, g]
                            v += k[q, i, j] * c
                        out[row, due[j], i] = y[i, j] + h[j] * x * v
                    due[j] += 1
                t[j] += h[j]
                for i in range(d):
                    y[i, j] = trial[i, j]
                    k[0, i, j] = k[6, i, j]
                if due[j] == m:
                    end = 0
                elif largest > bound:
                    end = 1
                h[j] *= min(5.0, 0.9 * norm**-0.2) if norm > 0.0 else 5.0
                h[j] = min(h[j], times[row, m - 1] - times[row, 0])
            elif norm > 1.0:
                h[j] *= max(0.2, 0.9 * norm**-0.2)
            else:  # not a number: the step left the domain
                h[j] *= 0.2
            if end < 0 and steps[row] >= max_steps:
                end = 2
            if end < 0 and h[j] <= 1e-15 * max(1.0, abs(t[j])):
                end = 3
            if end >= 0:
                status[row] = end
                fresh[j], who[j], active = True, -1, active - 1
                h[j] = 0.0
