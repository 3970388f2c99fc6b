"""Methods: formulas that are what is predicted, budgets that hold, reasons where something is missing."""

from __future__ import annotations

import importlib.util
import textwrap
import time

import numpy as np
import pytest

from symnum.evaluation.catalogue import entry
from symnum.evaluation.methods import NotApplicable, Training, available, make_method, methods
from symnum.evaluation.methods.child import ChildFailed, run_child
from symnum.evaluation.protocols import prepare
from symnum.exceptions import InvalidInput
from symnum.expressions import Expression

needs = {
    name: pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
    for name in ("gplearn", "pysindy", "pyoperon")
}


def training(text: str, names=("mass", "x2", "I"), n=200, max_time=2.0, seed=0, **more) -> Training:
    X = np.random.default_rng(seed).uniform(1, 3, (n, len(names)))
    return Training(X, Expression.parse(text, names).evaluate(X), names, max_time, 1, seed, **more)


def answer_of(name: str, given: Training):
    method = make_method(name)
    method.load()
    began = time.perf_counter()
    fitted = method.fit(given)
    seconds = time.perf_counter() - began
    return method.answer(fitted, given), seconds


def r2(y, predicted):
    return 1 - np.sum((y - predicted) ** 2) / np.sum((y - np.mean(y)) ** 2)


# -------------------------------------------------------------------------------------------------- registry
def test_every_name_is_a_method_and_says_whether_it_can_run():
    reasons = available()
    assert {"symnum", "symnum-units", "symnum-enumerate", "operon", "gplearn", "pysindy", "linear"} <= set(
        reasons
    )
    assert tuple(reasons) == methods()
    for name in ("symnum", "linear", "random-forest", "gradient-boosting", "kernel-ridge"):
        assert reasons[name] == ""
    assert make_method("operon").name == "operon"
    with pytest.raises(InvalidInput, match="did you mean 'operon'"):
        make_method("opron")


def test_reasons_name_what_is_missing():
    for name, module in (("pysr", "pysr"), ("dysymnet-original", "DySymNet")):
        if importlib.util.find_spec(module) is None:
            assert "not installed" in make_method(name).missing()
    assert "no file" in make_method("nowhere/regressor.py").missing()
    assert "nonexistent_package" in make_method("nonexistent_package.module").missing()


def test_our_searches_say_what_they_lack(monkeypatch):
    assert make_method("symnum-genetic").missing() == ""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert "torch is not installed" in make_method("symnum-dysymnet").missing()


def test_pysr_without_julia_is_a_reason(monkeypatch):
    import symnum.evaluation.methods.pysr as place

    monkeypatch.setattr(place.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(place.shutil, "which", lambda name: None)
    monkeypatch.delenv("PYTHON_JULIAPKG_EXE", raising=False)
    assert "no Julia" in make_method("pysr").missing()


# -------------------------------------------------------------------------------------------------- formulas
def test_symnum_reports_front_and_history():
    given = training("mass*x2**2/I", max_time=10)
    answer, seconds = answer_of("symnum", given)
    np.testing.assert_allclose(answer.expression.evaluate(given.X), given.y, rtol=1e-9)
    np.testing.assert_array_equal(answer.predict(given.X), answer.expression.evaluate(given.X))
    assert answer.expression in answer.front
    assert answer.history
    times = {e: t for t, e in answer.history}
    assert 0 <= times[answer.expression] <= seconds
    assert answer.evaluations > 0
    assert answer.stop_reason


def test_symnum_with_units_is_told_them():
    e = entry("feynman/I.14.3")
    data = prepare(e, "symnum", 0)
    given = Training(data.X_train, data.y_train, data.names, 10, 1, 0, e.units)
    answer, _ = answer_of("symnum-units", given)
    np.testing.assert_allclose(answer.predict(data.X_test), data.y_test, rtol=1e-9)
    assert answer.note == ""
    bare, _ = answer_of("symnum-units", Training(data.X_train, data.y_train, data.names, 5, 1, 0))
    assert "no units" in bare.note


@needs["pyoperon"]
def test_operon_trees_are_translated_with_their_variables():
    given = training("mass*x2 + sin(I)", max_time=2)
    answer, seconds = answer_of("operon", given)
    assert seconds < 6
    # Operon computes in float32.
    np.testing.assert_allclose(
        answer.expression.evaluate(given.X), answer.predict(given.X), rtol=1e-3, atol=1e-4
    )
    assert r2(given.y, answer.expression.evaluate(given.X)) > 0.9
    assert set(answer.expression.names) == {"mass", "x2", "I"}
    assert answer.front
    for e in answer.front:
        assert np.isfinite(e.evaluate(given.X)).any()
    assert answer.reported_size > 0


@needs["pyoperon"]
def test_operon_nodes_one_by_one():
    """A tree put together by hand, in Operon's postfix with the first argument last."""
    import pyoperon

    from symnum.search.operon_trees import from_operon

    X = np.random.default_rng(0).uniform(0.5, 2, (50, 3))
    data = pyoperon.Dataset(np.asfortranarray(X))
    variables = sorted(data.Variables, key=lambda v: v.Index)
    places = {v.Hash: v.Index for v in variables}

    def leaf(i, weight):
        node = pyoperon.Node.Variable(weight)
        node.HashValue = variables[i].Hash
        node.CalculatedHashValue = variables[i].Hash
        return node

    N = pyoperon.Node
    for nodes in (
        [leaf(0, 2.0), leaf(1, 3.0), N.Sub()],
        [leaf(0, 1.0), leaf(1, 1.0), N.Div()],
        [leaf(2, 0.5), leaf(1, 1.0), N.Pow()],
        [N.Constant(0.25), leaf(2, 1.0), N.Sin(), N.Mul(), leaf(0, -1.0), N.Add()],
        [leaf(0, 1.0), N.Square(), N.Sqrt(), N.Exp(), N.Log(), N.Cbrt(), N.Tanh()],
    ):
        tree = pyoperon.Tree(nodes).UpdateNodes()
        table = pyoperon.DispatchTable()
        wanted = np.asarray(pyoperon.Evaluate(table, tree, data, pyoperon.Range(0, 50))).ravel()
        found = from_operon(tree.Nodes, places, ("a", "b", "c")).evaluate(X)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@needs["gplearn"]
def test_gplearn_stops_in_time_and_its_programs_are_translated():
    given = training("mass*x2/I", max_time=3)
    answer, seconds = answer_of("gplearn", given)
    assert seconds < 6
    np.testing.assert_allclose(answer.expression.evaluate(given.X), answer.predict(given.X), rtol=1e-9)
    assert answer.history[0][0] <= answer.history[-1][0] <= seconds
    assert answer.reported_size >= 1


@needs["gplearn"]
def test_gplearn_programs_one_by_one():
    from gplearn._program import _Program
    from gplearn.functions import _function_map

    from symnum.evaluation.methods.gplearn import translate

    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (200, 3))
    f = _function_map
    for program in (
        [f["add"], 0, f["mul"], 1, 0.5],
        [f["div"], f["sub"], 0, 1, 2],
        [f["sqrt"], f["sub"], 0, 1],
        [f["log"], f["sin"], 2],
        [f["max"], f["abs"], 0, f["min"], 1, f["neg"], 2],
        [f["inv"], f["tan"], 0],
    ):
        genetic = _Program(
            function_set=list(f.values()), arities={}, init_depth=(1, 2), init_method="full", n_features=3,
            const_range=(-1, 1), metric=None, p_point_replace=0.1, parsimony_coefficient=0.0,
            random_state=np.random.RandomState(0), program=program,
        )  # fmt: skip
        wanted = genetic.execute(X)
        found = translate(program, ("a", "b", "c")).evaluate(X)
        # Protection sets in at the rare points where something is within 0.001 of zero.
        assert np.mean(np.isclose(found, wanted, rtol=1e-9)) > 0.98


@needs["pysindy"]
def test_pysindy_finds_van_der_pol_and_declines_tables():
    e = entry("strogatz/vdp1")
    data = prepare(e, "symnum", 0)
    given = Training(data.X_train, data.y_train, data.names, 5, 1, 0, trajectory=data.trajectory)
    answer, _ = answer_of("pysindy", given)
    np.testing.assert_allclose(answer.expression.evaluate(data.X_test), data.y_test, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        answer.predict(data.X_test), answer.expression.evaluate(data.X_test), rtol=1e-9
    )
    assert answer.expression.names == ("x", "y")
    with pytest.raises(NotApplicable, match="trajectory"):
        make_method("pysindy").fit(training("mass*x2"))


def test_linear_is_least_squares():
    given = training("2*mass - 3*x2 + 0.5")
    answer, _ = answer_of("linear", given)
    np.testing.assert_allclose(answer.expression.evaluate(given.X), given.y, rtol=1e-9)
    design = np.column_stack([np.ones(len(given.y)), given.X])
    curved = Training(given.X, given.y**2, given.names, 1)
    answer, _ = answer_of("linear", curved)
    wanted = design @ np.linalg.lstsq(design, curved.y, rcond=None)[0]
    np.testing.assert_allclose(answer.predict(curved.X), wanted, rtol=1e-9)
    np.testing.assert_allclose(answer.expression.evaluate(curved.X), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", ["random-forest", "gradient-boosting", "kernel-ridge"])
def test_baselines_fit_and_report_their_size(name):
    given = training("mass*x2 + I", n=150)
    answer, _ = answer_of(name, given)
    assert r2(given.y, answer.predict(given.X)) > 0.9
    assert answer.expression is None
    assert answer.reported_size > 100


@pytest.mark.julia
def test_pysr_finds_a_product():
    if make_method("pysr").missing():
        pytest.skip(make_method("pysr").missing())
    given = training("mass*x2 + 1.5", max_time=20)
    answer, _ = answer_of("pysr", given)
    assert r2(given.y, answer.expression.evaluate(given.X)) > 0.999
    assert 0 < answer.fit_seconds < 30


@pytest.mark.slow
def test_dysymnet_finds_a_product():
    if make_method("dysymnet-original").missing():
        pytest.skip(make_method("dysymnet-original").missing())
    given = training("mass*x2", max_time=120)
    try:
        answer, _ = answer_of("dysymnet-original", given)
    except ChildFailed as error:
        pytest.skip(f"the machine is too slow for it: {str(error)[-60:]}")
    assert answer.expression.names == given.names
    assert r2(given.y, answer.predict(given.X)) > 0.5
    assert answer.fit_seconds < 130


# -------------------------------------------------------------------------------------------------- contract
MODULE = """
    import numpy as np
    from sklearn.linear_model import LinearRegression

    class Est(LinearRegression):
        def __init__(self, max_time=1, random_state=None):
            super().__init__()
            self.max_time, self.random_state = max_time, random_state
        def fit(self, X, y):
            self.seen_ = (type(X).__name__, self.max_time, self.random_state)
            return super().fit(X, y)

    est = Est()
    def model(est, X=None):
        terms = [f"{float(c)!r}*{n}" for c, n in zip(est.coef_, X.columns)]
        return " + ".join([f"{float(est.intercept_)!r}", *terms])
    def complexity(est):
        return 42
    eval_kwargs = {"pre_train": lambda est, X, y: setattr(est, "told_", len(y)), "use_dataframe": %s}
"""


@pytest.mark.parametrize("framed", [True, False])
def test_srbench_contract_by_path(tmp_path, framed):
    path = tmp_path / "regressor.py"
    path.write_text(textwrap.dedent(MODULE % framed))
    method = make_method(str(path))
    assert method.missing() == ""
    given = training("2*mass - 3*x2 + 0.5*I", max_time=7.0, seed=5)
    fitted = method.fit(given)
    assert fitted[0].seen_ == ("DataFrame" if framed else "ndarray", 7, 5)
    assert fitted[0].told_ == 200
    answer = method.answer(fitted, given)
    np.testing.assert_allclose(answer.expression.evaluate(given.X), given.y, rtol=1e-9)
    np.testing.assert_allclose(answer.predict(given.X), given.y, rtol=1e-9)
    assert answer.reported_size == 42
    assert answer.note == ""


def test_srbench_contract_by_dotted_name_and_unreadable_models(tmp_path, monkeypatch):
    (tmp_path / "some_method.py").write_text(textwrap.dedent(MODULE % True))
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    text = textwrap.dedent(MODULE % True).replace('    return " + "', "    return 'f(' + \" + \"")
    (package / "bad.py").write_text(text)
    (package / "empty.py").write_text("est = None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    given = training("2*mass - 3*x2")
    method = make_method("some_package.bad")
    answer = method.answer(method.fit(given), given)
    assert answer.expression is None
    assert "cannot be read" in answer.note
    assert answer.text.startswith("f(")
    assert "lacks est or model" in make_method("some_package.empty").missing()


def test_a_process_without_an_answer_is_an_error_that_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "broken_child.py").write_text("raise SystemExit('the reason')\n")
    with pytest.raises(ChildFailed, match="the reason"):
        run_child("broken_child", training("mass"), 10)
    (tmp_path / "slow_child.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr("symnum.evaluation.methods.child._GRACE", 0.0)
    began = time.perf_counter()
    with pytest.raises(ChildFailed, match="did not end in time"):
        run_child("slow_child", training("mass", max_time=0.5), start_seconds=1.0)
    assert time.perf_counter() - began < 10
    (tmp_path / "good_child.py").write_text(
        "import json, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "task = json.loads((folder / 'task.json').read_text())\n"
        "(folder / 'answer.json').write_text(json.dumps({'rows': len(task['y']), 'names': task['names']}))\n"
    )
    assert run_child("good_child", training("mass"), 10) == {"rows": 200, "names": ["mass", "x2", "I"]}
