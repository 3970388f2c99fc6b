"""Ready-made laws: ``snip``, ``snip-1d``, ``improved``.

**snip** follows the data generator of SNIP (Meidani et al. 2024, code of `Multimodal-Math-Pretraining`),
which is that of E2E (Kamienny et al. 2022) with other defaults. In its order: the number of variables d and
of unary operators, drawn once; then, until a sample is accepted: 0 to d + 3 binary operators from add, sub,
mul (fewer than d - 1 are rejected), a binary tree with all shapes equally likely, leaves x0..x(d-1) once each
and then uniform, unary operators above random nodes of fewer than 6 nodes that are not the root, factors and
offsets ("reduce_num_constants"), constants of three digits, 1 to 9 clusters of points, standardised. A
formula is rejected when any step is undefined, overflows or underflows on any row, or when some y
reaches 1e103 in size.

Differences, all on purpose:

- Table of tree counts (reference: too small for d <= 1, so that four binary operators always fail with a
  swallowed IndexError, a fifth of the attempts). Here four binary operators occur; of all attempts more are
  accepted, and formulas of one variable are longer.
- Rotations of clusters and noise (reference: numpy's global generator, not reproducible). Here there is one
  stream for each (seed, index), so any sample can be drawn alone.
- A one-second alarm ends an attempt in the reference (main thread of POSIX only) and a bare ``except`` hides
  every error. Here there is no alarm, an attempt takes microseconds, and rejections are counted by cause.
- Constants are the float64 numbers nearest to decimal ones (reference: products with a rounded power of ten),
  so tokens decode to the very constant.
- Benchmark formulas are left out by skeleton unless ``exclude_benchmarks=False``. Of the formulas of one
  variable that is half, among them the 38 % that are straight lines; of those up to ten variables it is 7 %.

Kept: points stand cluster by cluster, always 200 of them, targets are not simplified, no two samples are
compared.

**snip-1d** is the same for one variable with y mapped to [0, 1] (``normalize_y``), the data of the property
tasks. They ask for no formula, so benchmark formulas stay in.

**improved** changes what the reference does badly: rows in random order and varying number; counts and
operators drawn once a sample, so that rejection shifts neither sizes nor operators; all unary operators
equally likely, division; not every place has a constant, constants are log-uniform or whole; half of the
samples on boxes like ranges of measured quantities; formulas in a short canonical form; targets that vary;
streams and exports drop functions that occurred before.
"""

from __future__ import annotations

from dataclasses import replace

from symnum.exceptions import InvalidInput
from symnum.synthesis.laws import ConstantLaw, OperatorLaw, PointLaw, SampleLaw, TargetLaw, TreeLaw

SNIP_OPERATORS = OperatorLaw(
    binary={"add": 1.0, "sub": 1.0, "mul": 1.0},
    unary={
        "sqrt": 5.0, "inv": 3.0, "square": 3.0, "abs": 1.0, "log": 1.0, "exp": 1.0, "sin": 1.0, "cos": 1.0,
        "cube": 1.0, "tan": 0.2, "atan": 0.2,
    },
)  # fmt: skip

_EVERY_UNARY = (
    "inv",
    "abs",
    "sqrt",
    "exp",
    "log",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "square",
    "cube",
)

PRESETS: dict[str, SampleLaw] = {
    "snip": SampleLaw(operators=SNIP_OPERATORS),
    "snip-1d": SampleLaw(
        operators=SNIP_OPERATORS, dims=(1, 1), target=TargetLaw(normalise=True), exclude_benchmarks=False
    ),
    "improved": SampleLaw(
        operators=OperatorLaw(
            binary={"add": 1.0, "sub": 1.0, "mul": 1.0, "div": 1.0}, unary=dict.fromkeys(_EVERY_UNARY, 1.0)
        ),
        trees=TreeLaw(enough=True, root_unary=True, keep=True, scale=0.5, offset=0.3, root_offset=0.3),
        constants=ConstantLaw(magnitude="log", low=-2, high=2, negative=0.3, whole=0.3),
        points=PointLaw(boxes=0.5, shuffle=True, rows_per_dim=5),
        target=TargetLaw(largest=1e10, smallest=1e-10, relative_spread=1e-6, largest_angle=1e4),
        simplify=True,
    ),
}
"""Laws by name."""

UNIQUE = frozenset({"improved"})
"""Presets whose streams and exports drop a function that occurred before."""


def preset(
    name: str, max_dim: int | None = None, n_points: int | None = None, exclude_benchmarks: bool | None = None
) -> SampleLaw:
    """Law of a preset, with other dimensions, numbers of rows or exclusion where given.

    Raises
    ------
    InvalidInput
        When there is no such preset, or it cannot be had with these numbers.
    """
    law = PRESETS.get(name)
    if law is None:
        raise InvalidInput(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    if max_dim is not None:
        if name == "snip-1d" and max_dim != 1:
            raise InvalidInput(f"preset 'snip-1d' has one variable, got max_dim={max_dim}; use preset 'snip'")
        if max_dim < 1:
            raise InvalidInput(f"max_dim must be 1 or more, got {max_dim}")
        law = replace(law, dims=(1, max_dim))
    if n_points is not None:
        law = replace(law, n_points=n_points)
    return law if exclude_benchmarks is None else replace(law, exclude_benchmarks=exclude_benchmarks)
