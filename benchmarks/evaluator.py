"""Expression evaluations per second and thread: programs of 17 nodes on 100 rows.

Run ``python benchmarks/evaluator.py``. Two mixes: arithmetic alone, and 30 % of the operators one of
sin, exp, log and sqrt. Beside the compiled evaluator stand `Expression.evaluate` (numpy) and pyoperon's
interpreter (float32) on the same formulas, where it is installed. Programs come in batches of 1,000;
every figure is the best of five.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from collections.abc import Callable

import numpy as np

from symnum.expressions import OPERATORS, Expression
from symnum.expressions.compiled import evaluate_batch, fit_constants, pack

NODES, VARIABLES, BATCH = 17, 5, 1000
ARITHMETIC, FUNCTIONS = ("add", "sub", "mul", "div"), ("sin", "exp", "log", "sqrt")
NAMES = tuple(f"x{i}" for i in range(VARIABLES))


def random_codes(rng: np.random.Generator, unary: int, binary: int) -> list[int]:
    """Postfix codes of a random tree with so many unary and binary operators."""
    if unary + binary == 0:
        return [0] if rng.random() < 0.25 else [-int(rng.integers(VARIABLES)) - 1]
    if rng.random() < unary / (unary + binary):
        return [*random_codes(rng, unary - 1, binary), OPERATORS[str(rng.choice(FUNCTIONS))].code]
    u, b = int(rng.integers(unary + 1)), int(rng.integers(binary))
    parts = random_codes(rng, u, b) + random_codes(rng, unary - u, binary - 1 - b)
    return [*parts, OPERATORS[str(rng.choice(ARITHMETIC))].code]


def random_expressions(count: int, functions: bool, seed: int) -> list[Expression]:
    """Expressions of 17 nodes; with functions, 30 % of the operators are functions on average."""
    rng = np.random.default_rng(seed)
    found: list[Expression] = []
    while len(found) < count:
        # 4 of 10 and 2 of 9 operators, mixed 2 : 3
        unary = (4 if rng.random() < 0.4 else 2) if functions else 0
        codes = random_codes(rng, unary, (NODES - 1 - unary) // 2)
        expression = Expression(codes, rng.uniform(0.5, 3, codes.count(0)), NAMES)
        if len(expression) == NODES:
            found.append(expression)
    return found


def best_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Least processor time of five runs, after one to warm up."""
    work()
    best = np.inf
    for _ in range(repeats):
        gc.collect()
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def operon_rate(expressions: list[Expression], X: np.ndarray) -> float | None:
    """Evaluations per second of pyoperon's interpreter, None without pyoperon."""
    try:
        import pyoperon as operon
    except ImportError:
        return None
    data = operon.Dataset(np.asfortranarray(X))
    hashes = {name: v.Hash for name, v in zip(NAMES, data.Variables, strict=True)}

    def node(token: str | float) -> object:
        if isinstance(token, float):
            return operon.Node.Constant(token)
        if token not in hashes:
            return operon.Node(getattr(operon.NodeType, token.capitalize()))
        variable = operon.Node.Variable(1.0)
        variable.HashValue = variable.CalculatedHashValue = hashes[token]
        return variable

    # Its postfix order has the arguments exchanged, which is prefix order read backwards.
    trees = [operon.Tree([node(t) for t in reversed(e.to_prefix())]).UpdateNodes() for e in expressions]
    out = np.empty(len(trees) * len(X), dtype=np.float32)
    rows = operon.Range(0, len(X))
    rate = len(trees) / best_seconds(lambda: operon.EvaluateTrees(trees, data, rows, out, 1))
    assert np.allclose(out[: len(X)], expressions[0].evaluate(X), rtol=1e-3, equal_nan=True)
    return rate


def measure(expressions: list[Expression], X: np.ndarray) -> dict[str, float | None]:
    """Evaluations per second of each evaluator, one thread."""
    columns = np.ascontiguousarray(X.T)
    batches = [pack(expressions[i : i + BATCH]) for i in range(0, len(expressions), BATCH)]
    few = expressions[:BATCH]
    y = np.ones(len(X))

    def fit() -> int:
        # Started where it is, each program is evaluated with its derivatives at every step of the fit.
        return int(fit_constants(batches[0], columns, y, max_iter=5).evaluations.sum())

    def evaluate() -> None:
        for batch in batches:
            evaluate_batch(batch, columns)

    seconds = best_seconds(evaluate)
    return {
        "symnum": len(expressions) / seconds,
        "symnum, fitting": fit() / best_seconds(fit),
        "numpy": len(few) / best_seconds(lambda: [float(e.evaluate(X)[0]) for e in few]),
        "pyoperon": operon_rate(expressions, X),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    X = np.random.default_rng(args.seed).uniform(0.5, 3, (args.rows, VARIABLES))
    print(f"{args.programs:,} programs of {NODES} nodes, {args.rows} rows, one thread, best of 5")
    print(f"{'mix':15} {'evaluator':16} {'evaluations/s':>14} {'ns per node and row':>20}")
    for mix, functions in (("arithmetic", False), ("30 % functions", True)):
        for name, rate in measure(random_expressions(args.programs, functions, args.seed), X).items():
            if rate is not None:
                print(f"{mix:15} {name:16} {rate:14,.0f} {1e9 / rate / NODES / args.rows:20.3f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
