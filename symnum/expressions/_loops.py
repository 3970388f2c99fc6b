"""Compiled loops over many programs: values, and least squares by Levenberg and Marquardt.

Both call `symnum.expressions._kernels.run`, passed as their first argument so that it is compiled once; the
layout of the workspace ``w`` is explained there. The columns of X stand in it from row ``base`` on, block by
block.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from symnum.expressions._kernels import RUN
from symnum.expressions._lanes import WIDTH

_RUN = types.FunctionType(RUN)
_I, _F, _M = types.int64[::1], types.float64[::1], types.float64[:, ::1]
_PROGRAMS = (_RUN, types.int16[::1], _I, _F, _I, types.int64, types.int64)


@njit(nogil=True, error_model="numpy")
def _load(X, w, base):
    """Copy the columns of X (d, n) into the workspace; padding repeats the last row of X."""
    d, n = X.shape
    block = w.shape[1]
    for start in range(0, n, block):
        at = base + (start // block) * d
        for v in range(d):
            for j in range(block):
                w[at + v, j] = X[v, min(start + j, n - 1)]


@njit(
    types.void(*_PROGRAMS, _M, _M, types.int64, types.int64, _I, _M),
    nogil=True,
    error_model="numpy",
    cache=True,
)
def values(run, codes, offsets, constants, const_offsets, first, last, X, w, levels, base, arity, out):
    """Values of programs ``first`` to ``last`` on the columns X (d, n), into rows of ``out`` (m, n)."""
    d, n = X.shape
    block = w.shape[1]
    stack = np.empty(2 * levels, np.int64)
    _load(X, w, base)
    for p in range(first, last):
        k = const_offsets[p]
        for start in range(0, n, block):
            size = min(block, n - start)
            rows = (size + WIDTH - 1) // WIDTH * WIDTH
            at = base + (start // block) * d
            r = run(codes, offsets[p], offsets[p + 1], constants, k, w, at, levels, 0, rows, arity, stack)
            for j in range(size):
                out[p, start + j] = w[r, j]


@njit(nogil=True, error_model="numpy", fastmath={"reassoc"})
def _dot(w, a, b, size):
    """Sum of products of two rows; only the order of summation is left to the compiler."""
    total = 0.0
    for j in range(size):
        total += w[a, j] * w[b, j]
    return total


@njit(nogil=True, error_model="numpy")
def _normal_equations(
    run, codes, lo, hi, theta, w, levels, base, d, y, weights, arity, stack, A, g, value, jacobian
):  # fmt: skip
    """Weighted sum of squared errors; ``g`` becomes J'We and the lower half of ``A`` J'WJ.

    A constant by which there is no finite derivative gets zeros: it is held still. Values and derivatives
    themselves go to ``value`` (n,) and ``jacobian`` (k, n) unless these are empty.
    """
    n, block, k = y.size, w.shape[1], theta.size
    for p in range(k):
        g[p] = 0.0
        for q in range(k):
            A[p, q] = 0.0
    loss = 0.0
    weighted = 3 * levels
    error = weighted + 1
    grads = error + 1
    for start in range(0, n, block):
        size = min(block, n - start)
        rows = (size + WIDTH - 1) // WIDTH * WIDTH
        at = base + (start // block) * d
        r = run(codes, lo, hi, theta, 0, w, at, levels, 1, rows, arity, stack)
        if value.size:
            for j in range(size):
                value[start + j] = w[r, j]
            for p in range(k):
                for j in range(size):
                    jacobian[p, start + j] = w[grads + p, j]
        for j in range(size):
            w[error, j] = w[r, j] - y[start + j]
            w[weighted, j] = w[error, j] * weights[start + j]
        loss += _dot(w, error, weighted, size)
        for p in range(k):
            g[p] += _dot(w, grads + p, weighted, size)
        for p in range(k):
            for j in range(size):
                w[weighted, j] = w[grads + p, j] * weights[start + j]
            for q in range(p + 1):
                A[p, q] += _dot(w, grads + q, weighted, size)
    for p in range(k):
        if not (np.isfinite(A[p, p]) and np.isfinite(g[p])):
            g[p] = 0.0
            for q in range(k):
                A[max(p, q), min(p, q)] = 0.0
    return loss


@njit(nogil=True, error_model="numpy")
def _damped_step(A, g, damping, L, step):
    """Solve ``(A + damping diag A) step = -g`` by Cholesky; False when not positive definite."""
    k = g.size
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


@njit(nogil=True, error_model="numpy")
def _tiny(step, theta):
    """Whether a step changes the constants by no more than rounding."""
    moved = 0
    for p in range(step.size):
        moved += not abs(step[p]) <= 1e-14 * abs(theta[p])
    return moved == 0


@njit(
    types.void(*_PROGRAMS, _M, _F, _F, _M, types.int64, _M, types.int64, types.int64, _I, _F, _F, _I, _F, _M),
    nogil=True,
    error_model="numpy",
    cache=True,
)
def least_squares(
    run, codes, offsets, constants, const_offsets, first, last,
    X, y, weights, starts, max_iter, w, levels, base, arity, best, loss, evaluations, value, jacobian,
):  # fmt: skip
    """Levenberg-Marquardt for programs ``first`` to ``last`` from every row of ``starts`` (s, all constants).

    ``best``, ``loss`` (sum of squares) and ``evaluations`` are results; for `value` and `jacobian` see
    `_normal_equations`.
    """
    d = X.shape[0]
    stack = np.empty(2 * levels, np.int64)
    _load(X, w, base)
    for p in range(first, last):
        lo, hi = offsets[p], offsets[p + 1]
        k0 = const_offsets[p]
        k = const_offsets[p + 1] - k0
        A, trial_A, L = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        g, trial_g, step = np.empty(k), np.empty(k), np.empty(k)
        theta, trial = np.empty(k), np.empty(k)
        loss[p] = np.inf
        for s in range(starts.shape[0]):
            now = np.inf
            damping = 1e-3
            # The first turn measures the start; every other one tries a step.
            for turn in range(max_iter + 1):
                if turn:
                    while damping <= 1e12 and not _damped_step(A, g, damping, L, step):
                        damping *= 10.0
                    if damping > 1e12:
                        break
                for c in range(k):
                    trial[c] = theta[c] + step[c] if turn else starts[s, k0 + c]
                after = _normal_equations(
                    run, codes, lo, hi, trial, w, levels, base, d, y, weights, arity, stack, trial_A, trial_g,
                    value, jacobian,
                )  # fmt: skip
                evaluations[p] += 1
                if after < now:
                    settled = k == 0 or after == 0.0 or (turn > 0 and now - after <= 1e-12 * now)
                    now = after
                    theta, trial = trial, theta
                    A, trial_A, g, trial_g = trial_A, A, trial_g, g
                    if settled:
                        break
                    if turn:
                        damping = max(0.1 * damping, 1e-12)
                elif turn == 0 or _tiny(step, theta):
                    break
                else:
                    damping *= 10.0
            if now < loss[p]:
                loss[p] = now
                for c in range(k):
                    best[k0 + c] = theta[c]
