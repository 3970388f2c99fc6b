"""Makes the shared hypothesis strategies importable as ``expression_strategies``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# With --import-mode=importlib test folders are not on sys.path; this file is read before the tests beside it.
_NAME = "expression_strategies"
_spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).with_name("strategies.py"))
_module = importlib.util.module_from_spec(_spec)
sys.modules[_NAME] = _module
_spec.loader.exec_module(_module)
