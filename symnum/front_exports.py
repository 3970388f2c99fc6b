"""What `SymbolicRegressor` gives away of its front: sympy, LaTeX, source code, torch and JAX."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from symnum.exceptions import InvalidInput, MissingExtra
from symnum.expressions.expression import Expression
from symnum.expressions.printers import power_of_ten
from symnum.search import outputs

if TYPE_CHECKING:
    import pandas as pd
    import sympy

JaxFunction = tuple[Callable[..., Any], NDArray[np.float64]]


class FrontExports:
    """Forms of a fitted formula; the selected one unless `index` names another row of the front.

    Of a model with several outputs each method returns a list, and `index` may be one row for all or a
    sequence of them.
    """

    expressions_: list[Expression]
    equations_: pd.DataFrame
    best_index_: int
    outputs_: list[Any]
    ledger_: pd.DataFrame
    history_: pd.DataFrame
    stop_reason_: str
    seconds_: float | None
    n_rows_: int

    def _expression(self, index: int | None) -> Expression:
        check_is_fitted(self, "expressions_")
        if hasattr(self, "outputs_"):
            raise InvalidInput(f"this model has {len(self.outputs_)} outputs; take one of model.outputs_")
        index = self.best_index_ if index is None else index
        if not -len(self.expressions_) <= index < len(self.expressions_):
            raise InvalidInput(f"index {index} is outside the front of {len(self.expressions_)} formulas")
        return self.expressions_[index]

    @property
    def expression_(self) -> Expression:
        """The selected formula; of several outputs ask ``outputs_[i].expression_``."""
        return self._expression(None)

    def _each(self, index: Any, make: Callable[[Expression], Any]) -> Any:
        if hasattr(self, "outputs_"):
            return [make(m._expression(i)) for m, i in outputs.pairs(self, index)]
        return make(self._expression(index))

    def sympy(self, index: Any = None) -> sympy.Expr | list[sympy.Expr]:
        """The selected formula as a sympy expression; a list for several outputs."""
        return self._each(index, lambda e: e.sympy())

    def latex(self, index: Any = None, digits: int = 4) -> str | list[str]:
        """The selected formula in LaTeX; a list for several outputs."""
        return self._each(index, lambda e: e.latex(digits))

    def latex_table(self, digits: int = 4, indices: Sequence[int] | None = None) -> str:
        """The Pareto front as a LaTeX table; one table after the other for several outputs.

        Parameters
        ----------
        digits : int
            Significant digits of constants.
        indices : sequence of int, optional
            Rows of the front to show; all when left out.

        Returns
        -------
        str
            A ``tabular`` with the rules of the package booktabs.
        """
        check_is_fitted(self, "expressions_")
        if hasattr(self, "outputs_"):
            return "\n\n".join(m.latex_table(digits, indices) for m in self.outputs_)
        head = r"\begin{tabular}{lrrr}", r"\toprule", r"Equation & Complexity & Loss & $R^2$ \\", r"\midrule"
        rows = []
        for i in range(len(self.expressions_)) if indices is None else indices:
            e, row = self._expression(i), self.equations_.iloc[i]
            loss = power_of_ten(f"{row['loss']:.3g}")
            rows.append(rf"${e.latex(digits)}$ & {row['complexity']} & ${loss}$ & {row['r2']:.5f} \\")
        return "\n".join([*head, *rows, r"\bottomrule", r"\end{tabular}"])

    def source(
        self, language: str = "python", index: Any = None, function: str = "formula"
    ) -> str | list[str]:
        """Source code of the formula; see `Expression.source` for languages.

        Parameters
        ----------
        language : {"python", "jax", "c", "julia", "matlab", "excel"}
        index : int, optional
            Row of the front.
        function : str
            Name of the function in the source.
        """
        return self._each(index, lambda e: e.source(language, function))

    def pytorch(self, index: Any = None) -> Any:
        """The formula as a `torch.nn.Module` with trainable constants; see `symnum.torch_formula`.

        Raises
        ------
        MissingExtra
            When torch is not installed.
        """
        try:
            # By name: a plain fit has no way to torch.
            made = importlib.import_module("symnum.torch_formula").FormulaModule
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"this needs torch ({error}); install the extra: pip install -e '.[neural]'"
            ) from error
        return self._each(index, made)

    def jax(self, index: Any = None) -> JaxFunction | list[JaxFunction]:
        """Function ``f(X, constants)`` for JAX and its constants; see `symnum.jax_formula.jax_function`.

        Raises
        ------
        MissingExtra
            When JAX is not installed.
        """
        from symnum.jax_formula import jax_function

        return self._each(index, jax_function)
