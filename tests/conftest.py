"""What every test shares: a deterministic hypothesis profile, and a line saying which tests run."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Same examples in every run: a red test is red for everybody. Compiling numba kernels makes the first call of
# a test slow, so single examples have no deadline; pytest-timeout guards the whole test.
settings.register_profile("symnum", derandomize=True, deadline=None, database=None)
settings.load_profile("symnum")


def pytest_report_header(config: pytest.Config) -> str:
    return f"selected markers: {config.option.markexpr or 'all'} (change with -m)"
