"""Values of one expression on rows: the plain numpy reference of the compiled evaluator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import CONSTANT, OPERATORS

if TYPE_CHECKING:
    from symnum.expressions.expression import Expression


def as_columns(expression: Expression, X: Any) -> tuple[dict[int, NDArray[np.float64]], int]:
    """Columns that the expression uses, by index, and the number of rows."""
    names, used = expression.names, expression.variables
    if isinstance(X, Mapping) or (hasattr(X, "columns") and hasattr(X, "__getitem__")):
        known = set(X.keys()) if isinstance(X, Mapping) else set(X.columns)
        missing = [names[i] for i in used if names[i] not in known]
        if missing:
            raise InvalidInput(
                f"columns {missing} are used by the formula but missing in the data; "
                f"it has {sorted(map(str, known))}"
            )
        columns = {i: _floats(X[names[i]]).reshape(-1) for i in used}
        rows = {np.size(X[name]) for name in known} if isinstance(X, Mapping) else {len(X)}
        if len(rows) > 1:
            raise InvalidInput(f"the columns have different lengths: {sorted(rows)}")
        return columns, rows.pop() if rows else 1
    data = _floats(X)
    if data.ndim != 2:
        raise InvalidInput(
            f"X must be 2-D (rows, columns), got shape {data.shape}; use X.reshape(-1, 1) for one column"
        )
    if used and data.shape[1] <= used[-1]:
        raise InvalidInput(
            f"the formula uses column {used[-1]} ({names[used[-1]]}) but X has only {data.shape[1]} columns"
        )
    return {i: data[:, i] for i in used}, data.shape[0]


def _floats(values: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the data must be real numbers: {error}") from None


_NUMPY = {op.code: op.numpy for op in OPERATORS}


def run_program(
    expression: Expression,
    columns: Mapping[int, Any],
    constants: Sequence[Any],
    functions: Mapping[int, Callable[..., Any]],
) -> Any:
    """Value of an expression in any array library.

    Parameters
    ----------
    expression : Expression
    columns : mapping of int to array
        Columns in use, by index.
    constants : sequence
        Value of each constant leaf in postfix order, as the library's scalars.
    functions : mapping of int to callable
        What each operator code does.
    """
    stack: list[Any] = []
    place = 0
    for code in expression.codes.tolist():
        if code == CONSTANT:
            stack.append(constants[place])
            place += 1
        elif code < 0:
            stack.append(columns[-code - 1])
        else:
            arity = OPERATORS.by_code[code].arity
            args = stack[-arity:]
            del stack[-arity:]
            stack.append(functions[code](*args))
    return stack[0]


def evaluate(expression: Expression, X: Any) -> NDArray[np.float64]:
    """Values on rows, shape (n,); see `Expression.evaluate`."""
    columns, rows = as_columns(expression, X)
    with np.errstate(all="ignore"):
        value = run_program(expression, columns, expression.constants, _NUMPY)
    result = np.empty(rows, dtype=np.float64)
    result[:] = value
    return result
