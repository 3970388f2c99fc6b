"""EquationGenerator: samples by number, from a law and a seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions._lanes import WIDTH
from symnum.expressions.operators import OPERATORS
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.problem import Problem
from symnum.synthesis import _nodes, _sampling, _skeletons, _trees
from symnum.synthesis._compile import compile_for
from symnum.synthesis._evaluate import evaluate
from symnum.synthesis._skeletons import hash_skeleton
from symnum.synthesis.exclusion import hash_arrays
from symnum.synthesis.laws import OperatorLaw, SampleLaw
from symnum.synthesis.presets import UNIQUE, preset
from symnum.synthesis.sample import Batch, Sample, check_index
from symnum.synthesis.tokens import TokenWriter
from symnum.synthesis.uniqueness import SeenFunctions

_CHUNK = 512  # samples drawn per call by the iterator
_MEMORY = 2**32  # bytes of X and y in the largest batch


class EquationGenerator:
    """Draws synthetic formulas together with points on them.

    Sample number i depends on the law, the seed and i alone: not on what was drawn before, on batch sizes or
    on the number of processes.

    Parameters
    ----------
    preset : str or SampleLaw
        ``"snip"``, ``"snip-1d"``, ``"improved"`` (see `symnum.synthesis.presets`) or a law of your own.
    max_dim : int, optional
        Largest number of variables; 10 (1 for ``"snip-1d"``) when left out.
    n_points : int, optional
        Rows of a sample; 200 when left out.
    seed : int
        From 0 to 2**63 - 1.
    exclude_benchmarks : bool, optional
        Whether formulas with the skeleton of a benchmark formula are rejected; as the law says (yes) when
        left out.
    operators : OperatorLaw, optional
        Operators and weights other than the law's.
    unique : bool, optional
        Whether iterating leaves out functions that occurred before; as the preset says when left out.

    Raises
    ------
    InvalidInput
        When there is no such preset, an operator is unknown or has no token, or no sample can follow the law.

    Examples
    --------
    >>> sample = EquationGenerator("snip", max_dim=3, seed=0).sample(7)
    >>> sample.X.shape[0] == sample.y.size == 200
    True
    """

    def __init__(
        self,
        preset: str | SampleLaw = "snip",
        max_dim: int | None = None,
        n_points: int | None = None,
        seed: int = 0,
        *,
        exclude_benchmarks: bool | None = None,
        operators: OperatorLaw | None = None,
        unique: bool | None = None,
    ) -> None:
        if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
            raise InvalidInput(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
        self.law: SampleLaw = _find_law(preset, max_dim, n_points, exclude_benchmarks, operators)
        self.preset: str = preset if isinstance(preset, str) else "custom"
        self.seed: int = int(seed)
        self.unique: bool = self.preset in UNIQUE if unique is None else unique
        self.tokenizer: ExpressionTokenizer = ExpressionTokenizer.snip(self.law.dims[1])
        self._writer = TokenWriter(self.tokenizer)
        self._writer.check_operators([*self.law.operators.binary, *self.law.operators.unary])
        self._kernel_law = _kernel_law(self.law)

    def __repr__(self) -> str:
        size = f"max_dim={self.law.dims[1]}, n_points={self.law.n_points}"
        return f"EquationGenerator({self.preset!r}, {size}, seed={self.seed})"

    # ---------------------------------------------------------------- samples
    def batch(self, start: int, n: int, out: Batch | None = None) -> Batch:
        """Samples ``start`` to ``start + n - 1``.

        Parameters
        ----------
        start, n : int
            First number, and how many.
        out : Batch, optional
            One of this generator that is no longer needed: its arrays are overwritten if it has n samples.
            Fresh memory costs a fifth of the time.

        Raises
        ------
        InvalidInput
            When a sample is not found in 20,000 attempts: hardly any formula of the law can be evaluated.
        """
        start = check_index(start)
        most = _MEMORY // (8 * (self.law.dims[1] + 1) * self.law.n_points)
        if not isinstance(n, (int, np.integer)) or not 0 <= n <= most:
            raise InvalidInput(f"a batch has 0 to {most:,} samples of this size, got {n!r}; use batches()")
        arrays = out.arrays if out is not None and out.arrays and len(out) == n else self._output(int(n))
        outcomes = np.zeros(len(_sampling.OUTCOMES), np.int64)
        arguments = (
            evaluate,
            hash_skeleton,
            self._rewrite(),
            self.seed,
            start,
            int(n),
            self._kernel_law,
            self._work(),
            arrays,
            outcomes,
        )
        done = compile_for(_sampling.draw_samples, *arguments)(*arguments)
        counts: dict[str, int] = dict(zip(_sampling.OUTCOMES, outcomes.tolist(), strict=True))
        if done < n:
            causes = ", ".join(f"{v} {k}" for k, v in counts.items() if v)
            raise InvalidInput(
                f"no sample {start + done} in {_sampling.MAX_ATTEMPTS} attempts, the law is impossible; "
                f"in this batch: {causes}"
            )
        longest = int(arrays.lengths.max(initial=1))
        most = int(arrays.n_constants.max(initial=1))
        return Batch(
            indices=np.arange(start, start + n),
            codes=arrays.codes[:, :longest],
            lengths=arrays.lengths,
            constants=arrays.constants[:, :most],
            n_constants=arrays.n_constants,
            dims=arrays.dims,
            rows=arrays.rows,
            X=arrays.X,
            y=arrays.y,
            boxes=arrays.boxes,
            hashes=arrays.hashes,
            outcomes=counts,
            writer=self._writer,
            arrays=arrays,
        )

    def sample(self, index: int) -> Sample:
        """Sample of that number."""
        return self.batch(index, 1).sample(0)

    def problem(self, index: int) -> Problem:
        """Sample of that number as a `Problem` whose truth is the formula."""
        return self.sample(index).problem()

    def batches(self, start: int = 0, n: int = _CHUNK) -> Iterator[Batch]:
        """Endless batches of n consecutive numbers; where `unique`, without functions seen before."""
        seen = SeenFunctions()
        while True:
            batch = self.batch(start, n)
            yield batch.take(seen.new(batch.hashes)) if self.unique else batch
            start += n

    def __iter__(self) -> Iterator[Sample]:
        return (sample for batch in self.batches() for sample in batch)

    # ---------------------------------------------------------------- identity
    def to_dict(self) -> dict[str, Any]:
        """Everything samples depend on, as plain JSON types; `from_dict` reads it back."""
        return {"preset": self.preset, "seed": self.seed, "unique": self.unique, "law": self.law.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EquationGenerator:
        """Generator of the same samples."""
        try:
            law, seed, unique, name = data["law"], data["seed"], data["unique"], str(data["preset"])
        except (KeyError, TypeError) as error:
            raise InvalidInput(
                f"a generator is stored as {{preset, seed, unique, law}}, got {data!r}"
            ) from error
        generator = cls(SampleLaw.from_dict(law), seed=seed, unique=unique)
        generator.preset = name
        return generator

    @property
    def config_hash(self) -> str:
        """Hash of `to_dict` and of the excluded skeletons: equal for generators of the same samples."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        excluded = hash_arrays()[1] if self.law.exclude_benchmarks else np.empty(0, np.uint64)
        return hashlib.sha256(text.encode() + excluded.tobytes()).hexdigest()[:16]

    # ---------------------------------------------------------------- arrays
    def _rewrite(self) -> Any:
        if not self.law.simplify:
            return _nodes.leave
        # Compiled when it is imported, so only for those who need it.
        from symnum.synthesis._simplify import simplify

        return simplify

    def _output(self, n: int) -> _sampling.Output:
        law = self.law
        nodes, dim = law.max_nodes, law.dims[1]
        return _sampling.Output(
            codes=np.empty((n, nodes), np.int16),
            lengths=np.empty(n, np.int32),
            constants=np.empty((n, nodes // 2 + 1)),
            n_constants=np.empty(n, np.int32),
            dims=np.empty(n, np.int32),
            rows=np.empty(n, np.int32),
            X=np.empty((n, dim, law.n_points)),
            y=np.empty((n, law.n_points)),
            boxes=np.empty(n, np.bool_),
            hashes=np.empty(n, np.uint64),
            attempts=np.empty(n, np.int32),
        )

    def _work(self) -> _sampling.Work:
        law = self.law
        nodes, dim = law.max_nodes, law.dims[1]
        levels = nodes // 2 + 2
        padded = -(-max(law.n_points, _sampling.SCREEN) // WIDTH) * WIDTH
        return _sampling.Work(
            rng=np.zeros(2, np.uint64),
            tree=_trees.make_tree(law.max_binary, nodes),
            codes=np.zeros(nodes, np.int64),
            binary=np.zeros(law.max_binary, np.int64),
            unary=np.zeros(law.trees.max_unary + 1, np.int64),
            constants=np.zeros(nodes // 2 + 1),
            w=np.zeros((3 * levels + 2 * dim, padded)),
            stack=np.zeros(levels, np.int64),
            order=np.zeros(padded, np.int64),
            matrix=np.zeros((dim + 3, max(dim, 1))),
            counts=np.zeros(2 * law.points.max_clusters),
            block=np.zeros((dim, padded)),
            few=_skeletons.make_skeleton(2),
            many=_skeletons.make_skeleton(_skeletons.PROBES),
            nodes=_nodes.make_nodes(nodes),
            todo=np.zeros(nodes, np.int64),
        )


def _find_law(
    name: str | SampleLaw,
    max_dim: int | None,
    n_points: int | None,
    exclude_benchmarks: bool | None,
    operators: OperatorLaw | None,
) -> SampleLaw:
    if isinstance(name, str):
        law = preset(name, max_dim, n_points, exclude_benchmarks)
    elif isinstance(name, SampleLaw):
        changes: dict[str, Any] = {} if max_dim is None else {"dims": (min(name.dims[0], max_dim), max_dim)}
        changes |= {} if n_points is None else {"n_points": n_points}
        changes |= {} if exclude_benchmarks is None else {"exclude_benchmarks": exclude_benchmarks}
        law = replace(name, **changes)
    else:
        raise InvalidInput(f"preset is a name or a SampleLaw, got {name!r}")
    return law if operators is None else replace(law, operators=operators)


def _kernel_law(law: SampleLaw) -> _sampling.Law:
    """The law in numbers and arrays."""
    trees, constants, points, target = law.trees, law.constants, law.points, law.target
    codes: dict[int, NDArray[np.int64]] = {}
    shares: dict[int, NDArray[np.float64]] = {}
    for arity in (1, 2):
        probabilities = law.operators.probabilities(arity)
        codes[arity] = np.array([OPERATORS[n].code for n in probabilities], np.int64)
        shares[arity] = np.cumsum(list(probabilities.values()), dtype=np.float64)
        shares[arity][-1:] = 1.0
    none = np.empty(0, np.uint64)
    quick, full = hash_arrays() if law.exclude_benchmarks else (none, none)
    return _sampling.Law(
        least_dim=law.dims[0],
        most_dim=law.dims[1],
        enough=trees.enough,
        extra_binary=trees.extra_binary,
        max_unary=trees.max_unary,
        max_operand=trees.max_operand,
        root_unary=trees.root_unary,
        keep=trees.keep,
        scale=float(trees.scale),
        offset=float(trees.offset),
        root_offset=float(trees.root_offset),
        shapes=_trees.shape_table(law.max_binary),
        binary_codes=codes[2],
        binary_shares=shares[2],
        unary_codes=codes[1],
        unary_shares=shares[1],
        constant=(
            constants.digits,
            constants.magnitude == "log",
            constants.low,
            constants.high,
            float(constants.negative),
            float(constants.whole),
        ),
        max_clusters=points.max_clusters,
        boxes=float(points.boxes),
        shuffle=points.shuffle,
        rows_per_dim=points.rows_per_dim,
        n_points=law.n_points,
        bounded=law.simplify,
        angle=float(target.largest_angle),
        largest=float(target.largest),
        smallest=float(target.smallest),
        spread=float(target.relative_spread),
        normalise=target.normalise,
        noise=float(target.noise),
        quick=quick,
        full=full,
    )
