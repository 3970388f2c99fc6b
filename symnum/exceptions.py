"""The errors that symnum raises: one small tree, every message names what to do next."""

from __future__ import annotations

from typing import Any


class SymnumError(Exception):
    """Base class of every error raised on purpose by symnum."""


class InvalidInput(SymnumError, ValueError):
    """Data, a setting or a formula given by the user cannot be used."""


class ParseError(InvalidInput):
    """A formula's text cannot be read.

    Parameters
    ----------
    message : str
        What is wrong and what was expected.
    text : str
        The whole text.
    position : int
        Index of the first character that could not be used.
    """

    def __init__(self, message: str, text: str = "", position: int | None = None) -> None:
        self.text: str = text
        self.position: int | None = position
        if position is not None and text:
            start = max(0, position - 30)
            shown = text[start : position + 30]
            message = f"{message}\n  {shown}\n  {' ' * (position - start)}^"
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the finished message: it already holds the excerpt."""
        return (_rebuild_parse_error, (str(self), self.text, self.position))


def _rebuild_parse_error(message: str, text: str, position: int | None) -> ParseError:
    error = ParseError(message)
    error.text, error.position = text, position
    return error


class UnitError(InvalidInput):
    """A unit cannot be read, or the units of a problem contradict each other."""


class BudgetExhausted(SymnumError):
    """The time or evaluation budget ended before anything was found."""


class WeightsNotFound(SymnumError, FileNotFoundError):
    """No model weights at any of the places looked at."""


class MissingExtra(SymnumError, ImportError):
    """An optional dependency is not installed."""
