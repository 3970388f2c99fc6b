"""How fast synthetic formulas are drawn: rates, stages, workers, memory, first start.

Run it alone on the machine: ``python benchmarks/synthesis.py`` (five minutes), or ``--quick`` (two minutes).
Rates are the best of several runs in one process on one core, ids of formulas and points included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from numba import njit

from symnum.synthesis import EquationGenerator, export_samples
from symnum.synthesis._compile import compile_for
from symnum.synthesis._evaluate import evaluate
from symnum.synthesis._points import draw_points
from symnum.synthesis._random import start_stream
from symnum.synthesis._skeletons import hash_skeleton
from symnum.synthesis._trees import draw_operators, draw_program

# Accepted samples a second of one core of the reference generator (SNIP on AMD EPYC, without tokens), and
# its milliseconds for the ids of 200 x 10 numbers: measured for this project with the published code.
REFERENCE = {10: 124.0, 1: 488.0}
REFERENCE_TOKENS = 5.7
GOAL = {10: 5_000, 1: 20_000}


def best(run: Callable[[], object], repeats: int) -> float:
    """Least seconds of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def rates(name: str, dim: int, exclude: bool, n: int, repeats: int) -> None:
    generator = EquationGenerator(name, max_dim=dim, exclude_benchmarks=exclude)
    batch = generator.batch(0, n)
    number = 0

    def draw() -> None:
        nonlocal batch, number
        number += 1
        batch = generator.batch(number * n, n, batch)

    drawing = best(draw, repeats)
    attempts = sum(batch.outcomes.values())
    programs = best(
        lambda: generator._writer.programs(batch.codes, batch.lengths, batch.constants, batch.n_constants), 3
    )
    points = best(lambda: batch.encode_points(np.arange(n)), repeats)
    rate = n / (drawing + programs + points)
    label = f"{name}, d <= {dim}" + ("" if exclude else ", benchmarks kept")
    beside = f"{rate / REFERENCE[dim]:6.0f} x reference" if name == "snip" else ""
    micro = " ".join(f"{1e6 * t / n:7.2f}" for t in (drawing, programs, points))
    goal = f"(goal {GOAL[dim]:,})"
    print(f"{label:<36}{rate:>9,.0f} /s {goal:<15}{micro}   {n / attempts:6.1%}   {beside}")


# ------------------------------------------------------------------------------------------------- stages
@njit
def _trees(n, law, work, lengths):
    for i in range(n):
        start_stream(work.rng, np.uint64(0), np.uint64(i))
        dim = 1 + i % law.most_dim
        draw_operators(work.rng, law.binary_codes, law.binary_shares, dim + 1, work.binary)
        draw_operators(work.rng, law.unary_codes, law.unary_shares, 2, work.unary)
        lengths[i] = work.codes.size - draw_program(
            work.rng, work.tree, law.shapes, dim, work.binary, dim + 1, work.unary, 2, law.max_operand,
            law.root_unary, law.scale, law.offset, law.root_offset, work.codes,
        )  # fmt: skip


@njit
def _points(n, law, work):
    columns = work.w.shape[0] - 2 * law.most_dim
    for i in range(n):
        start_stream(work.rng, np.uint64(0), np.uint64(i))
        draw_points(
            work.rng, work.w, columns, 1 + i % law.most_dim, law.n_points, law.boxes, law.max_clusters,
            law.shuffle, work.order, work.matrix, work.counts, work.block,
        )  # fmt: skip


@njit
def _values(evaluate, codes, lengths, constants, X, law, work):
    columns = work.w.shape[0] - 2 * law.most_dim
    for i in range(codes.shape[0]):
        work.w[columns : columns + X.shape[1], : X.shape[2]] = X[i]
        begin = work.codes.size - lengths[i]
        work.codes[begin:] = codes[i, : lengths[i]]
        evaluate(
            work.codes,
            begin,
            constants[i],
            work.w,
            columns,
            columns // 3,
            X.shape[2],
            work.stack,
            True,
            law.angle,
        )


@njit
def _skeletons(hash_skeleton, codes, lengths, constants, dims, work):
    s = work.few
    for i in range(codes.shape[0]):
        begin = work.codes.size - lengths[i]
        work.codes[begin:] = codes[i, : lengths[i]]
        hash_skeleton(
            work.codes,
            begin,
            constants[i],
            dims[i],
            True,
            False,
            s.points,
            s.values,
            s.terms,
            s.counts,
            s.plus,
            s.row,
        )


def stages(dim: int, n: int) -> None:
    """Microseconds of each part for one formula (not: one accepted sample)."""
    generator = EquationGenerator("snip", max_dim=dim)
    law, work = generator._kernel_law, generator._work()
    batch = generator.batch(0, n)
    codes, constants = batch.codes.astype(np.int64), np.ascontiguousarray(batch.constants)
    parts = {
        "tree": (_trees, n, law, work, np.zeros(n, np.int64)),
        "points": (_points, n, law, work),
        "values on all rows": (_values, evaluate, codes, batch.lengths, constants, batch.X, law, work),
        "skeleton": (_skeletons, hash_skeleton, codes, batch.lengths, constants, batch.dims, work),
    }
    print(f"stages, d <= {dim}, microseconds a formula: ", end="")
    shown = []
    for name, (function, *arguments) in parts.items():
        compile_for(function, *arguments)
        shown.append(f"{name} {1e6 * best(lambda f=function, a=arguments: f(*a), 5) / n:.1f}")
    print(", ".join(shown))


def number_tokens() -> None:
    generator = EquationGenerator("snip", max_dim=10)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(64, 10, 200)), rng.normal(size=(64, 200)) * 10.0 ** rng.integers(-9, 9, (64, 1))
    dims, rows, chosen = np.full(64, 10, np.int32), np.full(64, 200, np.int32), np.arange(64)
    seconds = best(lambda: generator._writer.points(X, y, dims, rows, chosen), 20) / 64
    print(
        f"ids of 200 x 10 numbers and 200 targets: {1e3 * seconds:.4f} ms "
        f"(goal 0.05; reference {REFERENCE_TOKENS}, {REFERENCE_TOKENS / (1e3 * seconds):.0f} x)"
    )


# ------------------------------------------------------------------------------------------------- processes
_own: EquationGenerator | None = None


def _begin(dim: int) -> None:
    global _own
    _own = EquationGenerator("snip", max_dim=dim)
    _work(0)


def _work(k: int, n: int = 1024) -> int:
    assert _own is not None
    batch = _own.batch(k * n, n)
    assert len(batch.tokens) == len(batch.point_tokens) == n
    return n


def pool_rate(workers: int, tasks: int, dim: int = 10) -> float:
    """Samples a second, ids included, of processes that have started already."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (dim,)) as pool:
        list(pool.map(_work, range(4 * workers)))
        start = time.perf_counter()
        drawn = sum(pool.map(_work, range(100, 100 + tasks)))
        return drawn / (time.perf_counter() - start)


def workers(quick: bool) -> None:
    one, two = pool_rate(1, 30 if quick else 150), pool_rate(2, 60 if quick else 300)
    print(
        f"processes that draw and tokenise: 1 {one:,.0f} /s, 2 {two:,.0f} /s, "
        f"ratio {two / one:.2f} (goal 1.8)"
    )
    generator = EquationGenerator("snip", max_dim=10)
    n = 20_000 if quick else 150_000
    speeds = []
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            export_samples(generator, folder, n, count)
            speeds.append(n / (time.perf_counter() - start))
            size = sum(p.stat().st_size for p in Path(folder).iterdir())
    print(
        f"export of {n:,} samples with text ({size / n / 1e3:.1f} kB each), start included: "
        f"1 {speeds[0]:,.0f} /s, 2 {speeds[1]:,.0f} /s, ratio {speeds[1] / speeds[0]:.2f}"
    )


def torch_stream(quick: bool) -> None:
    try:
        from torch.utils.data import DataLoader

        from symnum.synthesis import EquationStream
    except ImportError:
        print("torch is not installed: its stream is not measured")
        return
    speeds = []
    for count in (0, 1, 2):
        stream = EquationStream(EquationGenerator("snip", max_dim=10), batch_size=256)
        loader = DataLoader(
            stream, batch_size=None, num_workers=count, multiprocessing_context="spawn" if count else None
        )
        batches = iter(loader)
        for _ in range(24):
            next(batches)
        repeats = 60 if quick else 400
        start = time.perf_counter()
        for _ in range(repeats):
            next(batches)
        speeds.append(256 * repeats / (time.perf_counter() - start))
    print(
        f"torch batches of 256: in the process {speeds[0]:,.0f} /s, 1 worker {speeds[1]:,.0f} /s, "
        f"2 workers {speeds[2]:,.0f} /s, ratio {speeds[2] / speeds[1]:.2f}"
    )


def memory(n: int) -> None:
    """Resident memory while n samples pass, ids included."""
    generator = EquationGenerator("improved", max_dim=10, unique=True)
    process = psutil.Process()
    step = max(n // 10, 512)
    seen = drawn = 0
    sizes = []
    start = time.perf_counter()
    for batch in generator.batches(n=512):
        batch.tokens, batch.point_tokens  # noqa: B018
        drawn += 512
        seen += len(batch)
        if drawn % step < 512:
            sizes.append(process.memory_info().rss / 2**20)
        if drawn >= n:
            break
    rate = drawn / (time.perf_counter() - start)
    print(
        f"memory over {drawn:,} samples (improved, {drawn - seen:,} repeated functions left out, "
        f"{rate:,.0f} /s): {sizes[0]:.0f} MiB after a tenth, {sizes[-1]:.0f} MiB at the end, "
        f"most {max(sizes):.0f} MiB"
    )


FIRST = """
import time
start = time.perf_counter()
from symnum.synthesis import EquationGenerator
batch = EquationGenerator({name!r}, max_dim=10).batch(0, 1)
batch.tokens, batch.point_tokens
print(time.perf_counter() - start)
"""


def first_start() -> None:
    for name in ("snip", "improved"):
        with tempfile.TemporaryDirectory() as folder:
            env = os.environ | {"NUMBA_CACHE_DIR": folder}
            seconds = [
                float(
                    subprocess.run(
                        [sys.executable, "-c", FIRST.format(name=name)],
                        env=env,
                        capture_output=True,
                        text=True,
                        check=True,
                    ).stdout
                )
                for _ in range(2)
            ]
        print(
            f"first sample of {name}: {seconds[0]:.1f} s when nothing is compiled, "
            f"{seconds[1]:.2f} s afterwards"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, 50,000 samples for the memory")
    quick = parser.parse_args().quick
    repeats = 5 if quick else 15
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'preset':<36}{'accepted and tokenised':<27} draw  formula  points   accepted of attempts")
    for name, dim, exclude in (
        ("snip", 10, True),
        ("snip", 10, False),
        ("snip", 1, True),
        ("snip", 1, False),
        ("improved", 10, True),
        ("improved", 1, True),
    ):
        rates(name, dim, exclude, 1024 if dim == 10 else 4096, repeats)
    for dim in (10, 1):
        stages(dim, 1024)
    number_tokens()
    workers(quick)
    memory(50_000 if quick else 1_000_000)
    torch_stream(quick)
    first_start()


if __name__ == "__main__":
    main()
