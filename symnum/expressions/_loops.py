"""Compiled least squares for many programs, after Levenberg and Marquardt.

Values and derivatives come from `symnum.expressions._kernels.run`, passed as the first argument so that
it is compiled once; the layout of the workspace ``w`` is explained there. The data stands in it from
row ``base`` on: for each block of rows the ``d`` columns of X, the target and the weights (0 in the
padding of the last block).
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from symnum.expressions._kernels import RUN
from symnum.expressions._lanes import WIDTH

_N, _I, _F, _M = types.int64, types.int64[::1], types.float64[::1], types.float64[:, ::1]
_PROGRAMS = (types.FunctionType(RUN), types.int16[::1], _I, _F, _I, _N, _N)
_WORKSPACE = (_M, _N, _N, _N, _I)


@njit(nogil=True, error_model="numpy", fastmath={"reassoc"})
def _dot(w, a, b, size):
    """Sum of products of two rows; only the order of summation is left to the compiler."""
    total = 0.0
    for j in range(size):
        total += w[a, j] * w[b, j]
    return total


@njit(nogil=True, error_model="numpy")
def _normal_equations(w, grads, target, k, rows, values, A, g):
    """Add one block to the lower half of ``A`` = J'WJ and to ``g`` = J'We; the result is the loss e'We.

    Errors and weighted rows use the two scratch rows before ``grads``.
    """
    error, weighted, weights = grads - 1, grads - 2, target + 1
    for j in range(rows):
        w[error, j] = w[values, j] - w[target, j]
        w[weighted, j] = w[error, j] * w[weights, j]
    loss = _dot(w, error, weighted, rows)
    for p in range(k):
        g[p] += _dot(w, grads + p, weighted, rows)
    for p in range(k):
        for j in range(rows):
            w[weighted, j] = w[grads + p, j] * w[weights, j]
        for q in range(p + 1):
            A[p, q] += _dot(w, grads + q, weighted, rows)
    return loss


@njit(nogil=True, error_model="numpy")
def _damped_step(A, g, k, damping, L, step):
    """Solve ``(A + damping diag A) step = -g`` by Cholesky; False when not positive definite."""
    for p in range(k):
        for q in range(p + 1):
            s = A[p, q]
            if p == q:
                s = s + damping * s if s > 0.0 else 1.0
            for m in range(q):
                s -= L[p, m] * L[q, m]
            if p != q:
                L[p, q] = s / L[q, q]
            elif s > 0.0:
                L[p, p] = np.sqrt(s)
            else:
                return False
    for p in range(k):
        s = -g[p]
        for m in range(p):
            s -= L[p, m] * step[m]
        step[p] = s / L[p, p]
    for p in range(k - 1, -1, -1):
        s = step[p]
        for m in range(p + 1, k):
            s -= L[m, p] * step[m]
        step[p] = s / L[p, p]
    return True


@njit(
    types.void(*_PROGRAMS, *_WORKSPACE, _N, _M, _N, _M, _M, _M, _M, _F, _F, _I, _F, _M),
    nogil=True,
    error_model="numpy",
    cache=True,
)
def least_squares(
    run, codes, offsets, constants, const_offsets, first, last, w, levels, base, d, stack,
    n, starts, max_iter, A, trial_A, L, vectors, best, loss, evaluations, value, jacobian,
):  # fmt: skip
    """Levenberg-Marquardt for programs ``first`` to ``last`` from every row of ``starts`` (s, all constants).

    Results are ``best``, ``loss`` (sum of squares), ``evaluations`` and, unless empty, the last ``value``
    (n,) and ``jacobian`` (k, n). ``stack``, ``A``, ``trial_A``, ``L`` (k, k) and ``vectors`` (5, k) are
    scratch.
    """
    block = w.shape[1]
    grads = 3 * levels + 2
    g, trial_g, step, theta, trial = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4]
    for p in range(first, last):
        k0 = const_offsets[p]
        k = const_offsets[p + 1] - k0
        loss[p] = np.inf
        for s in range(starts.shape[0]):
            now = np.inf
            damping = 1e-3
            # The first turn measures the start; every other one tries a step.
            for turn in range(max_iter + 1):
                if turn:
                    while damping <= 1e12 and not _damped_step(A, g, k, damping, L, step):
                        damping *= 10.0
                    if damping > 1e12:
                        break
                moved = False
                for c in range(k):
                    trial[c] = theta[c] + step[c] if turn else starts[s, k0 + c]
                    moved |= not abs(step[c]) <= 1e-14 * abs(theta[c])
                    trial_g[c] = 0.0
                    for e in range(k):
                        trial_A[c, e] = 0.0
                after = 0.0
                at = base
                for start in range(0, n, block):
                    size = min(block, n - start)
                    rows = (size + WIDTH - 1) // WIDTH * WIDTH
                    r = run(codes, offsets[p], offsets[p + 1], trial, 0, w, at, levels, 1, rows, stack)
                    for j in range(min(size, value.size)):
                        value[start + j] = w[r, j]
                        for c in range(k):
                            jacobian[c, start + j] = w[grads + c, j]
                    after += _normal_equations(w, grads, at + d, k, rows, r, trial_A, trial_g)
                    at += d + 2
                evaluations[p] += 1
                if after < now:
                    settled = k == 0 or after == 0.0
                    # Little gain only means the end when the step was not cut short by damping.
                    settled |= turn > 0 and damping <= 1.0 and now - after <= 1e-12 * now
                    now = after
                    for c in range(k):
                        # A constant by which there is no finite derivative is held still.
                        held = not (np.isfinite(trial_A[c, c]) and np.isfinite(trial_g[c]))
                        for e in range(k):
                            if held:
                                trial_A[max(c, e), min(c, e)] = 0.0
                        theta[c] = trial[c]
                        g[c] = 0.0 if held else trial_g[c]
                    for c in range(k):
                        for e in range(k):
                            A[c, e] = trial_A[c, e]
                    if settled:
                        break
                    if turn:
                        damping = max(0.1 * damping, 1e-12)
                elif turn == 0 or not moved:
                    break
                else:
                    damping *= 10.0
            if now < loss[p]:
                loss[p] = now
                for c in range(k):
                    best[k0 + c] = theta[c]
