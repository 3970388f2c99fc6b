"""What reads input of strangers, and hostile input for each of them; used by ``fuzz.py``."""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "reliability" / "corpus"
FUNCTIONS = (
    "add sub mul div pow min max neg inv abs sign sqrt square cube exp log sin cos tan cot sec".split()
)
PIECES = [
    *"0123456789.eE+-*/^(),`x_ \t\n\0\\\"'$%&[]{};:<>?@~|!#é−·×½²√∞٣١",
    *"x0 x1 x2 ** 1e308 1e-320 1e999 nan inf pi sin(x0) lambda __class__ eval( ((( --- `` 0x10 1_000".split(),
    *("ѕin(", "import os", "\ud800", "\u202e", "\ufeff", "9" * 40),
    *(f"{name}(" for name in FUNCTIONS),
]
SEPARATORS = [b",", b";", b"\t", b'"', b"\n", b"\r", b"\0", b"#", b"1e999", b"\xff", b" "]
MARKS = [": ", "\n", "- ", "[", "]", "{", "}", "&a ", "*a ", "!!", "'", '"', "|", ">", "# ", "  ", "? "]
NUMBERS = [0, 1, -1, 2.5, 1e308, 1e-320, float("nan"), float("inf"), 10**30, 2**63, True, None]


class Finding(Exception):
    """A promise that does not hold, other than an undocumented error."""


# ---------------------------------------------------------------------------------------------- making inputs
def any_text(rng: random.Random, seeds: list[str]) -> str:
    """A text of the corpus with a few edits, or pieces at random."""
    if rng.random() < 0.3:
        return "".join(rng.choices(PIECES, k=rng.randrange(12)))
    text = rng.choice(seeds)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + rng.randrange(4) :]
        elif kind == 2:
            text = text[:at] + text[at // 2 : at][:200] + text[at:]
        else:
            text = text[:at] + rng.choice(seeds)[:60] + text[at:]
    return text


def any_bytes(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Bytes of the corpus with a few edits."""
    raw = bytearray(rng.choice(seeds)[:5_000])
    for _ in range(rng.randrange(6)):
        at = rng.randrange(len(raw) + 1)
        if rng.random() < 0.5:
            raw[at:at] = rng.choice(SEPARATORS)
        elif rng.random() < 0.7:
            del raw[at : at + rng.randrange(5)]
        else:
            raw[at:at] = rng.randbytes(rng.randrange(4))
    return bytes(raw)


def any_json(rng: random.Random, value: Any, wild: float = 0.03) -> Any:
    """A JSON value with parts of it exchanged."""
    if rng.random() < wild:
        odd = [[], {}, "", "x0", "add", [[]], {"a": 1}, rng.choice(PIECES), ["x0"] * 3]
        return rng.choice([*NUMBERS, *odd])
    if isinstance(value, dict):
        made = {k: any_json(rng, v, wild) for k, v in value.items() if rng.random() > wild / 3}
        return made if rng.random() > wild / 3 else made | {rng.choice(PIECES): 1}
    if isinstance(value, list):
        made = [any_json(rng, v, wild) for v in value if rng.random() > wild / 3]
        return made if rng.random() > wild / 3 or not made else [*made, rng.choice(made)]
    return value


# ---------------------------------------------------------------------------------------------- targets
class Target:
    """Something that reads input from strangers: makes input k, and reads it."""

    def make(self, rng: random.Random) -> Any:
        raise NotImplementedError

    def read(self, given: Any) -> None:
        raise NotImplementedError

    def from_bytes(self, raw: bytes) -> Any:
        """Input of coverage-guided fuzzing; ValueError when the bytes are none."""
        raise NotImplementedError

    def to_bytes(self, given: Any) -> bytes:
        """What `from_bytes` reads, to begin that from."""
        raise NotImplementedError


class Text(Target):
    """Input that is a text."""

    def from_bytes(self, raw: bytes) -> str:
        return raw.decode("utf-8", "surrogatepass")

    def to_bytes(self, given: str) -> bytes:
        return given.encode("utf-8", "surrogatepass")


class Parse(Text):
    def __init__(self) -> None:
        raw = (CORPUS / "formulas.txt").read_bytes().splitlines()
        self.seeds = [
            s.decode("unicode_escape") if s.startswith(b"\\") else s.decode("utf-8", "surrogateescape")
            for s in raw
        ]
        self.seeds += ["x0*sin(x1/2.5) - exp(-x0**2)", "(x0 + 1)/(x1 - x0*3e-5)", "max(x0, min(x1, 2)) + pi"]

    def make(self, rng: random.Random) -> str:
        return any_text(rng, self.seeds)

    def read(self, given: str) -> None:
        from symnum import Expression
        from symnum.expressions.canonical import canonical

        e = Expression.parse(given)
        if Expression.parse(str(e), e.names) != e:
            raise Finding(f"{str(e)!r} reads back as something else")
        if len(given) % 16 == 0:
            canonical(e)


class Tokens(Target):
    def __init__(self) -> None:
        from symnum import Expression
        from symnum.expressions.tokenizer import ExpressionTokenizer

        self.both = [ExpressionTokenizer.snip(3), ExpressionTokenizer.prose(3)]
        texts = ["x0*sin(x1/2.5) - 3*x0**2", "x0", "1.5", "x0 + x1*x2 - 1/x0", "cos(x0)*2e-3"]
        self.seeds = [[t.encode(Expression.parse(s)) for s in texts] for t in self.both]

    def make(self, rng: random.Random) -> tuple[int, list[int]]:
        which = rng.randrange(2)
        size = self.both[which].vocab_size
        ids = list(rng.choice(self.seeds[which]))
        for _ in range(rng.randrange(5)):
            at = rng.randrange(len(ids) + 1)
            new = rng.choice([rng.randrange(-2, 60), rng.randrange(size), rng.randrange(-(2**63), 2**63)])
            ids[at : at + rng.randrange(2)] = [new] if rng.random() < 0.8 else ids[at // 2 : at]
        return which, ids

    def from_bytes(self, raw: bytes) -> tuple[int, list[int]]:
        return raw[0] % 2 if raw else 0, [
            int(i) for i in np.frombuffer(raw[1 : 1 + len(raw[1:]) // 2 * 2], "<i2")
        ]

    def to_bytes(self, given: tuple[int, list[int]]) -> bytes:
        return bytes([given[0]]) + np.array(given[1]).astype("<i2").tobytes()

    def read(self, given: tuple[int, list[int]]) -> None:
        tokenizer = self.both[given[0]]
        system = tokenizer.decode_system(given[1])
        if tokenizer.token_to_id(tokenizer.vocabulary.roles["placeholder"]) in given[1]:
            return  # a skeleton: its numbers are read as 1, and its form is kept as it stands
        # Numbers lose digits once, when they are written.
        ids = tokenizer.encode(system)
        if tokenizer.encode(tokenizer.decode_system(ids)) != ids:
            raise Finding(f"{system} is encoded as something else")


class Prefix(Target):
    def __init__(self) -> None:
        from symnum import Expression

        texts = ["x0*sin(x1/2.5) - exp(-x0**2)", "min(x0, 3)", "1/(x0 - 2)"]
        self.seeds = [Expression.parse(t, ["x0", "x1"]).to_dict() for t in texts]

    def make(self, rng: random.Random) -> Any:
        return any_json(rng, rng.choice(self.seeds), 0.06)

    def from_bytes(self, raw: bytes) -> Any:
        return json.loads(raw)

    def to_bytes(self, given: Any) -> bytes:
        return json.dumps(given).encode()

    def read(self, given: Any) -> None:
        from symnum import Expression

        e = Expression.from_dict(given)
        if Expression.from_dict(json.loads(json.dumps(e.to_dict()))) != e:
            raise Finding(f"{e} is stored as something else")


class Units(Text):
    seeds = ("kg*m/s^2", "m^(1/2)", "1/s", "", "km/h", "J/(mol*K)", "m^-1.5", "°C", "µm", "%")

    def make(self, rng: random.Random) -> str:
        return any_text(rng, self.seeds)

    def read(self, given: str) -> None:
        from symnum.expressions.units import parse_units

        parse_units([given], ["x"])


class File(Target):
    """Input that is read from a file."""

    name: str

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self.path = self.folder / self.name

    def from_bytes(self, raw: bytes) -> bytes:
        return raw

    def to_bytes(self, given: bytes) -> bytes:
        return given


class Table(File):
    name = "t.csv"

    def __init__(self) -> None:
        super().__init__()
        self.seeds = [p.read_bytes() for p in sorted(CORPUS.glob("*.csv"))]

    def make(self, rng: random.Random) -> bytes:
        return any_bytes(rng, self.seeds)

    def read(self, given: bytes) -> None:
        from symnum.tables import features_and_target, read_table

        self.path.write_bytes(given)
        table = read_table(self.path)
        X, y, _ = features_and_target(table, str(table.columns[-1]))
        if not (np.all(np.isfinite(X)) and np.all(np.isfinite(y)) and len(X) == len(y)):
            raise Finding("a table that is not finite was accepted")


class Model(File):
    name = "m.json"

    def __init__(self) -> None:
        from symnum import SymbolicRegressor

        super().__init__()
        X = np.random.default_rng(0).uniform(1, 5, (30, 2))
        model = SymbolicRegressor(max_time=None, max_evals=300, random_state=0)
        model.fit(X, X[:, 0] * 2 + 0.1 * X[:, 1]).save(self.path)
        self.seed = json.loads(self.path.read_text())

    def make(self, rng: random.Random) -> bytes:
        raw = json.dumps(any_json(rng, self.seed, 0.004)).encode()
        return any_bytes(rng, [raw]) if rng.random() < 0.2 else raw

    def read(self, given: bytes) -> None:
        from symnum import SymbolicRegressor

        self.path.write_bytes(given)
        model = SymbolicRegressor.load(self.path)
        for i in range(len(model.expressions_)):
            model.predict(np.ones((2, 2)), index=i), model.constants(i), model.latex(i), model.source("c", i)
        repr(model), str(model.equations_), model.predict_interval(np.ones((2, 2))), model.latex_table()


class Campaign(File):
    name = "c.yaml"

    def __init__(self) -> None:
        super().__init__()
        configs = sorted((ROOT / "eval" / "configs").glob("*.yaml"))
        self.seeds = [p.read_text(encoding="utf-8") for p in configs]
        self.seeds += [
            "a: &a [x, *a]",
            "name: [[[]]]",
            "? [a]\n: b",
            "<<: {a: b}",
            "a: !!python/name:os.system",
        ]

    def make(self, rng: random.Random) -> bytes:
        text = any_text(rng, self.seeds)
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(MARKS) + text[at:]
        return text.encode("utf-8", "surrogatepass")

    def read(self, given: bytes) -> None:
        from symnum.evaluation.config import read_config

        self.path.write_bytes(given)
        read_config(self.path)


class Weights(File):
    name = "config.json"

    def __init__(self) -> None:
        from symnum.models import SNIPModel
        from symnum.models.snip.configuration import SNIPConfig

        super().__init__()
        small = {
            "width": 16,
            "heads": 2,
            "hidden": 16,
            "latent": 16,
            "symbolic_layers": 1,
            "numeric_layers": 1,
        }
        SNIPModel(SNIPConfig(max_dim=1, inducing_points=2, reads=1, **small)).save_pretrained(self.folder)
        self.files = {p.name: p.read_bytes() for p in self.folder.iterdir()}
        self.config = json.loads(self.files["config.json"])

    def make(self, rng: random.Random) -> tuple[str, bytes]:
        if rng.random() < 0.6:
            return "config.json", json.dumps(any_json(rng, self.config, 0.05)).encode()
        name = rng.choice(sorted(self.files))
        raw = bytearray(self.files[name])
        for _ in range(rng.randrange(1, 4)):
            raw[rng.randrange(min(len(raw), 2_000))] = rng.randrange(256)
        return name, bytes(raw[: rng.choice([len(raw), rng.randrange(len(raw))])])

    def from_bytes(self, raw: bytes) -> tuple[str, bytes]:
        return "config.json", raw

    def to_bytes(self, given: tuple[str, bytes]) -> bytes:
        return given[1]

    def read(self, given: tuple[str, bytes]) -> None:
        from symnum.models import SNIPModel

        for name, raw in {**self.files, given[0]: given[1]}.items():
            (self.folder / name).write_bytes(raw)
        with contextlib.redirect_stderr(None), contextlib.redirect_stdout(None):
            SNIPModel.from_pretrained(self.folder)


TARGETS: dict[str, Callable[[], Target]] = {
    "parse": Parse, "tokens": Tokens, "prefix": Prefix, "units": Units,
    "table": Table, "model": Model, "campaign": Campaign, "weights": Weights,
}  # fmt: skip
