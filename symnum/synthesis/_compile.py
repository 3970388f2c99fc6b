"""How the kernels of this package are compiled and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit, typeof, types

from symnum.expressions._kernels import DIGEST

OPTIONS = {"nogil": True, "error_model": "numpy"}

part = njit(**OPTIONS)
"""Decorator of a function that kernels call in several places."""


@cache
def digest() -> str:
    """Fingerprint of all code that kernels are made of."""
    text = DIGEST.encode()
    for path in sorted(Path(__file__).parent.glob("_*.py")):
        text += path.read_bytes()
    return hashlib.sha256(text).hexdigest()[:16]


def kernel(signature: Any = None) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: compile, at once for a signature or else on first use, and keep on disk.

    numba's cache looks at the function's own file alone, so the fingerprint becomes part of the name. A
    kernel with a signature can be passed to another one as an argument (`pointer`), which then does not
    compile it again.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        function.__qualname__ = f"{function.__name__}_{digest()}"
        return njit(signature, cache=True, **OPTIONS)(function)

    return decorate


def compile_for(function: Any, *arguments: Any) -> Any:
    """Compile a kernel for arguments like these; kernels among them are taken as pointers."""
    if not function.signatures:
        kinds = [
            types.FunctionType(a.nopython_signatures[0]) if hasattr(a, "nopython_signatures") else typeof(a)
            for a in arguments
        ]
        function.compile(tuple(kinds))
        function.disable_compile()
    return function
