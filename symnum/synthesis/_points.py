"""Random rows of X: clusters as in SNIP and E2E, and boxes like the ranges of measured quantities.

Columns stand in the workspace ``w`` as rows ``base`` to ``base + d - 1``, so every loop runs along memory.
"""

from __future__ import annotations

import math

import numpy as np

from symnum.synthesis._compile import part
from symnum.synthesis._random import below, normal, uniform


@part
def rotation(rng, dim, matrix, vector):
    """Random rotation of SO(dim), uniform by Haar's measure, into ``matrix`` (Stewart 1980).

    A product of Householder reflections of normal vectors of dimension ``dim``, ``dim - 1``, ..., 2; the last
    sign makes the determinant 1.
    """
    for i in range(dim):
        for j in range(dim):
            matrix[i, j] = 1.0 if i == j else 0.0
    determinant = 1.0
    for n in range(dim - 1):
        norm2 = 0.0
        for j in range(n, dim):
            vector[j] = normal(rng)
            norm2 += vector[j] * vector[j]
        first = vector[n]
        sign = 1.0 if first >= 0.0 else -1.0
        vector[n] += sign * math.sqrt(norm2)
        scale = 2.0 / (norm2 - first * first + vector[n] * vector[n])
        for i in range(dim):
            s = 0.0
            for j in range(n, dim):
                s += matrix[i, j] * vector[j]
            s *= scale
            for j in range(n, dim):
                matrix[i, j] -= s * vector[j]
        # The reflection takes axis n to minus sign times the vector's direction; column n gets that sign
        # back.
        vector[n] = -sign
        determinant *= -sign
    # Each reflection has determinant -1.
    if dim % 2 == 0:
        determinant = -determinant
    vector[dim - 1] = determinant
    for i in range(dim):
        for j in range(dim):
            matrix[i, j] *= vector[j]


@part
def draw_clusters(rng, w, base, dim, rows, max_clusters, matrix, counts, block):
    """Rows from 1..max_clusters clusters, standardised by column; the last arguments are work space."""
    clusters = 1 + below(rng, max_clusters)
    gaussian = uniform(rng) < 0.5
    _draw_counts(rng, rows, clusters, counts)
    center, spread, vector = matrix[dim], matrix[dim + 1], matrix[dim + 2]
    first = 0
    for c in range(clusters):
        count = np.int64(counts[c])
        if count == 0:
            continue
        for i in range(dim):
            center[i] = normal(rng)
            spread[i] = math.sqrt(uniform(rng))
        for i in range(dim):
            if gaussian:
                for r in range(count):
                    block[i, r] = center[i] + spread[i] * normal(rng)
            else:
                for r in range(count):
                    block[i, r] = center[i] + spread[i] * (2.0 * uniform(rng) - 1.0)
        if dim == 1:
            for r in range(count):
                w[base, first + r] = block[0, r]
        else:
            rotation(rng, dim, matrix, vector)
            for j in range(dim):
                for r in range(count):
                    w[base + j, first + r] = matrix[0, j] * block[0, r]
                for i in range(1, dim):
                    m = matrix[i, j]
                    for r in range(count):
                        w[base + j, first + r] += m * block[i, r]
        first += count
    for j in range(dim):
        _standardise(w, base + j, rows)


@part
def _draw_counts(rng, rows, clusters, counts):
    """Multinomial counts by weights uniform on (0, 1); ``counts`` (2 * clusters)."""
    total = 0.0
    for c in range(clusters):
        total += uniform(rng)
        counts[clusters + c] = total
        counts[c] = 0
    for _ in range(rows):
        u = uniform(rng) * total
        c = 0
        while c < clusters - 1 and u >= counts[clusters + c]:
            c += 1
        counts[c] += 1


@part
def _standardise(w, row, n):
    """Mean 0 and standard deviation 1; four partial sums, so that they do not wait for each other."""
    a = b = c = d = 0.0
    for j in range(n // 4):
        a += w[row, 4 * j]
        b += w[row, 4 * j + 1]
        c += w[row, 4 * j + 2]
        d += w[row, 4 * j + 3]
    for j in range(n // 4 * 4, n):
        a += w[row, j]
    mean = ((a + b) + (c + d)) / n
    a = b = c = d = 0.0
    for j in range(n):
        w[row, j] -= mean
    for j in range(n // 4):
        a += w[row, 4 * j] * w[row, 4 * j]
        b += w[row, 4 * j + 1] * w[row, 4 * j + 1]
        c += w[row, 4 * j + 2] * w[row, 4 * j + 2]
        d += w[row, 4 * j + 3] * w[row, 4 * j + 3]
    for j in range(n // 4 * 4, n):
        a += w[row, j] * w[row, j]
    deviation = math.sqrt(((a + b) + (c + d)) / n)
    for j in range(n):
        w[row, j] /= deviation


@part
def draw_box(rng, w, base, dim, rows):
    """Independent columns like measured quantities.

    Half are uniform and a quarter log-uniform between a bound of 0.1 to 10 and 2 to 100 times that; a quarter
    are uniform and symmetric about zero.
    """
    for j in range(dim):
        kind = below(rng, 4)
        low = 10.0 ** (2.0 * uniform(rng) - 1.0)
        ratio = 2.0 * 50.0 ** uniform(rng)
        for r in range(rows):
            u = uniform(rng)
            if kind < 2:
                value = low * (1.0 + (ratio - 1.0) * u)
            elif kind == 2:
                value = low * ratio**u
            else:
                value = low * (2.0 * u - 1.0)
            w[base + j, r] = value


@part
def shuffle_rows(rng, w, base, dim, rows, order, block):
    """Same random order for all columns."""
    for r in range(rows):
        order[r] = r
    for r in range(rows - 1, 0, -1):
        k = below(rng, r + 1)
        order[r], order[k] = order[k], order[r]
    for j in range(dim):
        for r in range(rows):
            block[0, r] = w[base + j, order[r]]
        for r in range(rows):
            w[base + j, r] = block[0, r]


@part
def draw_points(rng, w, base, dim, rows, boxes, max_clusters, shuffle, order, matrix, counts, block):
    """Rows of X; returns whether they fill a box. The last arguments are work space."""
    if boxes > 0.0 and uniform(rng) < boxes:
        draw_box(rng, w, base, dim, rows)
        return True
    draw_clusters(rng, w, base, dim, rows, max_clusters, matrix, counts, block)
    if shuffle:
        shuffle_rows(rng, w, base, dim, rows, order, block)
    return False
