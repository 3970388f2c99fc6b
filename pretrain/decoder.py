"""Training of the decoder of formulas; run `python pretrain/decoder.py --help`, read pretrain/README.md."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from symnum.training.command import run_command, training_parser
from symnum.training.decoder_pretraining import DecoderSettings, pretrain


def train(given: Namespace, changes: dict[str, Any]) -> dict[str, float]:
    """Train an encoder of data with a decoder of formulas."""
    settings = DecoderSettings.read(given.config, changes)
    return pretrain(settings, given.out, given.max_seconds, not given.restart)


if __name__ == "__main__":
    sys.exit(run_command(training_parser("Train a decoder of formulas"), train))
