"""A formula as a JAX function of the table and its constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import MissingExtra
from symnum.expressions.evaluate import run_program
from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS

_SPELLED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "min": "minimum", "max": "maximum"}
_SPELLED |= {"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "pow": "power"}
_SPELLED |= {"neg": "negative", "inv": "reciprocal"}


def jax_function(expression: Expression) -> tuple[Callable[..., Any], NDArray[np.float64]]:
    """Function ``f(X, constants)`` that JAX can jit, differentiate and map, and the constants.

    Parameters
    ----------
    expression : Expression
        What to compute.

    Returns
    -------
    function : callable
        From X of shape (..., d) and constants of shape (k,) to values of shape (...); in single precision
        unless JAX is told otherwise (``jax_enable_x64``).
    constants : float64 array, shape (k,)
        In postfix order.

    Raises
    ------
    MissingExtra
        When JAX is not installed; ``expression.source("jax")`` needs it only where the text runs.

    Examples
    --------
    >>> function, constants = jax_function(Expression.parse("2*x0 + sin(x1)"))  # doctest: +SKIP
    >>> jax.grad(lambda c: function(X, c).sum())(constants)  # doctest: +SKIP
    """
    try:
        import jax.numpy as jnp  # type: ignore[import-not-found]
    except ImportError:
        raise MissingExtra(
            "this needs JAX: install it (`pip install jax`), or use source('jax'), which needs it only later"
        ) from None
    own: dict[str, Callable[..., Any]] = {"cube": lambda a: a * a * a}
    functions = {
        op.code: own.get(op.name) or getattr(jnp, _SPELLED.get(op.name, op.name)) for op in OPERATORS
    }

    def formula(X: Any, constants: Any = expression.constants) -> Any:
        X, constants = jnp.asarray(X), jnp.asarray(constants)
        columns = {i: X[..., i] for i in expression.variables}
        value = run_program(expression, columns, constants, functions)
        return jnp.broadcast_to(value, X.shape[:-1])

    return formula, expression.constants.copy()
