"""Values of one expression on rows: the plain numpy reference of the compiled evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS

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


def evaluate(expression: Expression, X: Any) -> NDArray[np.float64]:
    """Values on rows, shape (n,); see `Expression.evaluate`."""
    columns, rows = as_columns(expression, X)
    stack: list[Any] = []
    with np.errstate(all="ignore"):
        for code, value in expression.walk():
            if value is not None:
                stack.append(np.float64(value))
            elif code < 0:
                stack.append(columns[-code - 1])
            else:
                op = OPERATORS.by_code[code]
                args = stack[-op.arity :]
                del stack[-op.arity :]
                stack.append(op.numpy(*args))
    result = np.empty(rows, dtype=np.float64)
    result[:] = stack[0]
    return result
