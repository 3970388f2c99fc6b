"""Units of columns, and units carried through an Expression by the rules of the operator table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from symnum.exceptions import InvalidInput, UnitError
from symnum.expressions.operators import OPERATORS
from symnum.expressions.unit import DIMENSIONLESS, Unit

if TYPE_CHECKING:
    from symnum.expressions.expression import Expression

__all__ = ["DIMENSIONLESS", "Unit", "UnitCheck", "check_units", "parse_units", "unit_of"]

Constants = Literal["free", "number"]
Units = Sequence[str | Unit] | Mapping[str, str | Unit]


def parse_units(units: Units, names: Sequence[str]) -> list[Unit]:
    """Units of columns, one a column, from texts in column order or by name.

    Raises
    ------
    UnitError
        When a text cannot be read, a column has no unit or a unit has no column; the column is named.
    """
    if isinstance(units, str | Unit):
        raise UnitError(f"units of {len(names)} columns are a list or a mapping by name, got {units!r}")
    if isinstance(units, Mapping):
        if unknown := [n for n in units if n not in names]:
            raise UnitError(
                f"units are given for {unknown}, which are no columns; the columns are {list(names)}"
            )
        if missing := [n for n in names if n not in units]:
            raise UnitError(f"no unit for the columns {missing}; write '1' for a pure number")
        units = [units[n] for n in names]
    if len(units) != len(names):
        raise UnitError(f"{len(names)} columns {list(names)} but {len(units)} units")
    result = []
    for name, unit in zip(names, units, strict=True):
        try:
            result.append(unit if isinstance(unit, Unit) else Unit.parse(unit))
        except UnitError as error:
            raise UnitError(f"column {name!r}: {error}") from error
    return result


@dataclass(frozen=True, slots=True)
class UnitCheck:
    """Verdict of a unit check.

    Attributes
    ----------
    consistent : bool
        Whether units can be given to the constants so that every operator gets what it needs.
    unit : Unit or None
        Unit of the result; None when a constant leaves it open (any unit) or the check failed.
    reason : str
        Where it breaks, empty when consistent.
    """

    consistent: bool
    unit: Unit | None = None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.consistent


class _Conflict(Exception):
    pass


_Operand = tuple[Unit | None, float | None]  # unit (None: any), value of a part without variables


def unit_of(
    expression: Expression,
    X_units: Units,
    constants: Constants = "free",
) -> UnitCheck:
    """Unit of an expression's values, carried through by the unit rules of the operator table.

    Parameters
    ----------
    X_units : sequence or mapping of str or Unit
        One unit a column of ``expression.names``.
    constants : {"free", "number"}
        ``"free"``: every constant may carry whatever unit is needed, so ``c * x`` can have any unit.
        ``"number"``: constants are pure numbers (0 fits any unit).

    Raises
    ------
    UnitError
        When the units do not fit the columns.
    """
    if constants not in ("free", "number"):
        raise InvalidInput(f"constants is 'free' or 'number', got {constants!r}")
    units = parse_units(X_units, expression.names)
    stack: list[tuple[_Operand, int]] = []  # operand, where its codes begin
    for position, (code, value) in enumerate(expression.walk()):
        if value is not None:
            unit = None if constants == "free" or value == 0 else DIMENSIONLESS
            stack.append(((unit, value), position))
        elif code < 0:
            stack.append(((units[-code - 1], None), position))
        else:
            op = OPERATORS.by_code[code]
            parts = stack[-op.arity :]
            del stack[-op.arity :]
            try:
                stack.append((_apply(op.name, op.unit, [p[0] for p in parts]), parts[0][1]))
            except (_Conflict, UnitError) as conflict:
                return UnitCheck(False, None, f"{conflict} in {_part(expression, parts[0][1], position)}")
    return UnitCheck(True, stack[0][0][0])


def check_units(
    expression: Expression,
    X_units: Units,
    y_unit: str | Unit,
    constants: Constants = "free",
) -> UnitCheck:
    """Whether an expression of these columns can have the unit of the target; see `unit_of`."""
    wanted = y_unit if isinstance(y_unit, Unit) else Unit.parse(y_unit)
    found = unit_of(expression, X_units, constants)
    if not found.consistent or found.unit is None:
        return UnitCheck(True, wanted) if found.consistent else found
    if found.unit.same_dimension(wanted):
        return UnitCheck(True, wanted)
    return UnitCheck(False, found.unit, f"the result has unit {found.unit}, the target {wanted}")


def _apply(name: str, rule: str, args: list[_Operand]) -> _Operand:
    """Unit and constant value of an operator's result; raises _Conflict."""
    values = [v for _, v in args if v is not None]
    value = _constant_value(name, values) if len(values) == len(args) else None
    first = args[0][0]
    if rule == "same":
        return _same(name, first, args[1][0]), value
    if rule == "keep":
        return first, value
    if rule in ("mul", "div"):
        second = args[1][0]
        if first is None or second is None:
            return None, value
        return (first * second if rule == "mul" else first / second), value
    if rule == "power":
        return _power(args[0], args[1]), value
    if rule == "sign":
        return DIMENSIONLESS, value
    if rule == "number":
        if first is not None and not first.dimensionless:
            raise _Conflict(f"{name} needs a pure number, got {first}")
        return DIMENSIONLESS, value
    return (None if first is None else first ** Fraction(rule)), value


def _constant_value(name: str, values: list[float]) -> float:
    with np.errstate(all="ignore"):
        return float(OPERATORS[name].numpy(*(np.float64(v) for v in values)))


def _same(name: str, left: Unit | None, right: Unit | None) -> Unit | None:
    if left is None or right is None:
        return right if left is None else left
    if not left.same_dimension(right):
        raise _Conflict(f"{name} of {left} and {right}")
    return left


def _power(base: _Operand, exponent: _Operand) -> Unit | None:
    for_exponent = exponent[0]
    if for_exponent is not None and not for_exponent.dimensionless:
        raise _Conflict(f"the exponent has unit {for_exponent}, not a pure number")
    if exponent[1] is not None:
        return base[0] ** exponent[1] if base[0] is not None else DIMENSIONLESS if exponent[1] == 0 else None
    if base[0] is not None and not base[0].dimensionless:
        raise _Conflict(f"{base[0]} to a power that varies")
    return DIMENSIONLESS


def _part(expression: Expression, start: int, stop: int) -> str:
    """Text of the sub-expression at codes start..stop, constants rounded."""
    from symnum.expressions.expression import Expression

    skip = int(np.count_nonzero(expression.codes[:start] == 0))
    count = int(np.count_nonzero(expression.codes[start : stop + 1] == 0))
    codes, values = expression.codes[start : stop + 1], expression.constants[skip : skip + count]
    text = Expression(codes, values, expression.names).text(4)
    return text if len(text) <= 120 else f"{text[:117]}..."
