"""What the tests of the families share."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference_odes():
    """Hand-written right-hand sides by family name."""
    path = Path(__file__).with_name("reference_odes.py")
    spec = importlib.util.spec_from_file_location("reference_odes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
