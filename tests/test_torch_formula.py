"""Formulas as torch modules and JAX functions against the evaluator and its derivatives."""

from __future__ import annotations

import builtins
import io

import numpy as np
import pytest

from symnum import Expression
from symnum.exceptions import MissingExtra
from symnum.expressions import OPERATORS
from symnum.expressions.compiled import evaluate_with_jacobian

EDGES = np.array([0.0, 1.0, -1.0, 0.5, 2.0, 3.0, -2.0, -8.0, 1e200, np.inf, -np.inf, np.nan])
GRID = np.stack(np.meshgrid(EDGES, EDGES, indexing="ij"), axis=-1).reshape(-1, 2)
FORMULA = "1.5*exp(-0.3*x0**2)*sin(2*x1 + 0.7) + log(x0 + 4)/x1**1.5"


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is an extra")


@pytest.fixture(scope="module")
def module_class(torch):
    from symnum.torch_formula import FormulaModule

    return FormulaModule


@pytest.mark.parametrize("name", [op.name for op in OPERATORS])
def test_torch_operators_agree_at_the_edges(torch, module_class, name):
    op = OPERATORS[name]
    e = Expression.apply(op, *(Expression.variable(i, ("x0", "x1")) for i in range(op.arity)))
    values = module_class(e)(torch.tensor(GRID)).numpy()
    np.testing.assert_allclose(values, e.evaluate(GRID), rtol=1e-13)


def test_torch_gradients_are_the_evaluators(torch, module_class):
    e = Expression.parse(FORMULA)
    X = np.random.default_rng(0).uniform(0.5, 2, (30, 2))
    module = module_class(e)
    out = module(torch.tensor(X))
    value, jacobian = evaluate_with_jacobian(e.codes, e.constants, X.T)
    np.testing.assert_allclose(out.detach().numpy(), value, rtol=1e-13)
    out.sum().backward()
    np.testing.assert_allclose(module.constants.grad.numpy(), jacobian.sum(axis=1), rtol=1e-10)


def test_torch_module_trains_and_gives_the_formula_back(torch, module_class):
    truth, e = Expression.parse("2.5*x0 + 1.25"), Expression.parse("1.1*x0 + 0.3")
    X = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    y = torch.tensor(truth.evaluate(X.numpy()))
    module = module_class(e)
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = ((module(X) - y) ** 2).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(module.to_expression().constants, truth.constants, rtol=1e-5)
    assert "x0" in repr(module)


def test_torch_shapes_types_and_state(torch, module_class):
    e = Expression.parse("3.5", ("x0",))
    assert module_class(e)(torch.zeros(4, 5, 1)).shape == (4, 5)
    module = module_class(Expression.parse(FORMULA))
    assert module(torch.ones(3, 2)).dtype == torch.float32
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    other = module_class(Expression.parse(FORMULA).skeleton())
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other(torch.ones(3, 2)), module(torch.ones(3, 2)))


def test_jax_function_agrees():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    from symnum.jax_formula import jax_function

    with jax.enable_x64(True):
        for op in OPERATORS:
            e = Expression.apply(op, *(Expression.variable(i, ("x0", "x1")) for i in range(op.arity)))
            np.testing.assert_allclose(
                jax_function(e)[0](GRID), e.evaluate(GRID), rtol=1e-10, atol=1e-300, err_msg=op.name
            )
        e = Expression.parse(FORMULA)
        X = np.random.default_rng(0).uniform(0.5, 2, (30, 2))
        function, constants = jax_function(e)
        gradient = jax.jit(jax.grad(lambda c: function(X, c).sum()))(constants)
        _, jacobian = evaluate_with_jacobian(e.codes, e.constants, X.T)
        np.testing.assert_allclose(gradient, jacobian.sum(axis=1), rtol=1e-10)


def test_without_jax_the_way_out_is_named(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("jax"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    from symnum.jax_formula import jax_function

    with pytest.raises(MissingExtra, match=r"source\('jax'\)"):
        jax_function(Expression.parse("x0"))


@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_the_recipe_for_onnx(torch, module_class):
    pytest.importorskip("onnxscript", reason="onnx and onnxscript are not installed")
    from onnx.reference import ReferenceEvaluator

    e = Expression.parse(f"{FORMULA} + max(x0, 1) - sign(x1) + cbrt(x0)", ("x0", "x1"))
    example = torch.zeros(2, 2, dtype=torch.float64)
    rows = torch.export.Dim("rows")
    program = torch.onnx.export(module_class(e), (example,), dynamic_shapes=({0: rows},), verbose=False)
    runtime = ReferenceEvaluator(program.model_proto)
    X = np.random.default_rng(0).uniform(0.1, 3, (30, 2))
    (values,) = runtime.run(None, {runtime.input_names[0]: X})
    np.testing.assert_allclose(values, e.evaluate(X), rtol=1e-12)
