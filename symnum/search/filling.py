"""A template with its parts put in, as one program whose free numbers are fitted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from symnum.expressions.compiled import evaluate_with_jacobian
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT
from symnum.search.template import Template

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Filling:
    """A template with all parts put in.

    Attributes
    ----------
    bodies : mapping of str to Expression
        Of each unknown function, over its arguments.
    parameters : mapping of str to float
    loss : float
        Weighted mean squared error on the rows it was fitted on.
    """

    bodies: Mapping[str, Expression]
    parameters: Mapping[str, float]
    loss: float = np.inf


class Program:
    """A filling as one postfix program; numbers of the template are columns, so that no fit moves them.

    Parameters
    ----------
    template : Template
    bodies : mapping of str to Expression
        Of each unknown function, over its arguments.

    Attributes
    ----------
    codes : ndarray of int16
        Over the columns of `data`.
    owners : list of tuple of str and int
        Whose number each constant is: a parameter's, or that of a function and its place there.
    keys : list of tuple of str and int
        The distinct owners: the free numbers.
    tied : bool
        Whether a number occurs more than once.
    last : ndarray (k,)
        Free numbers of the latest `fit`.
    """

    def __init__(self, template: Template, bodies: Mapping[str, Expression]) -> None:
        self.template, self.bodies = template, bodies
        self.literals = template.literals
        self.owners: list[tuple[str, int]] = []
        codes: list[int] = []
        self._splice(codes)
        self.codes = np.array(codes, dtype=np.int16)
        self.keys = list(dict.fromkeys(self.owners))
        self.tied = len(self.keys) != len(self.owners)
        self.last = np.empty(0)

    def _splice(self, codes: list[int]) -> None:
        t = self.template
        columns, parameters = len(t.columns), len(t.parameters)
        for code, value in t.body.walk():
            if value is not None:
                codes.append(self._literal(value))
            elif code >= 0 or -code - 1 < columns:
                codes.append(code)
            elif -code - 1 < columns + parameters:
                codes.append(CONSTANT)
                self.owners.append((t.parameters[-code - 1 - columns], 0))
            else:
                slot = t.slots[-code - 1 - columns - parameters]
                count = 0
                for inner in self.bodies[slot.function].codes.tolist():
                    if inner < 0:
                        self._argument(slot.arguments[-inner - 1], codes)
                    else:
                        codes.append(inner)
                    if inner == CONSTANT:
                        self.owners.append((f"{slot.function}(", count))
                        count += 1

    def _literal(self, value: float) -> int:
        return -(len(self.template.columns) + self.literals.index(value) + 1)

    def _argument(self, argument: Expression, codes: list[int]) -> None:
        for code, value in argument.walk():
            if value is None:
                codes.append(code)
            else:
                codes.append(self._literal(value))

    def data(self, X: Float) -> Float:
        """Columns of the program, shape (d, n)."""
        return np.concatenate([X.T, np.repeat(np.array(self.literals)[:, None], len(X), axis=1)])

    def values(self, parameters: Mapping[str, float]) -> Float:
        """Present values of the free numbers."""
        found = {f"{f}(": body.constants for f, body in self.bodies.items()}
        return np.array([found[n][k] if n in found else parameters[n] for n, k in self.keys], dtype=float)

    def fit(self, X: Float, y: Float, weights: Float, starts: Float, held: Sequence[int] = ()) -> Filling:
        """Least squares over the free numbers, the best of several starts (s, k)."""
        data, root = self.data(X), np.sqrt(weights / weights.sum())
        place = [self.keys.index(o) for o in self.owners]
        free = [k for k in range(len(self.keys)) if k not in held]
        join = np.zeros((len(self.keys), len(self.owners)))
        join[place, np.arange(len(place))] = 1.0
        best, loss = starts[0], np.inf
        for start in starts:
            whole = start.copy()

            def residual(z: Float, whole: Float = whole) -> Float:
                whole[free] = z
                values, _ = evaluate_with_jacobian(self.codes, whole[place], data)
                gap = np.where(root > 0, (values - y) * root, 0.0)
                return np.where(np.isfinite(gap), np.clip(gap, -1e150, 1e150), 1e150)

            def slope(z: Float, whole: Float = whole) -> Float:
                whole[free] = z
                _, jacobian = evaluate_with_jacobian(self.codes, whole[place], data)
                return np.nan_to_num((join @ (jacobian * root))[free].T, posinf=1e100, neginf=-1e100)

            with np.errstate(all="ignore"):
                z = start[free]
                first = float(np.sum(residual(z) ** 2))
                if free and first < 1e200 and len(y) >= len(free):
                    found = least_squares(residual, z, slope, method="lm", x_scale="jac", max_nfev=40)
                    z, first = found.x, float(2 * found.cost)
            if first < loss:
                whole[free] = z
                best, loss = whole.copy(), first
        self.last = best
        return self.filling_of(best, loss)

    def filling(self, constants: Float, loss: float) -> Filling:
        """From one value an owner."""
        first = {key: self.owners.index(key) for key in self.keys}
        return self.filling_of(np.array([constants[first[key]] for key in self.keys]), loss)

    def filling_of(self, values: Float, loss: float) -> Filling:
        """From one value a key."""
        if not np.all(np.isfinite(values)):
            return Filling(self.bodies, dict.fromkeys(self.template.parameters, 1.0), np.inf)
        at = dict(zip(self.keys, values.tolist(), strict=True))
        bodies = {
            f: body.with_constants([at[f"{f}(", k] for k in range(len(body.constants))])
            for f, body in self.bodies.items()
        }
        return Filling(bodies, {p: at[p, 0] for p in self.template.parameters}, loss)
