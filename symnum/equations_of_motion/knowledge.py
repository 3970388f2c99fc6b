"""What a user knows beforehand: units and guesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symnum.equations_of_motion.motion import Motion
from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.expressions.unit import DIMENSIONLESS, Unit
from symnum.expressions.units import check_units, parse_units


@dataclass(frozen=True)
class MotionUnits:
    """Units of all states of a motion and of the sought derivatives."""

    states: tuple[Unit, ...]
    targets: tuple[Unit, ...]


@dataclass(frozen=True)
class Knowledge:
    """Units and guesses.

    Attributes
    ----------
    units : MotionUnits, optional
    guesses : tuple of tuples of Expression
        For every sought equation.
    """

    units: MotionUnits | None = None
    guesses: tuple[tuple[Expression, ...], ...] = ()

    def proposals(self, motion: Motion, place: int) -> Sequence[Expression]:
        """Guesses for one equation."""
        return self.guesses[place] if self.guesses else ()

    def allowed(self, place: int, e: Expression) -> bool:
        """Whether the units of a right-hand side can be right, with constants that may carry any."""
        return self.units is None or bool(check_units(e, self.units.states, self.units.targets[place]))


def read_motion_units(units: Any, names: Sequence[str], order: int, timed: bool) -> MotionUnits | None:
    """Units as given by a user.

    Raises
    ------
    InvalidInput
        When a unit cannot be read or names and units do not fit.
    """
    if units is None:
        return None
    if isinstance(units, Mapping):
        table = dict(units)
        clock = table.pop("t", None) if "t" not in names else None
        found = parse_units(table, names)
    else:
        if isinstance(units, str) or len(units) not in (len(names), len(names) + 1):
            raise InvalidInput(
                f"units are a mapping by name or {len(names)} in sequence (then the time's), got {units!r}"
            )
        clock = units[len(names)] if len(units) > len(names) else None
        found = parse_units(units[: len(names)], names)
    time = DIMENSIONLESS if clock is None else parse_units([clock], ["t"])[0]
    if clock is None:
        raise InvalidInput('the unit of the time is missing; give it under the name "t" or last')
    rates = [u / time for u in found]
    states = [*found, *(rates if order == 2 else []), *([time] if timed else [])]
    targets = [r / time for r in rates] if order == 2 else rates
    return MotionUnits(tuple(states), tuple(targets))


def read_guess(guess: Any, motion: Motion) -> tuple[tuple[Expression, ...], ...]:
    """Guesses as given by a user, over all states of the motion.

    Raises
    ------
    InvalidInput
        When there is not one entry per equation, or a guess cannot be read.
    """
    if guess is None:
        return ()
    count = len(motion.sought)
    if isinstance(guess, str | Expression):
        guess = [guess]
    if len(guess) != count:
        raise InvalidInput(
            f"guess needs one entry for each of the {count} equations (None: nothing known), got {len(guess)}"
        )
    found = []
    for entry in guess:
        several = entry if isinstance(entry, list | tuple) else [] if entry is None else [entry]
        found.append(
            tuple(
                e.with_names(motion.names)
                if isinstance(e, Expression)
                else Expression.parse(str(e), motion.names)
                for e in several
            )
        )
    return tuple(found)
