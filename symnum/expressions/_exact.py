"""Formulas as sympy trees with exact constants, for the tasks of the sympy worker."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from symnum.expressions._nodes import rational
from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS

if TYPE_CHECKING:
    import sympy

_ROUND = 4e-16
_SMALL = 1000  # of numerators and denominators of a constant that is taken for exact
_MAX_EXPONENT = 64


def exact_number(value: float) -> sympy.Expr:
    """Number that a float64 stands for: a small fraction, one times pi**k or sqrt, else its shortest decimal.

    A constant computed in float64, such as 0.3989422804014327 for 1/sqrt(2*pi), is recognised to the last
    bits; what stays a decimal is exact as well, so sympy computes without rounding.
    """
    import sympy

    plain = rational(value)
    if plain.denominator <= _SMALL:
        return sympy.Rational(plain.numerator, plain.denominator)
    for k in (1, -1, 2, -2):
        found = _fraction(value / math.pi**k)
        if found is not None:
            return sympy.Rational(found.numerator, found.denominator) * sympy.pi**k
    for k in (0, 1, -1, 3, -3):
        found = _fraction(value * value / math.pi**k)
        if found is not None:
            root = sympy.sqrt(sympy.Rational(found.numerator, found.denominator) * sympy.pi**k)
            return root if value > 0 else -root
    return sympy.Rational(plain.numerator, plain.denominator)


def _fraction(value: float) -> Fraction | None:
    """Fraction of small numbers equal to a value up to a few roundings."""
    if not 1e-3 < abs(value) < _SMALL:
        return None
    found = Fraction(value).limit_denominator(_SMALL)
    small = 0 < abs(found.numerator) <= _SMALL
    return found if small and abs(float(found) - value) <= _ROUND * abs(value) else None


class Exact:
    """Sympy trees of several formulas over the same symbols.

    Parameters
    ----------
    positive : collection of str
        Names of variables known to be positive; the others are real.
    """

    def __init__(self, positive: list[str] | tuple[str, ...] = ()) -> None:
        self.positive = set(positive)
        self.symbols: dict[str, sympy.Symbol] = {}
        self.names: dict[sympy.Symbol, str] = {}
        self.exponents: dict[sympy.Symbol, sympy.Rational] = {}

    def symbol(self, name: str) -> sympy.Symbol:
        """Symbol of a variable; sympy never sees the name itself, which may be any text."""
        import sympy

        if name not in self.symbols:
            assumption = {"positive": True} if name in self.positive else {"real": True}
            symbol = sympy.Symbol(f"v{len(self.symbols)}", **assumption)
            self.symbols[name], self.names[symbol] = symbol, name
        return self.symbols[name]

    def tree(self, expression: Expression) -> sympy.Expr:
        """Sympy tree with exact constants.

        Raises
        ------
        OverflowError
            When an exact power of constants would have an astronomic number of digits.
        """
        import sympy

        symbols = [self.symbol(n) for n in expression.names]
        stack: list[Any] = []
        for code, value in expression.walk():
            if value is not None:
                stack.append(exact_number(value))
            elif code < 0:
                stack.append(symbols[-code - 1])
            else:
                op = OPERATORS.by_code[code]
                args = stack[-op.arity :]
                del stack[-op.arity :]
                if op.name == "pow":
                    stack.append(self._power(*args))
                elif op.name == "cbrt":
                    stack.append(sympy.sign(args[0]) * sympy.Abs(args[0]) ** sympy.Rational(1, 3))
                else:
                    stack.append(op.sympy(sympy, *args))
        return stack[0]

    def _power(self, base: Any, exponent: Any) -> sympy.Expr:
        """Power; sympy would take 5000th roots for unknowns, so 1.2345 becomes 1 + a symbol for 0.2345."""
        import sympy

        if exponent.is_Rational and (exponent.q > 12 or abs(exponent.p) > _MAX_EXPONENT * exponent.q):
            whole = sympy.floor(exponent) if abs(exponent) <= _MAX_EXPONENT else sympy.Integer(0)
            part = exponent - whole
            symbol = next((s for s, v in self.exponents.items() if v == part), None)
            if symbol is None:
                symbol = sympy.Symbol(f"e{len(self.exponents)}", real=True, nonzero=True)
                self.exponents[symbol] = part
            return base ** (whole + symbol)
        if base.is_number and exponent.is_number and abs(exponent) > _MAX_EXPONENT:
            raise OverflowError("power of constants")
        return base**exponent

    def expression(self, tree: sympy.Basic, names: tuple[str, ...]) -> Expression:
        """Expression of a tree over these symbols.

        Raises
        ------
        InvalidInput
            When the tree has parts that the operator table lacks.
        """
        tree = tree.xreplace(self.exponents)
        internal = tuple(self.symbol(n).name for n in names)
        return Expression.from_sympy(tree, internal).rename(names)
