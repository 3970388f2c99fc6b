"""Pre-training of PROSE; run `python pretrain/prose.py --help`, read pretrain/README.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from symnum.exceptions import SymnumError
from symnum.training.prose_pretraining import ProseSettings, pretrain


def main() -> int:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train a forecaster of trajectories; run it again to go on.")
    parser.add_argument("--config", type=Path, required=True, help="YAML, see pretrain/configs")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, logs and weights")
    parser.add_argument(
        "--cache", type=Path, help="folder of the trajectories, made where missing (OUT/cache)"
    )
    parser.add_argument(
        "--max-seconds", type=float, help="stop after so long, with a checkpoint to go on from"
    )
    parser.add_argument("--max-steps", type=int, help="instead of the configuration's")
    parser.add_argument("--restart", action="store_true", help="begin anew whatever is in the folder")
    given = parser.parse_args()
    changes = {} if given.max_steps is None else {"training.max_steps": given.max_steps}
    try:
        settings = ProseSettings.read(given.config, changes)
        metrics = pretrain(settings, given.out, given.max_seconds, not given.restart, given.cache)
    except SymnumError as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in metrics.items():
        print(f"{name:30} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
