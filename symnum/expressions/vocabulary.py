"""Vocabularies of the tokenizer: which words exist and what they mean, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symnum.exceptions import InvalidInput
from symnum.expressions.floats import FloatCodec
from symnum.expressions.operators import OPERATORS

FORMAT, VERSION = "symnum-expression-tokenizer", 1
ROLES = ("pad", "bos", "eos", "placeholder", "separator")
SNIP_SPECIALS = (
    "<EOS>", "<X>", "</X>", "<Y>", "</Y>", "</POINTS>", "<INPUT_PAD>", "<OUTPUT_PAD>", "<PAD>", "(", ")",
    "SPECIAL",    "OOD_unary_op", "OOD_binary_op", "OOD_constant",
)  # fmt: skip
SNIP_OPERATORS = (
    "abs", "acos", "add", "asin", "atan", "cos", "cube", "div", "exp", "inv", "log", "mul", "pow", "sin",
    "sqrt",    "square", "sub", "tan",
)  # fmt: skip
SNIP_UNUSED = ("FLOAT+", "FLOAT-", "INT+", "INT-", "rand")
PROSE_OPERATORS = ("add", "sub", "mul", "div", "neg", "inv", "sin", "cos", "square")
INTEGERS = range(-10, 11)


@dataclass(frozen=True)
class Vocabulary:
    """Words in id order and their meaning.

    Attributes
    ----------
    name : str
        Preset that made it.
    words : tuple of str
        All words; a word's id is its place.
    operators : mapping of str to str
        Operator name of the table to its word.
    variables : tuple of str
        Words of the columns, by index.
    constants : mapping of str to float
        Words that are one number each.
    floats : FloatCodec
        Format of all other numbers, three words each.
    roles : mapping of str to str
        Words for pad, bos, eos, placeholder and separator; input_pad where points have tokens.
    write_constants : bool
        Whether encoding writes a number as its one word where there is one; decoding always reads them.
    collapse : bool
        Whether a skeleton writes f(constant), f unary, as a constant.
    """

    name: str
    words: tuple[str, ...]
    operators: Mapping[str, str]
    variables: tuple[str, ...]
    constants: Mapping[str, float]
    floats: FloatCodec
    roles: Mapping[str, str]
    write_constants: bool
    collapse: bool
    index: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {word: i for i, word in enumerate(self.words)}
        if len(index) != len(self.words):
            raise InvalidInput(f"vocabulary {self.name!r} lists a word twice")
        used = [*self.operators.values(), *self.variables, *self.constants, *self.roles.values()]
        missing = [w for w in used if w not in index] + [f"role {r}" for r in ROLES if r not in self.roles]
        if missing:
            raise InvalidInput(f"vocabulary {self.name!r} lacks {missing[:5]}")
        first = index.get("+", len(self.words))
        # Counted before they are made: a damaged file can ask for ten million words.
        count = 2 + self.floats.mantissas + self.floats.exponents
        numbers = tuple(self.floats.vocabulary()) if first + count <= len(self.words) else ()
        if not numbers or self.words[first : first + count] != numbers:
            raise InvalidInput(
                f"vocabulary {self.name!r}: the words of numbers must stand together, from '+' on"
            )
        for name in self.operators:
            OPERATORS[name]
        object.__setattr__(self, "index", index)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; the arity of every operator word is written for readers without the table."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "roles": dict(self.roles),
            "operators": dict(self.operators),
            "arity": {word: OPERATORS[name].arity for name, word in self.operators.items()},
            "variables": list(self.variables),
            "constants": dict(self.constants),
            "floats": {
                "digits": self.floats.digits,
                "max_exponent": self.floats.max_exponent,
                "overflow": self.floats.overflow,
            },
            "write_constants": self.write_constants,
            "collapse": self.collapse,
            "words": list(self.words),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Vocabulary:
        """Read what `to_dict` wrote; raises InvalidInput when it is something else."""
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise InvalidInput(f"no tokenizer: expected a JSON object with format {FORMAT!r}")
        if data.get("version") != VERSION:
            raise InvalidInput(
                f"tokenizer version {data.get('version')!r} is not known here (this is version {VERSION})"
            )
        try:
            return cls(
                name=str(data["name"]),
                words=tuple(str(w) for w in data["words"]),
                operators={str(k): str(v) for k, v in data["operators"].items()},
                variables=tuple(str(w) for w in data["variables"]),
                constants={str(k): float(v) for k, v in data["constants"].items()},
                floats=FloatCodec(**data["floats"]),
                roles={str(k): str(v) for k, v in data["roles"].items()},
                write_constants=bool(data["write_constants"]),
                collapse=bool(data["collapse"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidInput(f"the tokenizer file is damaged: {error!r}") from error


def snip_vocabulary(max_dim: int) -> Vocabulary:
    """Words of E2E and SNIP, each once (10,277 at ten dimensions)."""
    operators = {name: OPERATORS[name].token for name in SNIP_OPERATORS}
    variables = _variables("x_", max_dim)
    constants = {str(i): float(i) for i in INTEGERS}
    constants |= {"pi": math.pi, "e": math.e, "euler_gamma": 0.5772156649015329}
    symbols = sorted([*operators.values(), *constants, "CONSTANT", *SNIP_UNUSED, "|", *variables])
    floats = FloatCodec(digits=4, max_exponent=100)
    return Vocabulary(
        name="snip",
        words=(*SNIP_SPECIALS, *symbols, *floats.vocabulary()),
        operators=operators,
        variables=variables,
        constants=constants,
        floats=floats,
        roles={"pad": "<PAD>", "bos": "<EOS>", "eos": "<EOS>", "placeholder": "CONSTANT", "separator": "|",
               "input_pad": "<INPUT_PAD>"},
        write_constants=False,
        collapse=True,
    )  # fmt: skip


def prose_vocabulary(max_dim: int) -> Vocabulary:
    """Words of PROSE for systems of ordinary differential equations, each once."""
    operators = {name: OPERATORS[name].token for name in PROSE_OPERATORS}
    variables = _variables("u_", max_dim)
    constants = {str(i): float(i) for i in INTEGERS}
    floats = FloatCodec(digits=3, max_exponent=10)
    roles = {"pad": "<PAD>", "bos": "<BOS>", "eos": "<EOS>", "placeholder": "<PLACEHOLDER>", "separator": "|"}
    return Vocabulary(
        name="prose",
        words=(*roles.values(), *operators.values(), *variables, *constants, *floats.vocabulary()),
        operators=operators,
        variables=variables,
        constants=constants,
        floats=floats,
        roles=roles,
        write_constants=False,
        collapse=False,
    )


def _variables(prefix: str, max_dim: int) -> tuple[str, ...]:
    if not 1 <= max_dim <= 10_000:
        raise InvalidInput(f"max_dim must be 1 to 10000, got {max_dim}")
    return tuple(f"{prefix}{i}" for i in range(max_dim))


# Ways to write an operator with others, tried in order: prefix words, 0 and 1 stand for the arguments.
# Exact in real arithmetic and free of domain changes; everything else is refused.
REWRITES: Mapping[str, Sequence[Sequence[str | int | float]]] = {
    "sub": [("add", 0, "neg", 1), ("add", 0, "mul", -1.0, 1)],
    "div": [("mul", 0, "inv", 1), ("mul", 0, "pow", 1, -1.0)],
    "inv": [("div", 1.0, 0), ("pow", 0, -1.0)],
    "neg": [("mul", -1.0, 0)],
    "square": [("pow", 0, 2.0), ("mul", 0, 0)],
    "cube": [("pow", 0, 3.0), ("mul", 0, "mul", 0, 0)],
}
