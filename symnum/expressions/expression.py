"""The immutable Expression: postfix operator codes and constants over named variables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import CONSTANT, OPERATORS, Operator

if TYPE_CHECKING:
    import sympy

_SQUARE, _CUBE, _INV = (OPERATORS[n].code for n in ("square", "cube", "inv"))
_POW, _DIV, _NEG = (OPERATORS[n].code for n in ("pow", "div", "neg"))
MAX_NODES = 20_000
MAX_COLUMNS = 32_768  # codes are int16


def default_names(count: int) -> tuple[str, ...]:
    """Names of unnamed columns: x0, x1, ..."""
    return tuple(f"x{i}" for i in range(count))


class Expression:
    """A formula over named variables: an immutable postfix program.

    Parameters
    ----------
    codes : array_like of int, shape (n,)
        Postfix codes: 0 a constant, ``-(i + 1)`` variable ``i``, otherwise an operator code.
    constants : array_like of float, shape (k,)
        One finite value per constant leaf, in postfix order.
    names : sequence of str, optional
        Names of all columns; x0, x1, ... when left out.

    Raises
    ------
    InvalidInput
        When the codes are no complete postfix program or the constants do not fit.

    Notes
    -----
    Four spellings are normalised so that every expression has one text: ``a**2`` is square, ``a**3`` is
    cube, ``1/a`` is inv, and a negated constant is a constant.

    Examples
    --------
    >>> e = Expression.parse("x0**2 + sin(x1)")
    >>> str(e), e.complexity
    ('x0**2 + sin(x1)', 5)
    >>> e.evaluate([[2.0, 0.0]])
    array([4.])
    """

    __slots__ = ("__dict__", "_codes", "_constants", "_names")

    def __init__(
        self, codes: ArrayLike, constants: ArrayLike = (), names: Sequence[str] | None = None
    ) -> None:
        raw = np.asarray(codes)
        values = np.asarray(constants, dtype=np.float64).reshape(-1)
        if raw.ndim != 1 or raw.size == 0 or raw.size > MAX_NODES:
            raise InvalidInput(
                f"an expression needs a 1-D array of 1 to {MAX_NODES} codes, got shape {raw.shape}"
            )
        if raw.dtype.kind not in "iu":
            raise InvalidInput(f"codes are whole numbers, got {raw.dtype} {raw.tolist()!r:.60}")
        if not np.all(np.isfinite(values)):
            raise InvalidInput(f"constants must be finite numbers, got {values[~np.isfinite(values)][0]}")
        out_codes, out_values = _normalise(raw.tolist(), values.tolist())
        used = -min(min(out_codes), 0)
        if used > MAX_COLUMNS:
            raise InvalidInput(f"codes of columns are -1 to -{MAX_COLUMNS}, got {-used}")
        if names is None:
            names = default_names(used)
        elif len(names) < used:
            raise InvalidInput(f"variable {used - 1} is used but only {len(names)} names were given")
        self._codes = np.array(out_codes, dtype=np.int16)
        self._constants = np.array(out_values, dtype=np.float64)
        self._codes.flags.writeable = self._constants.flags.writeable = False
        self._names = tuple(str(n) for n in names)

    # ---------------------------------------------------------------- building
    @classmethod
    def parse(cls, text: str, names: Sequence[str] | None = None) -> Expression:
        """Read a formula from text.

        Parameters
        ----------
        text : str
            Infix text with ``+ - * / ** ^``, functions of the operator table, ``pi``; a name in backticks
            may hold any character.
        names : sequence of str, optional
            Column names. Left out: x0, x1, ... when only such names occur, else the names used, sorted.

        Raises
        ------
        ParseError
            When the text is no formula; the message shows the place.
        """
        from symnum.expressions.parser import parse

        return parse(text, names)

    @classmethod
    def constant(cls, value: float, names: Sequence[str] = ()) -> Expression:
        """Constant expression."""
        if not math.isfinite(value):
            raise InvalidInput(f"constants must be finite numbers, got {value}")
        return _raw([CONSTANT], [value], names)

    @classmethod
    def variable(cls, index: int | str, names: Sequence[str] | None = None) -> Expression:
        """Variable by column index or by name."""
        if isinstance(index, str):
            names = (index,) if names is None else names
            if index not in names:
                raise InvalidInput(f"no variable named {index!r} among {list(names)}")
            index = tuple(names).index(index)
        return cls([-(int(index) + 1)], (), names)

    @classmethod
    def apply(cls, operator: str | Operator, *args: Expression | float) -> Expression:
        """Operator applied to expressions or numbers; names are merged in order of appearance."""
        op = OPERATORS[operator] if isinstance(operator, str) else operator
        if len(args) != op.arity:
            raise InvalidInput(f"{op.name} takes {op.arity} arguments, got {len(args)}")
        parts = [a if isinstance(a, Expression) else cls.constant(a) for a in args]
        names = parts[0].names
        for part in parts[1:]:
            names = names if part.names == names else _merge(names, part.names)
        parts = [p.with_names(names) for p in parts]
        return _applied(op.code, [(p._codes, p._constants) for p in parts], names)

    @classmethod
    def from_prefix(cls, tokens: Sequence[str | float], names: Sequence[str] | None = None) -> Expression:
        """Build from prefix tokens: operator names, variable names and numbers.

        A variable named like an operator is written in backticks, as `to_prefix` does.

        Raises
        ------
        InvalidInput
            When tokens are missing, left over or unknown.
        """
        if names is None:
            names = infer_names([_plain(t) for t in tokens if isinstance(t, str) and t not in OPERATORS])
        if len(tokens) > MAX_NODES:
            raise InvalidInput(
                f"an expression has at most {MAX_NODES} nodes, got {len(tokens)} prefix tokens"
            )
        index = {_prefix_name(n): i for i, n in enumerate(names)}
        items: list[tuple[int, float]] = []
        for token in tokens:
            if isinstance(token, str):
                items.append((-(index[token] + 1) if token in index else OPERATORS[token].code, 0.0))
            else:
                items.append((CONSTANT, _finite(token)))
        shown = f"prefix [{', '.join(map(repr, tokens[:20]))}{', ...' if len(tokens) > 20 else ''}]"
        order, whole, lacking = postfix_order([c for c, _ in items])
        if lacking is not None:
            raise InvalidInput(f"{shown}: {tokens[lacking]} lacks an argument")
        if whole != 1:
            raise InvalidInput(f"{shown} holds {whole} expressions, expected one")
        values = [items[i][1] for i in order if items[i][0] == CONSTANT]
        return cls([items[i][0] for i in order], values, names)

    @classmethod
    def from_sympy(cls, value: sympy.Basic, names: Sequence[str] | None = None) -> Expression:
        """Convert a sympy expression made of the operators of the table."""
        from symnum.expressions.sympy_bridge import from_sympy

        return from_sympy(value, names)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Expression:
        """Read what `to_dict` wrote (plain JSON types)."""
        try:
            names = list(data["names"])
            if not all(isinstance(n, str) for n in names):
                raise TypeError("names are text")
            return cls.from_prefix(list(data["prefix"]), names)
        except (KeyError, TypeError) as error:
            shown = f"{type(data).__name__} {data!r:.100}"
            raise InvalidInput(f"an expression is stored as {{prefix, names}}, got {shown}") from error

    # ---------------------------------------------------------------- looking
    @property
    def codes(self) -> NDArray[np.int16]:
        """Postfix codes, read-only."""
        return self._codes

    @property
    def constants(self) -> NDArray[np.float64]:
        """Values of the constant leaves in postfix order, read-only."""
        return self._constants

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return self._names

    @cached_property
    def variables(self) -> tuple[int, ...]:
        """Indices of the columns that occur, ascending."""
        return tuple(sorted({-c - 1 for c in self._codes.tolist() if c < 0}))

    @cached_property
    def complexity(self) -> int:
        """Node count: every operator counts its table entry, every leaf 1."""
        return sum(OPERATORS.by_code[c].complexity if c > 0 else 1 for c in self._codes.tolist())

    @cached_property
    def depth(self) -> int:
        """Length of the longest path from the root to a leaf, in edges."""
        stack: list[int] = []
        for code in self._codes.tolist():
            arity = OPERATORS.by_code[code].arity if code > 0 else 0
            below = [stack.pop() for _ in range(arity)]
            stack.append(1 + max(below) if below else 0)
        return stack[0]

    def __len__(self) -> int:
        return self._codes.size

    def sympy_size(self) -> int:
        """Node count of the sympy tree, SRBench's model size (imports sympy)."""
        from symnum.expressions.sympy_bridge import sympy_size

        return sympy_size(self)

    def walk(self) -> Iterator[tuple[int, float | None]]:
        """Postfix (code, constant value or None) pairs."""
        k = 0
        for code in self._codes.tolist():
            if code == CONSTANT:
                yield code, float(self._constants[k])
                k += 1
            else:
                yield code, None

    def to_prefix(self) -> list[str | float]:
        """Prefix tokens: operator names, variable names and floats.

        A variable named like an operator is in backticks.
        """
        tokens: list[str | float] = []
        starts: list[int] = []  # where the program of each node begins
        pending: list[int] = []
        for i, (code, value) in enumerate(self.walk()):
            if value is not None:
                tokens.append(value)
            else:
                tokens.append(
                    OPERATORS.by_code[code].name if code > 0 else _prefix_name(self._names[-code - 1])
                )
            arity = OPERATORS.by_code[code].arity if code > 0 else 0
            starts.append(pending[-arity] if arity else i)
            del pending[len(pending) - arity :]
            pending.append(starts[-1])
        # In postfix the last argument ends right before its operator, the one before it where that begins.
        prefix: list[str | float] = []
        ahead = [len(tokens) - 1]
        while ahead:
            i = ahead.pop()
            prefix.append(tokens[i])
            end = i - 1
            while end >= starts[i]:
                ahead.append(end)
                end = starts[end] - 1
        return prefix

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads it back."""
        return {"prefix": self.to_prefix(), "names": list(self._names)}

    # ---------------------------------------------------------------- changing
    def with_constants(self, constants: ArrayLike) -> Expression:
        """Same form with other constants, shape (k,)."""
        values = np.asarray(constants, dtype=np.float64).reshape(-1)
        if values.size != self._constants.size:
            raise InvalidInput(f"{self._constants.size} constants expected, got {values.size}")
        return Expression(self._codes, values, self._names)

    def with_names(self, names: Sequence[str]) -> Expression:
        """Same function of the same named variables over another list of columns."""
        names = tuple(names)
        if names == self._names:
            return self
        place = {n: i for i, n in enumerate(names)}
        missing = [self._names[i] for i in self.variables if self._names[i] not in place]
        if missing:
            raise InvalidInput(f"variables {missing} are not among {list(names)}")
        codes = [c if c >= 0 else -(place[self._names[-c - 1]] + 1) for c in self._codes.tolist()]
        return Expression(codes, self._constants, names)

    def rename(self, names: Sequence[str]) -> Expression:
        """Same columns under other names."""
        return Expression(self._codes, self._constants, names)

    def substitute(self, values: Mapping[str, Expression | float]) -> Expression:
        """Replace variables, by name, with expressions or numbers."""
        keep = [n for n in self._names if n not in values]
        names = tuple(keep)
        for v in values.values():
            names = _merge(names, v.names) if isinstance(v, Expression) else names
        # Programs are spliced and checked once; building every node anew would be quadratic.
        spliced: dict[int, tuple[list[int], list[float]]] = {}
        for i in self.variables:
            new = values.get(self._names[i], None)
            if new is None:
                spliced[i] = [-(names.index(self._names[i]) + 1)], []
            elif isinstance(new, Expression):
                placed = new.with_names(names)
                spliced[i] = placed._codes.tolist(), placed._constants.tolist()
            else:
                spliced[i] = [CONSTANT], [float(new)]
        codes: list[int] = []
        constants: list[float] = []
        for code, value in self.walk():
            part = ([code], [] if value is None else [value]) if code >= 0 else spliced[-code - 1]
            codes += part[0]
            constants += part[1]
        return Expression(codes, constants, names)

    def skeleton(self) -> Expression:
        """Same form with every constant set to 1 (constants abstracted)."""
        # Not through the constructor: 1/a and a**1 must keep their places.
        return _raw(self._codes, np.ones_like(self._constants), self._names)

    # ---------------------------------------------------------------- computing and printing
    def evaluate(self, X: Any) -> NDArray[np.float64]:
        """Values on rows, shape (n,), IEEE semantics (undefined is NaN or inf).

        Parameters
        ----------
        X : array_like (n, d), DataFrame or mapping of columns
            A DataFrame or mapping is read by name.
        """
        from symnum.expressions.evaluate import evaluate

        return evaluate(self, X)

    def sympy(self) -> sympy.Expr:
        """Equivalent sympy expression over real symbols named like the columns."""
        from symnum.expressions.sympy_bridge import to_sympy

        return to_sympy(self)

    def latex(self, digits: int | None = None) -> str:
        """LaTeX text; constants rounded to `digits` significant digits when given."""
        from symnum.expressions.printers import to_latex

        return to_latex(self, digits)

    def text(self, digits: int | None = None) -> str:
        """Infix text; exact unless `digits` significant digits are asked for."""
        from symnum.expressions.printers import to_text

        return to_text(self, digits)

    def numpy_source(self, function: str = "formula") -> str:
        """Source of a Python function of the named columns that needs numpy alone."""
        from symnum.expressions.printers import to_numpy_source

        return to_numpy_source(self, function)

    def source(self, language: str = "python", function: str = "formula") -> str:
        """Source of a function of the columns in use, in their order; all languages compute the same.

        Parameters
        ----------
        language : {"python", "jax", "c", "julia", "matlab", "excel"}
            "excel" gives the text of a cell; `printers_source.to_excel` takes other cells than A2, B2, ...
        function : str
            Name of the function.

        Raises
        ------
        InvalidInput
            For an unknown language, or a name that is none in that language.
        """
        from symnum.expressions.printers_source import to_source

        return to_source(self, language, function)

    def dot(self, digits: int | None = 5) -> str:
        """Tree as DOT text for graphviz; constants with `digits` significant digits, all when None."""
        from symnum.expressions.printers_dot import to_dot

        return to_dot(self, digits)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"Expression({self.text()!r})"

    def _repr_latex_(self) -> str:
        return f"${self.latex(6)}$"

    # ---------------------------------------------------------------- identity
    @cached_property
    def _key(self) -> tuple:
        codes = tuple(c if c >= 0 else self._names[-c - 1] for c in self._codes.tolist())
        return codes, tuple(self._constants.tolist())

    def __eq__(self, other: object) -> bool:
        """Same tree over the same named variables with the same constants."""
        return self._key == other._key if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_raw, (self._codes, self._constants, self._names))

    # ---------------------------------------------------------------- arithmetic
    def __add__(self, other: Expression | float) -> Expression:
        return Expression.apply("add", self, other)

    def __radd__(self, other: float) -> Expression:
        return Expression.apply("add", other, self)

    def __sub__(self, other: Expression | float) -> Expression:
        return Expression.apply("sub", self, other)

    def __rsub__(self, other: float) -> Expression:
        return Expression.apply("sub", other, self)

    def __mul__(self, other: Expression | float) -> Expression:
        return Expression.apply("mul", self, other)

    def __rmul__(self, other: float) -> Expression:
        return Expression.apply("mul", other, self)

    def __truediv__(self, other: Expression | float) -> Expression:
        return Expression.apply("div", self, other)

    def __rtruediv__(self, other: float) -> Expression:
        return Expression.apply("div", other, self)

    def __pow__(self, other: Expression | float) -> Expression:
        return Expression.apply("pow", self, other)

    def __rpow__(self, other: float) -> Expression:
        return Expression.apply("pow", other, self)

    def __neg__(self) -> Expression:
        return Expression.apply("neg", self)


def _raw(codes: ArrayLike, constants: ArrayLike, names: Sequence[str]) -> Expression:
    """Expression from a program known to be valid, left exactly as it is."""
    self = object.__new__(Expression)
    self._codes = np.array(codes, dtype=np.int16)
    self._constants = np.array(constants, dtype=np.float64)
    self._codes.flags.writeable = self._constants.flags.writeable = False
    self._names = tuple(names)
    return self


def _applied(code: int, parts: Sequence[tuple[NDArray, NDArray]], names: Sequence[str]) -> Expression:
    """An operator over normalised programs: only its own spelling is left to be looked at."""
    (first, values), (last, exponents) = parts[0], parts[-1]
    if code == _POW and last[-1] == CONSTANT and exponents[-1] in (2.0, 3.0):
        return _applied(_SQUARE if exponents[-1] == 2.0 else _CUBE, parts[:1], names)
    if code == _DIV and len(first) == 1 and first[0] == CONSTANT and values[0] == 1.0:
        return _applied(_INV, parts[1:], names)
    if code == _NEG and last[-1] == CONSTANT:
        return _raw(first, -values, names)
    codes = np.concatenate([*(p for p, _ in parts), np.array([code], dtype=np.int16)])
    if len(codes) > MAX_NODES:
        raise InvalidInput(f"an expression has at most {MAX_NODES} nodes, got {len(codes)}")
    return _raw(codes, values if len(parts) == 1 else np.concatenate([v for _, v in parts]), names)


def postfix_order(codes: Sequence[int]) -> tuple[list[int], int, int | None]:
    """Order in which postfix reads the places of a prefix program, in linear time.

    Parameters
    ----------
    codes : sequence of int
        As in `Expression`, in prefix order.

    Returns
    -------
    order : list of int
    whole : int
        How many complete expressions there are.
    lacking : int or None
        Place of the innermost operator that lacks an argument at the end.
    """
    order: list[int] = []
    whole = 0
    pending: list[list[int]] = []  # place and number of missing arguments
    for i, code in enumerate(codes):
        if code > 0:
            pending.append([i, OPERATORS.by_code[code].arity])
            continue
        order.append(i)
        while pending:
            pending[-1][1] -= 1
            if pending[-1][1]:
                break
            order.append(pending.pop()[0])
        whole += not pending
    return order, whole, pending[-1][0] if pending else None


def _finite(number: Any) -> float:
    """Float of a prefix token that is no text; the constructor refuses NaN and infinity."""
    try:
        return float(number)
    except OverflowError:
        raise InvalidInput("a number of the expression is too large for a float64") from None


def _prefix_name(name: str) -> str:
    """Variable name as a prefix token: never equal to an operator's."""
    return f"`{name}`" if name in OPERATORS or name.startswith("`") else name


def _plain(token: str) -> str:
    return token[1:-1] if token.startswith("`") and token.endswith("`") and len(token) > 2 else token


def _merge(left: Sequence[str], right: Sequence[str]) -> tuple[str, ...]:
    return (*left, *(n for n in right if n not in left))


def infer_names(found: Sequence[str]) -> tuple[str, ...]:
    """Column names for the variables of a text: x0..xk when only such occur, else sorted."""
    unique = set(found)
    # int() of thousands of digits is refused by Python: look at the length first.
    if all(
        n[:1] == "x" and len(n) < 7 and n[1:].isascii() and n[1:].isdigit() and str(int(n[1:])) == n[1:]
        for n in unique
    ):
        highest = max((int(n[1:]) for n in unique), default=-1)
        if highest < 30_000:
            return default_names(highest + 1)
    return tuple(sorted(unique))


def _normalise(codes: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    """Check a postfix program and rewrite the four spellings that text cannot tell apart."""
    out: list[int] = []
    consts: list[float] = []
    starts: list[tuple[int, int]] = []  # where each pending operand begins, in out and in consts
    taken = 0
    for raw in codes:
        code = int(raw)
        if code <= 0:
            starts.append((len(out), len(consts)))
            out.append(code)
            if code == CONSTANT:
                if taken >= len(values):
                    raise InvalidInput(f"the program has more constant leaves than the {len(values)} values")
                consts.append(values[taken])
                taken += 1
            continue
        op = OPERATORS.by_code.get(code)
        if op is None:
            raise InvalidInput(f"unknown operator code {code}; see symnum.expressions.OPERATORS")
        if len(starts) < op.arity:
            raise InvalidInput(f"{op.name} lacks an argument: the codes are no postfix program")
        if op.arity == 2:
            second = starts.pop()
            if code == _POW and out[-1] == CONSTANT and consts[-1] in (2.0, 3.0):
                code = _SQUARE if consts[-1] == 2.0 else _CUBE
                out.pop(), consts.pop()
            elif code == _DIV and second[0] - starts[-1][0] == 1 and out[second[0] - 1] == CONSTANT:
                at = starts[-1][1]
                if consts[at] == 1.0:
                    code = _INV
                    del out[second[0] - 1], consts[at]
        elif code == _NEG and out[-1] == CONSTANT:
            consts[-1] = -consts[-1]
            continue
        out.append(code)
    if len(starts) != 1:
        raise InvalidInput(f"the codes hold {len(starts)} expressions, expected one")
    if taken != len(values):
        raise InvalidInput(f"{taken} constant leaves but {len(values)} values")
    if not all(math.isfinite(c) for c in consts):
        raise InvalidInput("constants must be finite")
    return out, consts
