"""Compiled loops over batches of postfix programs: values, derivatives by constants, least squares.

A workspace ``w`` is a matrix of rows of one block of numbers: two rows per stack level, two scratch rows, one row
per constant for derivatives, then the columns of X block by block. An operand is a row number, so variables are
never copied. A result goes to the row of its level that neither operand occupies, so loops vectorise without overlap.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from symnum.expressions._kernels import apply, partials

LANES = 8  # numbers in the widest vector; blocks are evaluated in whole vectors

_I, _F, _M = "int64[::1]", "float64[::1]", "float64[:,::1]"
_PROGRAMS = f"int16[::1], {_I}, {_F}, {_I}, int64, int64"


@njit(nogil=True, error_model="numpy")
def _load(X, w, base):
    """Copy the columns of X (d, n) into workspace rows, block-major; padding repeats the last row of X."""
    d, n = X.shape
    block = w.shape[1]
    for start in range(0, n, block):
        at = base + (start // block) * d
        for v in range(d):
            for j in range(block):
                w[at + v, j] = X[v, min(start + j, n - 1)]


@njit(nogil=True, error_model="numpy")
def _run(codes, lo, hi, theta, klo, w, at, rows, arity, stack):
    """Workspace row that holds one program's values on the block whose columns begin at row ``at``."""
    sp = 0
    for i in range(lo, hi):
        c = codes[i]
        if c < 0:
            stack[sp] = at - c - 1
            sp += 1
        elif c == 0:
            for j in range(rows):
                w[2 * sp, j] = theta[klo]
            stack[sp] = 2 * sp
            klo += 1
            sp += 1
        else:
            sp -= arity[c] - 1
            a = stack[sp - 1]
            r = 2 * (sp - 1) + (a == 2 * (sp - 1))
            apply(c, w, r, a, stack[sp], rows)
            stack[sp - 1] = r
    return stack[0]


@njit(f"void({_PROGRAMS}, {_M}, {_M}, int64, {_I}, {_M})", nogil=True, error_model="numpy", cache=True)
def values(codes, offsets, constants, const_offsets, first, last, X, w, base, arity, out):
    """Values of programs ``first`` to ``last`` on the columns X (d, n), into rows of ``out`` (m, n)."""
    d, n = X.shape
    block = w.shape[1]
    stack = np.zeros(base // 2 + 1, np.int64)
    _load(X, w, base)
    for p in range(first, last):
        k = const_offsets[p]
        for start in range(0, n, block):
            size = min(block, n - start)
            rows = (size + LANES - 1) // LANES * LANES
            at = base + (start // block) * d
            r = _run(codes, offsets[p], offsets[p + 1], constants, k, w, at, rows, arity, stack)
            for j in range(size):
                out[p, start + j] = w[r, j]


@njit(nogil=True, error_model="numpy")
def _run_jacobian(codes, lo, hi, theta, w, at, grads, rows, arity, stack, begin):
    """As `_run`; row ``grads + c`` becomes the derivative by constant ``c`` of the program.

    The constants below a node are consecutive in postfix order, so the chain rule is an in-place product over the
    rows of the constants of either argument. Rows ``grads - 2`` and ``grads - 1`` are scratch.
    """
    sp = 0
    k = 0
    for i in range(lo, hi):
        c = codes[i]
        if c <= 0:
            begin[sp] = k
            stack[sp] = at - c - 1
            if c == 0:
                for j in range(rows):
                    w[2 * sp, j] = theta[k]
                    w[grads + k, j] = 1.0
                stack[sp] = 2 * sp
                k += 1
            sp += 1
            continue
        sp -= arity[c] - 1
        a, b = stack[sp - 1], stack[sp]
        r = 2 * (sp - 1) + (a == 2 * (sp - 1))
        apply(c, w, r, a, b, rows)
        stack[sp - 1] = r
        left = begin[sp - 1]
        right = begin[sp] if arity[c] == 2 else k
        if left < k:
            done = partials(c, w, r, a, b, grads - 2, grads - 1, right > left, k > right, rows)
            if done & 1:
                for m in range(left, right):
                    for j in range(rows):
                        w[grads + m, j] *= w[grads - 2, j]
            if done & 2:
                for m in range(right, k):
                    for j in range(rows):
                        w[grads + m, j] *= w[grads - 1, j]
    return stack[0]


@njit(nogil=True, error_model="numpy", fastmath={"reassoc"})
def _dot(w, a, b, size):
    """Sum of products of two rows; only the order of summation is left to the compiler."""
    total = 0.0
    for j in range(size):
        total += w[a, j] * w[b, j]
    return total


@njit(nogil=True, error_model="numpy")
def _normal_equations(codes, lo, hi, theta, w, base, grads, d, y, weights, arity, stack, begin, A, g):
    """Weighted sum of squared errors; ``g`` becomes J'We and the lower half of ``A`` J'WJ.

    A constant by which there is no finite derivative gets zeros: it is held still.
    """
    n, block, k = y.size, w.shape[1], theta.size
    A[:] = 0.0
    g[:] = 0.0
    loss = 0.0
    error, weighted = grads - 1, grads - 2
    for start in range(0, n, block):
        size = min(block, n - start)
        rows = (size + LANES - 1) // LANES * LANES
        at = base + (start // block) * d
        r = _run_jacobian(codes, lo, hi, theta, w, at, grads, rows, arity, stack, begin)
        for j in range(size):
            w[error, j] = w[r, j] - y[start + j]
            w[weighted, j] = w[error, j] * weights[start + j]
        loss += _dot(w, error, weighted, size)
        for p in range(k):
            g[p] += _dot(w, grads + p, weighted, size)
        for p in range(k):
            for j in range(size):
                w[error, j] = w[grads + p, j] * weights[start + j]
            for q in range(p + 1):
                A[p, q] += _dot(w, grads + q, error, size)
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


@njit(
    f"void({_PROGRAMS}, {_M}, {_F}, {_F}, {_M}, int64, {_M}, int64, int64, {_I}, {_F}, {_F}, {_I}, {_M}, {_F})",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def least_squares(
    codes, offsets, constants, const_offsets, first, last,
    X, y, weights, starts, max_iter, w, base, grads, arity, best, loss, evaluations, jacobian, value,
):  # fmt: skip
    """Levenberg-Marquardt for programs ``first`` to ``last`` from every row of ``starts`` (s, all constants).

    With ``jacobian`` (k, n) not empty, values and derivatives of program ``first`` are written instead.
    """
    d, n = X.shape
    block = w.shape[1]
    stack = np.zeros(grads // 2 + 1, np.int64)
    begin = np.zeros(grads // 2 + 1, np.int64)
    _load(X, w, base)
    if value.size:
        lo, hi = offsets[first], offsets[first + 1]
        for start in range(0, n, block):
            size = min(block, n - start)
            rows = (size + LANES - 1) // LANES * LANES
            at = base + (start // block) * d
            r = _run_jacobian(codes, lo, hi, constants, w, at, grads, rows, arity, stack, begin)
            for j in range(size):
                value[start + j] = w[r, j]
                for c in range(constants.size):
                    jacobian[c, start + j] = w[grads + c, j]
        return
    for p in range(first, last):
        lo, hi = offsets[p], offsets[p + 1]
        k0, k1 = const_offsets[p], const_offsets[p + 1]
        k = k1 - k0
        A, trial_A, L = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
        g, trial_g, step = np.zeros(k), np.zeros(k), np.zeros(k)
        loss[p] = np.inf
        for s in range(starts.shape[0]):
            theta = starts[s, k0:k1].copy()
            now = _normal_equations(
                codes, lo, hi, theta, w, base, grads, d, y, weights, arity, stack, begin, A, g
            )
            evaluations[p] += 1
            damping = 1e-3
            for _ in range(max_iter if k > 0 and np.isfinite(now) else 0):
                if now == 0.0 or damping > 1e12:
                    break
                if not _damped_step(A, g, damping, L, step):
                    damping *= 10.0
                    continue
                trial = theta + step
                after = _normal_equations(
                    codes, lo, hi, trial, w, base, grads, d, y, weights, arity, stack, begin, trial_A, trial_g
                )
                evaluations[p] += 1
                if after < now:
                    settled = now - after <= 1e-12 * now
                    now, theta = after, trial
                    A, trial_A, g, trial_g = trial_A, A, trial_g, g
                    damping = max(0.1 * damping, 1e-12)
                    if settled:
                        break
                elif np.all(np.abs(step) <= 1e-14 * np.abs(theta)):
                    break
                else:
                    damping *= 10.0
            if now < loss[p]:
                loss[p] = now
                best[k0:k1] = theta
