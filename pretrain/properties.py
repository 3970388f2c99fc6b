"""Properties from embeddings: `python pretrain/properties.py --weights FOLDER --out FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from symnum.exceptions import SymnumError
from symnum.models import SNIPModel
from symnum.training.heads import MODES
from symnum.training.properties import PROPERTIES
from symnum.training.property_study import draw_map, study_formulas, study_properties, write_rows


def main() -> int:
    """Read the command line, print rows as they come, write them as CSV."""
    parser = argparse.ArgumentParser(description="What embeddings know about functions and formulas.")
    parser.add_argument("--weights", default="snip-small", help="name or folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables and the map")
    parser.add_argument("--properties", nargs="+", choices=list(PROPERTIES), default=list(PROPERTIES))
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1000, 10_000])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        model = SNIPModel.from_pretrained(given.weights)
        given.out.mkdir(parents=True, exist_ok=True)
        draw_map(model, given.out / "map.png")
        for name, rows in (
            ("formulas.csv", study_formulas(model)),
            (
                "properties.csv",
                study_properties(model, given.properties, given.sizes, given.modes, given.seed),
            ),
        ):
            done = []
            for row in rows:
                done.append(row)
                print(
                    "  ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()),
                    flush=True,
                )
                write_rows(done, given.out / name)
    except SymnumError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
