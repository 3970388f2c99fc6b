"""What the package never does: run what it reads, unpickle, or reach out to the network."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    p for part in ("symnum", "pretrain", "eval", "datasets") for p in sorted((ROOT / part).rglob("*.py"))
]
NETWORK = {
    *("socket", "ssl", "http", "urllib", "ftplib", "smtplib", "poplib", "imaplib", "telnetlib", "xmlrpc"),
    *(
        "requests",
        "urllib3",
        "httpx",
        "aiohttp",
        "huggingface_hub",
        "websockets",
        "paramiko",
        "boto3",
        "wandb",
    ),
}
MAY_REACH_OUT = {
    # A pair of sockets between a campaign and the process that supervises its runs.
    "symnum/evaluation/limits.py": {"socket"},
    # Only in `find_weights(name, hub=True)`, for files by name, never unless asked.
    "symnum/models/weights.py": {"huggingface_hub"},
}
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "sympify", "parse_expr", "lambdify", "builtins.eval"}
RUNS_TEXT |= {"sympy.sympify", "sympy.parse_expr", "sympy.lambdify"}
UNSAFE = {"os.system", "os.popen", "pd.read_pickle", "pandas.read_pickle", "np.lib.format.read_array"}
UNSAFE |= {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"}


def dotted(node: ast.AST) -> str:
    """Name of what is called, such as ``np.load``; of what is no name, the last part alone (``.load``)."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(nodes: list[ast.AST]) -> Iterator[tuple[str, ast.Call]]:
    for node in nodes:
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


def faults(path: str, source: str) -> list[str]:
    """Lines of a source that could run, unpickle or fetch something."""
    nodes, found = list(ast.walk(ast.parse(source))), []
    for name, call in calls(nodes):
        where, last = f"{path}:{call.lineno}: {name}", name.rpartition(".")[2]
        if name in RUNS_TEXT or name in UNSAFE:
            found.append(where)
        if name == "torch.load" and keyword(call, "weights_only") != "True":
            found.append(where)
        if last in ("load", "loads") and name.partition(".")[0] in UNPICKLERS | {"joblib"}:
            found.append(where)
        if name in ("np.load", "numpy.load") and keyword(call, "allow_pickle") not in (None, "False"):
            found.append(where)
        if keyword(call, "shell") not in (None, "False") or keyword(call, "trust_remote_code") not in (
            None,
            "False",
        ):
            found.append(where)
    for node in nodes:
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        allowed = MAY_REACH_OUT.get(path, set())
        for name in names:
            top = name.partition(".")[0]
            if (top in NETWORK and top not in allowed) or top in UNPICKLERS:
                found.append(f"{path}:{node.lineno}: import {name}")
    return found


def test_nothing_runs_unpickles_or_fetches_what_it_reads():
    assert len(SOURCES) > 200
    found = [
        f for p in SOURCES for f in faults(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "eval(x)",
        "exec('a')",
        "import pickle",
        "from pickle import loads",
        "import torch; torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=True)",
        "yaml.load(t, Loader=yaml.Loader)",
        "joblib.load(p)",
        "pd.read_pickle(p)",
        "import urllib.request",
        "from http.client import HTTPConnection",
        "subprocess.run(c, shell=True)",
        "AutoModel.from_pretrained(n, trust_remote_code=True)",
        "sympy.sympify(t)",
    ],
)
def test_the_check_sees(line):
    assert faults("symnum/x.py", line)


def test_the_check_lets_pass():
    good = "json.loads(t); np.load(p); torch.load(p, weights_only=True); yaml.safe_load(t); model.eval()"
    assert faults("symnum/x.py", good) == []


NO_NETWORK = """
import sys

def refuse(event, arguments):
    family = arguments[0].family if event in ("socket.connect", "socket.bind") else None
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request") or family not in (None, 1):
        print("reached out:", event, arguments[1:], flush=True)
        sys.exit(3)

sys.addaudithook(refuse)
import numpy as np
from symnum import Expression, SymbolicRegressor
X = np.random.default_rng(0).uniform(1, 5, (40, 2))
model = SymbolicRegressor(max_time=None, max_evals=500, random_state=0, n_jobs=2).fit(X, X[:, 0] / X[:, 1])
model.save("m.json")
SymbolicRegressor.load("m.json").predict(X)
model.sympy(), model.latex()
print("done", flush=True)
"""


def test_import_and_fit_reach_no_network(tmp_path):
    """Python's audit events tell of every connection and look-up."""
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split("\n")[-2] == "done", done.stdout + done.stderr


def test_what_a_model_file_names_is_not_imported(tmp_path):
    """Names in files are looked up in tables of known ones."""
    from symnum import SymbolicRegressor
    from symnum.exceptions import InvalidInput

    for search in ("os:system", "symnum.search.enumerate:EnumerativeSearch", "antigravity"):
        with pytest.raises(InvalidInput, match="unknown"):
            SymbolicRegressor(search=search).fit(np.ones((3, 1)), np.arange(3.0))
    assert "antigravity" not in sys.modules


def test_security_page_says_how_to_report():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "report" in text.lower()
    assert "pickle" in text
