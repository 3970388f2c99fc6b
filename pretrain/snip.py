"""Contrastive pre-training of SNIP; run `python pretrain/snip.py --help`, read pretrain/README.md."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from symnum.training.command import run_command, training_parser
from symnum.training.pretraining import pretrain
from symnum.training.settings import Settings


def train(given: Namespace, changes: dict[str, Any]) -> dict[str, float]:
    """Train a pair of encoders."""
    settings = Settings.read(given.config, changes)
    return pretrain(settings, given.out, given.max_seconds, not given.restart)


if __name__ == "__main__":
    sys.exit(run_command(training_parser("Train a pair of encoders"), train))
