"""Bounded sympy simplification, and the worker process behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression, worker
from symnum.expressions.canonical import canonical
from symnum.expressions.simplify import simplify
from symnum.expressions.worker import SympyWorker

ROOT = Path(__file__).resolve().parents[2]
# Multiplying this out gives 200,000 terms: sympy.expand is busy for minutes.
ENDLESS = "(((a + b + c + d + f + g)**3)**3)**3 + a"


@pytest.fixture(scope="module", autouse=True)
def _warm():
    worker.run("simplify", {"expression": Expression.parse("x").to_dict()}, 60)


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("(x**2 - y**2)/(x - y)", "x + y"),
        ("sin(x)*cos(y) + cos(x)*sin(y)", "sin(x + y)"),
        ("(x**3 + 3*x**2 + 3*x + 1)/(x + 1)", "(x + 1)**2"),
        ("(exp(x) - exp(-x))/(exp(x) + exp(-x))", "tanh(x)"),
        ("2*sin(x)*cos(x)", "sin(2*x)"),
        ("x*y*z + x*y + x*z + x + y*z + y + z + 1", "(x + 1)*(y + 1)*(z + 1)"),
        ("(x/y)/(z + x/y)", "x/(x + y*z)"),
        ("x**2 + 2*x*y + y**2 + 2*x*z + 2*y*z + z**2", "(x + y + z)**2"),
        ("1.37*x*x**0.4321 - 1.37*x**1.4321 + y", "y"),
        ("sqrt(x**2)", "abs(x)"),
    ],
)
def test_known_short_forms(text, longest):
    e = Expression.parse(text)
    short = simplify(e, timeout=30)
    assert short.complexity <= Expression.parse(longest, e.names).complexity
    assert short.names == e.names
    assert sympy.simplify((short.sympy() - e.sympy()).rewrite(sympy.exp)) == 0


@settings(max_examples=25)
@given(st.data())
def test_values_are_kept_and_nothing_gets_longer(data):
    names = ("x", "y")
    leaf = st.sampled_from([["x"], ["y"], [2.0], [0.5], [3.25]])
    tree = data.draw(
        st.recursive(
            leaf,
            lambda t: st.one_of(
                st.tuples(st.sampled_from(["sqrt", "exp", "log", "sin", "cos", "square", "neg"]), t).map(
                    lambda p: [p[0], *p[1]]
                ),
                st.tuples(st.sampled_from(["add", "sub", "mul", "div"]), t, t).map(
                    lambda p: [p[0], *p[1], *p[2]]
                ),
            ),
            max_leaves=6,
        )
    )
    e = Expression.from_prefix(tree, names)
    short = simplify(e, timeout=5)
    assert short.complexity <= e.complexity
    X = np.random.default_rng(1).uniform(0.3, 2.0, (60, 2))
    before, after = e.evaluate(X), short.evaluate(X)
    sure = np.isfinite(before) & (np.abs(e.evaluate(X * (1 + 1e-15)) - before) <= 1e-11 * np.abs(before))
    np.testing.assert_allclose(after[sure], before[sure], rtol=1e-8, atol=1e-12)


def test_a_formula_that_keeps_sympy_busy_comes_back_in_time():
    e = Expression.parse(ENDLESS)
    start = time.monotonic()
    short = simplify(e, timeout=1.0)
    assert time.monotonic() - start < 4.0
    assert short.complexity <= canonical(e).complexity


def test_bad_timeout_is_refused():
    with pytest.raises(InvalidInput, match="timeout"):
        simplify(Expression.parse("x"), timeout=0)


# ---------------------------------------------------------------------------------------------- worker
def _payload(text: str) -> dict:
    return {"expression": Expression.parse(text).to_dict()}


def test_overrun_is_a_value_and_the_next_task_gets_a_new_process():
    own = SympyWorker()
    try:
        assert own.run("simplify", _payload("x + x"), 30).status == "ok"
        first = own._process.pid
        late = own.run("simplify", _payload(ENDLESS), 0.5)
        assert late.status == "timeout"
        assert late.parts  # what the cheap strategies gave is kept
        assert own.run("simplify", _payload("x + x"), 30).status == "ok"
        assert own._process.pid != first
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
    finally:
        own.close()


def test_failing_task_is_a_value():
    result = worker.run("no such task", {}, 5)
    assert result.status == "error"
    assert "no such task" in result.message
    assert worker.run("simplify", _payload("x"), 5).status == "ok"


def test_dead_process_is_noticed():
    own = SympyWorker()
    try:
        own.run("simplify", _payload("x"), 30)
        own._process.kill()
        own._process.wait()
        assert own.run("simplify", _payload("x"), 30).status == "ok"
    finally:
        own.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the limit of another process")
def test_memory_is_limited():
    import resource

    from symnum.expressions._sympy_worker import MEMORY_BYTES

    worker.run("simplify", _payload("x"), 30)
    assert resource.prlimit(worker._SHARED._process.pid, resource.RLIMIT_AS)[0] <= MEMORY_BYTES


def test_threads_share_the_worker():
    results = {}

    def work(k: int) -> None:
        results[k] = str(simplify(Expression.parse(f"({k}*x**2 - {k}*y**2)/(x - y)"), timeout=30))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2, 6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {k: f"{k}*(x + y)" for k in range(2, 6)}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_plain_script_needs_no_main_guard(tmp_path):
    # A module named like sympy in the working folder must not be picked up by the worker.
    (tmp_path / "mpmath.py").write_text("raise RuntimeError('wrong module')")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.path.pop(0)\n"
        "from symnum.expressions import Expression\n"
        "from symnum.expressions.simplify import simplify\n"
        "print(simplify(Expression.parse('2*sin(x)*cos(x)'), timeout=60))\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=_environment(),
        timeout=120,
    )
    assert done.stdout.strip() == "sin(2*x)", done.stderr
    assert not done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_worker_ends_with_its_parent():
    code = (
        "from symnum.expressions import Expression, worker; import time\n"
        "worker.run('simplify', {'expression': Expression.parse('x').to_dict()}, 60)\n"
        "print(worker._SHARED._process.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=_environment()
    )
    with parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the worker outlived its parent")
