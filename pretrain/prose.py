"""Pre-training of PROSE; run `python pretrain/prose.py --help`, read pretrain/README.md."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from symnum.training.command import run_command, training_parser
from symnum.training.prose_pretraining import ProseSettings, pretrain


def train(given: Namespace, changes: dict[str, Any]) -> dict[str, float]:
    """Train a forecaster of trajectories."""
    settings = ProseSettings.read(given.config, changes)
    return pretrain(settings, given.out, given.max_seconds, not given.restart, given.cache)


if __name__ == "__main__":
    parser = training_parser("Train a forecaster of trajectories")
    parser.add_argument(
        "--cache", type=Path, help="folder of the trajectories, made where missing (OUT/cache)"
    )
    sys.exit(run_command(parser, train))
