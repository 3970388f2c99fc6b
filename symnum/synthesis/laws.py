"""Laws that samples are drawn from: operators, tree shapes, constants, points, filters.

Small frozen dataclasses. A law that no sample can follow is refused when it is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidInput(message)


def _share(value: float, name: str) -> None:
    _require(0.0 <= value <= 1.0, f"{name} is a probability from 0 to 1, got {value}")


@dataclass(frozen=True)
class OperatorLaw:
    """How often operators are drawn.

    Parameters
    ----------
    binary, unary : mapping of str to float
        Operator name (or alias) to its weight; weights need not sum to 1. `unary` may be empty.
    """

    binary: Mapping[str, float]
    unary: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for arity, name in ((2, "binary"), (1, "unary")):
            law: Mapping[str, float] = getattr(self, name)
            _require(isinstance(law, Mapping), f"{name} operators are given as {{name: weight}}, got {law!r}")
            clean: dict[str, float] = {}
            for key, weight in law.items():
                op = OPERATORS[key]
                _require(op.arity == arity, f"{key} takes {op.arity} argument(s) and is no {name} operator")
                _require(
                    math.isfinite(weight) and weight >= 0,
                    f"the weight of {key} must be 0 or more, got {weight}",
                )
                if weight > 0:
                    clean[op.name] = clean.get(op.name, 0.0) + float(weight)
            object.__setattr__(self, name, clean)
        _require(bool(self.binary), "at least one binary operator needs a weight above 0")

    def probabilities(self, arity: int) -> dict[str, float]:
        """Probability of each operator of that arity, in the order of their codes."""
        law = self.unary if arity == 1 else self.binary
        total = sum(law.values())
        return {n: law[n] / total for n in sorted(law, key=lambda n: OPERATORS[n].code)}


@dataclass(frozen=True)
class TreeLaw:
    """Size and shape of expressions.

    Parameters
    ----------
    extra_binary : int
        An expression of d variables has up to ``d + extra_binary`` binary operators.
    enough : bool
        Draw no fewer than the ``d - 1`` binary operators that d variables need; otherwise counts start at 0
        and too small ones are rejected.
    max_unary : int
        The number of unary operators is uniform on 0..max_unary.
    max_operand : int
        A unary operator is put only above fewer than this many nodes.
    root_unary : bool
        Whether the root may get a unary operator.
    keep : bool
        Draw counts and operators once and keep them while a sample is retried, so that rejection shifts
        neither.
    scale, offset : float
        Probability of a factor, and of an added constant, at each place where the law of SNIP puts one.
    root_offset : float
        Probability of a constant added at the root.
    """

    extra_binary: int = 3
    enough: bool = False
    max_unary: int = 4
    max_operand: int = 6
    root_unary: bool = False
    keep: bool = False
    scale: float = 1.0
    offset: float = 1.0
    root_offset: float = 1.0

    def __post_init__(self) -> None:
        _require(0 <= self.extra_binary <= 50, f"extra_binary must be 0 to 50, got {self.extra_binary}")
        _require(0 <= self.max_unary <= 50, f"max_unary must be 0 to 50, got {self.max_unary}")
        _require(self.max_operand >= 1, f"max_operand must be 1 or more, got {self.max_operand}")
        for name in ("scale", "offset", "root_offset"):
            _share(getattr(self, name), name)


@dataclass(frozen=True)
class ConstantLaw:
    """Values of constants: sign times magnitude.

    Parameters
    ----------
    digits : int
        Significant decimal digits, 1 to 4 (what a number's tokens hold).
    magnitude : {"decimal", "log"}
        "decimal": a uniform whole number of `digits` digits or fewer times a power of ten from ``10**low`` to
        ``10**high``. "log": log-uniform between ``10**low`` and ``10**high``, rounded to `digits` digits.
    low, high : int
        Powers of ten.
    negative : float
        Probability of a minus sign.
    whole : float
        Probability of a whole number from 1 to 10 instead.
    """

    digits: int = 3
    magnitude: Literal["decimal", "log"] = "decimal"
    low: int = -3
    high: int = -1
    negative: float = 0.5
    whole: float = 0.0

    def __post_init__(self) -> None:
        _require(1 <= self.digits <= 4, f"digits must be 1 to 4, got {self.digits}")
        _require(
            self.magnitude in ("decimal", "log"), f"magnitude is 'decimal' or 'log', got {self.magnitude!r}"
        )
        _require(
            -20 <= self.low <= self.high <= 20, f"-20 <= low <= high <= 20, got {self.low} and {self.high}"
        )
        _require(self.magnitude == "decimal" or self.low < self.high, "a log-uniform law needs low < high")
        _share(self.negative, "negative")
        _share(self.whole, "whole")


@dataclass(frozen=True)
class PointLaw:
    """Where the rows of X lie.

    Parameters
    ----------
    max_clusters : int
        Rows come from 1..max_clusters clusters with standard normal centres, variances uniform on (0, 1) and
        Haar random rotations, Gaussian or uniform (one kind for a sample), then every column is standardised.
    boxes : float
        Probability of a box instead: each column uniform or log-uniform between bounds like those of a
        measured quantity, positive or symmetric about zero, not standardised.
    shuffle : bool
        Put rows in random order; otherwise they come cluster by cluster.
    rows_per_dim : int
        Draw the number of rows from ``rows_per_dim * d`` (or the full number if that is less) to the full
        number; 0 always takes the full number.
    """

    max_clusters: int = 9
    boxes: float = 0.0
    shuffle: bool = False
    rows_per_dim: int = 0

    def __post_init__(self) -> None:
        _require(1 <= self.max_clusters <= 1000, f"max_clusters must be 1 to 1000, got {self.max_clusters}")
        _share(self.boxes, "boxes")
        _require(0 <= self.rows_per_dim <= 100, f"rows_per_dim must be 0 to 100, got {self.rows_per_dim}")


@dataclass(frozen=True)
class TargetLaw:
    """What y must satisfy, and what is done to it.

    Parameters
    ----------
    largest : float
        Every y must be smaller than this, whatever its sign.
    smallest : float
        Some y must be larger than this, whatever its sign.
    relative_spread : float
        y must vary by more than this share of its largest magnitude; 0 accepts constant targets.
    largest_angle : float
        Formulas with a sine, cosine or tangent of a larger argument are rejected: their values are noise.
    normalise : bool
        Map y to [0, 1] by its minimum and maximum.
    noise : float
        Add normal noise of gamma times the root mean square of y, gamma uniform on (0, noise).

    Notes ----- Whatever these say, a sample is rejected when any step of the formula overflows, underflows or
    is undefined on any row.
    """

    largest: float = 1e103
    smallest: float = 0.0
    relative_spread: float = 0.0
    largest_angle: float = 1e300
    normalise: bool = False
    noise: float = 0.0

    def __post_init__(self) -> None:
        _require(0.0 < self.largest <= 1e103, f"largest must lie in (0, 1e103], got {self.largest}")
        _require(
            0.0 <= self.smallest < self.largest, f"smallest must lie in [0, largest), got {self.smallest}"
        )
        _require(
            0.0 <= self.relative_spread < 1.0,
            f"relative_spread must lie in [0, 1), got {self.relative_spread}",
        )
        _require(self.largest_angle > 0.0, f"largest_angle must be above 0, got {self.largest_angle}")
        _require(0.0 <= self.noise < math.inf, f"noise must be 0 or more, got {self.noise}")


@dataclass(frozen=True)
class SampleLaw:
    """Everything a sample depends on besides seed and index.

    Parameters
    ----------
    operators, trees, constants, points, target
        The partial laws.
    dims : tuple of (int, int)
        Least and largest number of variables; uniform between them, whatever is rejected.
    n_points : int
        Rows of a sample (the most of them where their number varies).
    simplify : bool
        Write formulas in a canonical, shorter form before they are evaluated; those whose constants leave
        1e-5..1e5 on the way are rejected.
    exclude_benchmarks : bool
        Reject formulas with the skeleton of a benchmark formula; see `symnum.synthesis.exclusion`.
    """

    operators: OperatorLaw
    trees: TreeLaw = field(default_factory=TreeLaw)
    constants: ConstantLaw = field(default_factory=ConstantLaw)
    points: PointLaw = field(default_factory=PointLaw)
    target: TargetLaw = field(default_factory=TargetLaw)
    dims: tuple[int, int] = (1, 10)
    n_points: int = 200
    simplify: bool = False
    exclude_benchmarks: bool = True

    def __post_init__(self) -> None:
        low, high = self.dims
        _require(1 <= low <= high <= 50, f"dims must satisfy 1 <= least <= largest <= 50, got {self.dims}")
        _require(
            16 <= self.n_points <= 10_000,
            f"n_points must be 16 to 10000 (16 rows screen a formula), got {self.n_points}",
        )
        if self.trees.max_unary and not self.operators.unary:
            object.__setattr__(self, "trees", _replace(self.trees, max_unary=0))

    @property
    def max_binary(self) -> int:
        """Largest number of binary operators."""
        return self.dims[1] + self.trees.extra_binary

    @property
    def max_nodes(self) -> int:
        """Length that no program exceeds."""
        return 6 * self.max_binary + 5 * self.trees.max_unary + 5

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads it back."""
        data = asdict(self)
        data["dims"] = list(self.dims)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SampleLaw:
        """Read what `to_dict` wrote; raises InvalidInput when it is something else."""
        parts = {
            "operators": OperatorLaw,
            "trees": TreeLaw,
            "constants": ConstantLaw,
            "points": PointLaw,
            "target": TargetLaw,
        }
        try:
            values: dict[str, Any] = {k: parts[k](**v) if k in parts else v for k, v in data.items()}
            values["dims"] = (int(data["dims"][0]), int(data["dims"][1]))
            return cls(**values)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise InvalidInput(f"this is no law of samples: {error!r}") from error


def _replace(law: TreeLaw, **changes: Any) -> TreeLaw:
    return TreeLaw(**{f.name: changes.get(f.name, getattr(law, f.name)) for f in fields(law)})
