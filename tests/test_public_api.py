"""The public face as users rely on it: names, parameters, annotations, docstrings.

A name or parameter may be added freely; taking one away breaks somebody's program and must be meant.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re

import pytest

import symnum

NAMES = {
    "DynamicsRegressor", "EquationGenerator", "Expression", "ExpressionTokenizer", "Operator", "Problem",
    "PROSEForecaster", "PROSEModel", "SNIPEmbedder", "SNIPModel", "SymbolicRegressor", "exceptions",
}  # fmt: skip
NEED_TORCH = {"SNIPModel", "PROSEModel"}

PARAMETERS = {
    "symnum.regressor:SymbolicRegressor": (
        "search max_time max_evals random_state n_jobs model_selection operators extra_operators guesses "
        "template constraints nested_constraints complexity_of_operators max_depth max_complexity loss "
        "warm_start output_directory callbacks verbose"
    ),
    "symnum.regressor:SymbolicRegressor.fit": "X y sample_weight variable_names X_units y_units",
    "symnum.regressor:SymbolicRegressor.predict": "X index return_std",
    "symnum.regressor:SymbolicRegressor.predict_interval": "X index level",
    "symnum.regressor:SymbolicRegressor.constants": "index",
    "symnum.regressor:SymbolicRegressor.sympy": "index",
    "symnum.regressor:SymbolicRegressor.latex": "index digits",
    "symnum.regressor:SymbolicRegressor.latex_table": "digits indices",
    "symnum.regressor:SymbolicRegressor.source": "language index function",
    "symnum.regressor:SymbolicRegressor.pytorch": "index",
    "symnum.regressor:SymbolicRegressor.jax": "index",
    "symnum.regressor:SymbolicRegressor.save": "path",
    "symnum.regressor:SymbolicRegressor.load": "path",
    "symnum.regressor:SymbolicRegressor.from_run": "folder",
    "symnum.dynamics:DynamicsRegressor": "max_time random_state order explicit_time callbacks verbose",
    "symnum.dynamics:DynamicsRegressor.fit": "t U",
    "symnum.dynamics:DynamicsRegressor.predict": "U t",
    "symnum.dynamics:DynamicsRegressor.simulate": "u0 t",
    "symnum.dynamics:DynamicsRegressor.forecast": "t trajectory return_std",
    "symnum.dynamics:DynamicsRegressor.equations": "digits",
    "symnum.forecasting.forecaster:PROSEForecaster": "model candidates max_time random_state device",
    "symnum.forecasting.forecaster:PROSEForecaster.fit": "t U guess names",
    "symnum.forecasting.forecaster:PROSEForecaster.forecast": "t route return_std",
    "symnum.forecasting.forecaster:PROSEForecaster.equations": "digits",
    "symnum.forecasting.forecaster:PROSEForecaster.predict": "U",
    "symnum.expressions:Expression.parse": "text names",
    "symnum.expressions:Expression.evaluate": "X",
    "symnum.expressions:Expression.sympy": "",
    "symnum.expressions:Expression.latex": "digits",
    "symnum.expressions:Expression.source": "language function",
    "symnum.problem:Problem": "X y names units weights truth",
    "symnum.embedding:SNIPEmbedder": "model kind batch_size max_rows device random_state",
    "symnum.embedding:SNIPEmbedder.encode_equations": "equations",
    "symnum.embedding:SNIPEmbedder.encode_data": "data",
    "symnum.fit_plots:plot_slices": "model X y index target ax",
    "symnum.fit_plots:plot_progress": "model ax",
    "symnum.plotting:plot_pareto": "front selected label ax",
    "symnum.plotting:plot_parity": "y y_pred target ax",
    "symnum.plotting:plot_residuals": "y y_pred target ax",
}
FITTED = (
    "equations_ expressions_ best_index_ ledger_ history_ seconds_ stop_reason_ uncertainties_ outputs_ "
    "n_features_in_ feature_names_in_"
)


def find(place: str):
    module, _, name = place.partition(":")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def public_classes() -> list[type]:
    found = []
    for name in sorted(dir(symnum)):
        if name in NEED_TORCH and importlib.util.find_spec("transformers") is None:
            continue
        value = getattr(symnum, name)
        if inspect.isclass(value):
            found.append(value)
    return found


def own_methods(cls: type) -> list[tuple[str, object]]:
    """Public methods and properties that symnum defines, by name."""
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("symnum"):
            found |= {n: v for n, v in vars(base).items() if not n.startswith("_")}
    return sorted((n, v) for n, v in found.items() if callable(v) or isinstance(v, classmethod | property))


def test_no_public_name_is_lost():
    assert set(dir(symnum)) >= NAMES


@pytest.mark.parametrize("place", PARAMETERS)
def test_parameters_keep_their_names(place):
    expected = PARAMETERS[place].split()
    given = inspect.signature(find(place)).parameters
    assert [n for n in given if n in expected] == expected


def test_fitted_attributes_are_documented():
    text = inspect.getdoc(symnum.SymbolicRegressor)
    assert [n for n in FITTED.split() if not re.search(rf"(^|\W){n}\b", text)] == []


@pytest.mark.parametrize("cls", public_classes(), ids=lambda c: c.__name__)
def test_public_classes_are_documented_and_typed(cls):
    text = inspect.getdoc(cls)
    assert text.splitlines()[0].endswith((".", ":"))
    own = vars(cls).get("__init__")
    if (
        own is not None
        and cls.__module__.startswith("symnum")
        and "config" not in inspect.signature(own).parameters
    ):
        named = [n for n in inspect.signature(own).parameters if n != "self"]
        heading = "Parameters\n----------" if "Parameters\n---" in text else "Attributes\n----------"
        section = re.split(r"\n\w+\n-{3,}\n", text.partition(heading)[2])[0]
        words = set(re.findall(r"\w+", "\n".join(line for line in section.splitlines() if line[:1] != " ")))
        assert [n for n in named if n not in words] == []
    wrong = []
    for name, value in own_methods(cls):
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not inspect.isfunction(function) or name in ("register", "to_dict"):
            continue
        if not inspect.getdoc(getattr(cls, name)):
            wrong.append(f"{name}: no docstring")
        signature = inspect.signature(function)
        untyped = [
            n for n, p in signature.parameters.items() if n not in ("self", "cls") and p.annotation is p.empty
        ]
        if untyped or signature.return_annotation is signature.empty:
            wrong.append(f"{name}: not annotated {untyped}")
    assert wrong == []
