"""Expression trees to prefix token ids and back, for one vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import MAX_NODES, Expression, _raw, default_names, postfix_order
from symnum.expressions.operators import CONSTANT, OPERATORS, Operator
from symnum.expressions.vocabulary import REWRITES, Vocabulary

MAX_POWER = 10  # integer powers up to here become products where there is no pow
MAX_TOKENS = 100_000

Words = tuple[list[int], float | None]  # ids of a sub-tree and, of a constant leaf, its value


class TreeWriter:
    """Writes expressions as ids.

    Parameters
    ----------
    vocabulary : Vocabulary
        Words and their meaning.
    skeleton : bool
        Write every constant as the placeholder.
    number_ids : callable
        Ids of numbers (n,) as an array (n, 3).
    """

    def __init__(
        self, vocabulary: Vocabulary, skeleton: bool, number_ids: Callable[[NDArray[np.float64]], NDArray]
    ) -> None:
        self.vocabulary, self.skeleton, self.number_ids = vocabulary, skeleton, number_ids
        index = vocabulary.index
        self.placeholder = index[vocabulary.roles["placeholder"]]
        self.variables = [index[w] for w in vocabulary.variables]
        self.known = (
            {v: index[w] for w, v in vocabulary.constants.items()} if vocabulary.write_constants else {}
        )
        self.templates = self._make_templates()

    def write(self, expression: Expression) -> list[int]:
        """Ids in prefix order."""
        numbers, k = self._constants(expression.constants), 0
        stack: list[Words] = []
        for code in expression.codes.tolist():
            if code == CONSTANT:
                stack.append((numbers[k], float(expression.constants[k])))
                k += 1
            elif code < 0:
                if -code > len(self.variables):
                    raise InvalidInput(
                        f"the formula uses column {-code - 1} ({expression.names[-code - 1]}), the "
                        f"{self.vocabulary.name!r} vocabulary has {len(self.variables)}; use a larger max_dim"
                    )
                stack.append(([self.variables[-code - 1]], None))
            else:
                op = OPERATORS.by_code[code]
                args = stack[-op.arity :]
                del stack[-op.arity :]
                stack.append(self._apply(op, args))
            if len(stack[-1][0]) > MAX_TOKENS:
                raise InvalidInput(f"the formula takes more than {MAX_TOKENS} tokens; simplify it first")
        return stack[0][0]

    def _apply(self, op: Operator, args: list[Words]) -> Words:
        if self.skeleton and self.vocabulary.collapse and op.arity == 1 and args[0][1] is not None:
            return args[0]
        template = self.templates.get(op.code)
        if template is not None:
            return _fill(template, [a[0] for a in args]), None
        if op.name == "pow":
            return self._integer_power(args[0][0], args[1][1]), None
        raise InvalidInput(
            f"{op.name} has no word in the {self.vocabulary.name!r} vocabulary and no exact spelling "
            f"with its operators: {', '.join(self.vocabulary.operators)}"
        )

    def _integer_power(self, base: list[int], exponent: float | None) -> list[int]:
        if exponent is None or exponent != int(exponent) or not 1 <= abs(exponent) <= MAX_POWER:
            raise InvalidInput(
                f"pow has no word in the {self.vocabulary.name!r} vocabulary; only integer powers from 1 to "
                f"{MAX_POWER} and their reciprocals can be written as products"
            )
        product = base
        for _ in range(int(abs(exponent)) - 1):
            product = _fill(self.templates[OPERATORS["mul"].code], [base, product])
        return product if exponent > 0 else _fill(self.templates[OPERATORS["inv"].code], [product])

    def _constants(self, constants: NDArray[np.float64]) -> list[list[int]]:
        if self.skeleton:
            return [[self.placeholder]] * constants.size
        words = self.number_ids(constants).tolist()
        return [
            [self.known[v]] if v in self.known else w for v, w in zip(constants.tolist(), words, strict=True)
        ]

    def _make_templates(self) -> dict[int, list[int]]:
        """By operator code: ids, and ~0 and ~1 in the places of the arguments."""
        known = self.vocabulary.operators
        templates = {}
        for op in OPERATORS:
            for way in [(op.name, *range(op.arity)), *REWRITES.get(op.name, ())]:
                if all(piece in known for piece in way if isinstance(piece, str)):
                    templates[op.code] = self._template(way)
                    break
        return templates

    def _template(self, way: Sequence[str | int | float]) -> list[int]:
        ids: list[int] = []
        for piece in way:
            if isinstance(piece, str):
                ids.append(self.vocabulary.index[self.vocabulary.operators[piece]])
            elif isinstance(piece, int):
                ids.append(~piece)
            else:
                ids += self._constants(np.array([piece]))[0]
        return ids


def _fill(template: list[int], args: list[list[int]]) -> list[int]:
    return [i for piece in template for i in (args[~piece] if piece < 0 else (piece,))]


class TreeReader:
    """Reads ids as expressions; refuses what is incomplete, left over or no word of a formula."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary, self.codec = vocabulary, vocabulary.floats
        index = vocabulary.index
        self.roles = {role: index[word] for role, word in vocabulary.roles.items()}
        self.first_number = index["+"]
        # By id: postfix code and, of a constant, its value.
        self.meaning = {index[w]: (OPERATORS[n].code, 0.0) for n, w in vocabulary.operators.items()}
        self.meaning |= {index[w]: (-(i + 1), 0.0) for i, w in enumerate(vocabulary.variables)}
        self.meaning |= {index[w]: (CONSTANT, v) for w, v in vocabulary.constants.items()}
        self.meaning[self.roles["placeholder"]] = (CONSTANT, 1.0)

    def read(self, ids: list[int], names: Sequence[str] | None) -> list[Expression]:
        """Expressions of a sequence with or without frame and padding."""
        at, stop = self._strip(ids)
        programs = []
        while True:
            codes, values, marked, at = self._tree(ids, at, stop)
            programs.append((codes, values, marked))
            if at == stop:
                break
            if ids[at] != self.roles["separator"]:
                raise self._error(ids, at, "expected the end or the separator")
            at += 1
        if names is None:
            names = default_names(max(0, -min(c for codes, _, _ in programs for c in codes)))
        # A skeleton keeps its form: 1/a with a placeholder for the 1 is no reciprocal.
        return [
            _raw(np.array(codes), np.array(values), names) if marked else Expression(codes, values, names)
            for codes, values, marked in programs
        ]

    def _strip(self, ids: list[int]) -> tuple[int, int]:
        """Where the words of the expressions begin and end."""
        stop = len(ids)
        while stop and ids[stop - 1] == self.roles["pad"]:
            stop -= 1
        start = int(stop > 0 and ids[0] == self.roles["bos"])
        ended = stop > start and ids[stop - 1] == self.roles["eos"]
        if start and not ended:
            raise self._error(ids, stop, f"expected {self.vocabulary.roles['eos']}")
        return start, stop - int(ended)

    def _tree(self, ids: list[int], at: int, stop: int) -> tuple[list[int], list[float], bool, int]:
        """One prefix tree: postfix codes, constants, whether it has placeholders, the place after it."""
        items: list[tuple[int, float]] = []
        missing, marked = 1, False
        while missing:
            if at >= stop:
                raise self._error(ids, at, f"{missing} argument(s) missing")
            marked = marked or ids[at] == self.roles["placeholder"]
            if self.first_number <= ids[at] <= self.first_number + 1:
                items.append((CONSTANT, self._number(ids, at, stop)))
                at += 3
            elif ids[at] in self.meaning:
                items.append(self.meaning[ids[at]])
                at += 1
            else:
                raise self._error(ids, at, "expected an operator, a variable or a number")
            if len(items) > MAX_NODES:
                raise self._error(ids, at, f"expected a formula of at most {MAX_NODES} nodes")
            code = items[-1][0]
            missing += OPERATORS.by_code[code].arity - 1 if code > 0 else -1
        order, _, _ = postfix_order([code for code, _ in items])
        values = [items[i][1] for i in order if items[i][0] == CONSTANT]
        return [items[i][0] for i in order], values, marked, at

    def _number(self, ids: list[int], at: int, stop: int) -> float:
        first, codec = self.first_number, self.codec
        mantissa = ids[at + 1] - first - 2 if at + 1 < stop else -1
        if not 0 <= mantissa < codec.mantissas:
            raise self._error(ids, min(at + 1, stop), "expected the mantissa of a number")
        exponent = ids[at + 2] - first - 2 - codec.mantissas if at + 2 < stop else -1
        if not 0 <= exponent < codec.exponents:
            raise self._error(ids, min(at + 2, stop), "expected the exponent of a number")
        return float(f"{'-' if ids[at] > first else ''}{mantissa}e{exponent - codec.max_exponent}")

    def _error(self, ids: list[int], at: int, message: str) -> InvalidInput:
        words = self.vocabulary.words
        shown = [words[i] if 0 <= i < len(words) else f"id {i}" for i in ids[max(0, at - 8) : at + 1]]
        found = f"found {shown.pop()}" if at < len(ids) else "found the end"
        return InvalidInput(f"token {at}: {message}, {found}; before it: {' '.join(shown) or 'nothing'}")
