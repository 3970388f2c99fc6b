"""The command line that training scripts share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from symnum.exceptions import SymnumError


def training_parser(about: str) -> argparse.ArgumentParser:
    """Parser of the options that every training has."""
    parser = argparse.ArgumentParser(description=f"{about}; run it again to go on.")
    parser.add_argument("--config", type=Path, required=True, help="YAML, see pretrain/configs")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, logs and weights")
    parser.add_argument(
        "--max-seconds", type=float, help="stop after so long, with a checkpoint to go on from"
    )
    parser.add_argument("--max-steps", type=int, help="instead of the configuration's")
    parser.add_argument("--restart", action="store_true", help="begin anew whatever is in the folder")
    return parser


def run_command(
    parser: argparse.ArgumentParser,
    train: Callable[[argparse.Namespace, dict[str, Any]], dict[str, float]],
) -> int:
    """Read the command line, train, print what was measured; returns the exit status.

    Parameters
    ----------
    parser : ArgumentParser
        From `training_parser`.
    train : callable
        From the arguments and the settings they change (`Settings.read`) to measures.
    """
    given = parser.parse_args()
    changes = {} if given.max_steps is None else {"training.max_steps": given.max_steps}
    try:
        metrics = train(given, changes)
    except SymnumError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    for name, value in metrics.items():
        print(f"{name:30} {value}")  # noqa: T201
    return 0
