"""A formula as a torch module: differentiable, its constants as parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from symnum.expressions.evaluate import run_program
from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS


def _sign(a: Tensor) -> Tensor:
    return torch.where(a.isnan(), a, torch.sign(a))  # torch's sign of NaN is 0


def _cbrt(a: Tensor) -> Tensor:
    return torch.sign(a) * a.abs() ** (1 / 3)


_OWN: dict[str, Callable[..., Any]] = {"sign": _sign, "cbrt": _cbrt, "cube": lambda a: a * a * a}
_FUNCTIONS = {op.code: _OWN.get(op.name) or getattr(torch, op.torch) for op in OPERATORS}


class FormulaModule(nn.Module):
    """Formula as a torch module.

    Parameters
    ----------
    expression : Expression
        What to compute.

    Attributes
    ----------
    constants : Parameter, shape (k,), float64
        Constants in postfix order, ready to be trained; ``module.double()``, ``.float()``, ``.to(device)``
        and ``state_dict`` work as for any module.

    Examples
    --------
    >>> module = FormulaModule(Expression.parse("2*x0 + sin(x1)"))
    >>> module(torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    tensor([2.], dtype=torch.float64, grad_fn=<AddBackward0>)
    """

    def __init__(self, expression: Expression) -> None:
        super().__init__()
        self.expression: Expression = expression
        self.constants: nn.Parameter = nn.Parameter(
            torch.tensor(expression.constants.copy(), dtype=torch.float64)
        )

    def forward(self, X: Tensor) -> Tensor:
        """Values of the formula, in the floating-point type of X.

        Parameters
        ----------
        X : Tensor, shape (..., d)
            Columns as in the table that the formula was found for.

        Returns
        -------
        Tensor, shape (...)
            IEEE values: NaN or infinity where the formula is undefined.
        """
        columns = {i: X[..., i] for i in self.expression.variables}
        constants = self.constants.to(X.dtype).unbind()
        value = run_program(self.expression, columns, constants, _FUNCTIONS)
        return value.expand(X.shape[:-1])

    def to_expression(self) -> Expression:
        """Expression with the constants as they are now, for instance after training."""
        return self.expression.with_constants(self.constants.detach().cpu().numpy())

    def extra_repr(self) -> str:
        """The formula with its present constants."""
        return self.to_expression().text(6)
