"""The kernel that draws samples: tree, constants, points, values, until one is accepted.

A sample depends on the law, the seed and its index alone.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from symnum.expressions._lanes import WIDTH
from symnum.synthesis._compile import kernel, part
from symnum.synthesis._constants import draw_constants
from symnum.synthesis._evaluate import SCREEN
from symnum.synthesis._nodes import DIGITS
from symnum.synthesis._points import draw_points
from symnum.synthesis._random import below, mix, normal, rounded, start_stream, uniform
from symnum.synthesis._trees import draw_operators, draw_program

Law = namedtuple(
    "Law",
    "least_dim most_dim enough extra_binary max_unary max_operand root_unary keep scale offset root_offset "
    "shapes binary_codes binary_shares unary_codes unary_shares constant "
    "max_clusters boxes shuffle rows_per_dim n_points bounded angle largest smallest spread normalise noise "
    "quick full",
)
"""`SampleLaw` in numbers and arrays; ``quick`` and ``full`` are the sorted hashes of excluded skeletons."""

Work = namedtuple(
    "Work", "rng tree codes binary unary constants w stack order matrix counts block few many nodes todo"
)
"""Arrays a kernel works in."""

Output = namedtuple("Output", "codes lengths constants n_constants dims rows X y boxes hashes attempts")
"""Arrays a kernel writes, one row a sample."""

# Numbers at which functions are compared, by variable: both signs, so that most functions are defined at
# many.
PROBES = np.random.default_rng(20_240_917).uniform(0.1, 2.5, (50, SCREEN)) * np.where(
    np.arange(SCREEN) % 4 == 3, -1.0, 1.0
)
_BITS = np.uint64(0x9E3779B97F4A7C15)
MAX_ATTEMPTS = 20_000
_PATIENCE = 40
_ENOUGH = 4  # defined values that tell functions apart
OUTCOMES = (
    "accepted",
    "too few variables",
    "undefined",
    "underflow",
    "too large",
    "too small or flat",
    "constant out of bounds",
    "benchmark",
)
ACCEPTED, VARIABLES, UNDEFINED, UNDERFLOW, LARGE, FLAT, CONSTANT, BENCHMARK = range(len(OUTCOMES))


@kernel()
def draw_samples(evaluate, hash_skeleton, simplify, seed, first, count, law, work, out, outcomes):
    """Draw samples ``first`` to ``first + count - 1`` into the rows of ``out``; returns how many succeeded.

    ``outcomes`` counts what became of every attempt. ``evaluate``, ``hash_skeleton`` and ``simplify`` are the
    kernels of these names.
    """
    rng, codes, w = work.rng, work.codes, work.w
    columns = w.shape[0] - 2 * law.most_dim
    for i in range(count):
        start_stream(rng, np.uint64(seed), np.uint64(first + i))
        dim = law.least_dim + below(rng, law.most_dim - law.least_dim + 1)
        unary = below(rng, law.max_unary + 1)
        rows = law.n_points
        if law.rows_per_dim > 0:
            rows -= below(rng, max(law.n_points - law.rows_per_dim * dim, 0) + 1)
        binary = 0
        low = dim - 1 if law.enough else 0
        outcome = VARIABLES
        for attempt in range(MAX_ATTEMPTS):
            # What is kept is drawn anew when nothing fits it; SNIP keeps the number of unary operators alone.
            fresh = attempt == 0 or outcome == BENCHMARK or (law.keep and attempt % _PATIENCE == 0)
            if fresh and attempt > 0:
                unary = below(rng, law.max_unary + 1)
            if fresh or not law.keep:
                binary = low + below(rng, dim + law.extra_binary - low + 1)
                draw_operators(rng, law.binary_codes, law.binary_shares, binary, work.binary)
                draw_operators(rng, law.unary_codes, law.unary_shares, unary, work.unary)
            outcome = VARIABLES
            complete = False
            if binary + 1 >= dim:
                begin = draw_program(
                    rng, work.tree, law.shapes, dim, work.binary, binary, work.unary, unary, law.max_operand,
                    law.root_unary, law.scale, law.offset, law.root_offset, codes,
                )  # fmt: skip
                constants = draw_constants(rng, law.constant, codes, begin, work.constants)
                p = work.nodes
                begin, constants = simplify(
                    codes, begin, work.constants, constants, DIGITS,
                    p.op, p.left, p.right, p.value, p.key, p.size, p.lowest, work.todo,
                )  # fmt: skip
                complete = begin >= 0 and _has_all(codes, begin, dim)
                if complete and law.bounded and not _in_bounds(work.constants[:constants]):
                    complete, outcome = False, CONSTANT
            if complete:
                out.boxes[i] = draw_points(
                    rng, w, columns, dim, rows, law.boxes, law.max_clusters, law.shuffle, work.order,
                    work.matrix, work.counts, work.block,
                )  # fmt: skip
                _pad_and_screen(w, columns, law.most_dim, dim, rows)
                outcome, row, out.hashes[i] = _values(
                    evaluate,
                    codes,
                    begin,
                    work.constants,
                    w,
                    columns,
                    law.most_dim,
                    dim,
                    rows,
                    work.stack,
                    law.angle,
                )
                if outcome == ACCEPTED:
                    outcome = _judge(w, row, rows, law.largest, law.smallest, law.spread)
                if outcome == ACCEPTED and _is_benchmark(
                    hash_skeleton, codes, begin, work.constants, dim, law.quick, law.full, work.few, work.many
                ):
                    outcome = BENCHMARK
            outcomes[outcome] += 1
            if outcome == ACCEPTED:
                out.dims[i], out.rows[i], out.attempts[i] = dim, rows, attempt + 1
                out.lengths[i], out.n_constants[i] = codes.size - begin, constants
                _store(codes[begin:], out.codes[i])
                _store(work.constants[:constants], out.constants[i])
                for v in range(law.most_dim):
                    _store(w[columns + v, : rows if v < dim else 0], out.X[i, v])
                _store(w[row, :rows], out.y[i])
                if law.normalise or law.noise > 0.0:
                    _finish_target(rng, out.y[i, :rows], law.normalise, law.noise)
                break
        if outcome != ACCEPTED:
            return i
    return count


@part
def _has_all(codes, begin, dim):
    """Whether all variables occur."""
    found = 0
    for k in range(begin, codes.size):
        if codes[k] < 0:
            found |= 1 << (-codes[k] - 1)
    return found == (1 << dim) - 1


@part
def _in_bounds(constants):
    """Whether rewritten constants have a usual size."""
    wild = 0
    for value in constants:
        wild += value != 0.0 and not 1e-5 <= abs(value) <= 1e5
    return wild == 0


@part
def _store(source, target):
    """Copy, and fill the rest with zeros."""
    for j in range(source.size):
        target[j] = source[j]
    target[source.size :] = 0


@part
def _pad_and_screen(w, columns, most_dim, dim, rows):
    """Fill whole vectors, and collect the rows on which a formula is tried first."""
    for v in range(columns, columns + dim):
        for j in range(rows, -(-rows // WIDTH) * WIDTH):
            w[v, j] = w[v, rows - 1]
        # Spread over all rows: clusters may stand one after the other.
        for j in range(SCREEN):
            w[v + most_dim, j] = w[v, j * rows // SCREEN]


@part
def _values(evaluate, codes, begin, constants, w, columns, most_dim, dim, rows, stack, angle):
    """Outcome of evaluating the program, the row of its values and the hash of its values at fixed probes."""
    levels = columns // 3
    tried = columns + most_dim
    row = 0
    key = np.uint64(0)
    # First on the rows that screen, then (where anything is allowed) at the probes, then on all rows.
    for step in range(3):
        at = columns if step == 2 else tried
        n = -(-rows // WIDTH) * WIDTH if step == 2 else SCREEN
        row = evaluate(codes, begin, constants, w, at, levels, n, stack, step != 1, angle)
        if row < 0:
            return (UNDEFINED if row == -1 else UNDERFLOW), row, key
        if step == 0:
            for v in range(dim):
                for j in range(SCREEN):
                    w[tried + v, j] = PROBES[v, j]
        elif step == 1:
            key = _hash_values(w[row, :SCREEN], codes, begin, constants)
    return ACCEPTED, row, key


@part
def _hash_values(values, codes, begin, constants):
    """Hash of a function by its values; where few are defined, by its program as well."""
    key = np.uint64(0)
    defined = 0
    for j in range(values.size):
        key = mix(key + _BITS + rounded(values[j]))
        defined += abs(values[j]) < np.inf
    if defined < _ENOUGH:
        k = 0
        for i in range(begin, codes.size):
            key = mix(key + _BITS + np.uint64(codes[i]))
            if codes[i] == 0:
                key = mix(key + rounded(constants[k]))
                k += 1
    return key


@part
def _judge(w, row, rows, largest, smallest, spread):
    """Outcome by the size and spread of the values."""
    low = high = w[row, 0]
    for j in range(rows):
        low, high = min(low, w[row, j]), max(high, w[row, j])
    most = max(-low, high)
    if most >= largest:
        return LARGE
    flat = most < smallest or (spread > 0.0 and high - low <= spread * most)
    return FLAT if flat else ACCEPTED


@part
def _is_benchmark(hash_skeleton, codes, begin, constants, dim, quick, full, few, many):
    """Whether the program has the skeleton of a benchmark formula."""
    if full.size == 0:
        return False
    for way in range(2):  # multiplied out, and as it stands
        for exact in range(2):
            s = many if exact else few
            key = hash_skeleton(
                codes, begin, constants, dim, way == 0, exact == 1,
                s.points, s.values, s.terms, s.counts, s.plus, s.row,
            )  # fmt: skip
            if not _contains(full if exact else quick, key):
                break
            if exact:
                return True
    return False


@part
def _contains(ordered, key):
    low, high = 0, ordered.size
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low < ordered.size and ordered[low] == key


@part
def _finish_target(rng, y, normalise, noise):
    """Scale y to [0, 1] and add noise, where the law says so."""
    low = high = y[0]
    for j in range(y.size):
        low, high = min(low, y[j]), max(high, y[j])
    if normalise:
        for j in range(y.size):
            y[j] = (y[j] - low) / (high - low + 1e-10)
        low, high = 0.0, 1.0
    if noise > 0.0:
        largest = max(-low, high)
        total = 0.0
        for j in range(y.size):
            total += (y[j] / largest) ** 2 if largest > 0.0 else 0.0
        size = noise * uniform(rng) * largest * math.sqrt(total / y.size)
        for j in range(y.size):
            y[j] += size * normal(rng)
