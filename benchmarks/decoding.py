"""Formulas that the decoder writes per second, by threads, number format and cache.

Run it alone on the machine: ``python benchmarks/decoding.py``. Formulas are kept from ending before they have
the asked number of words, so that the figure does not depend on how short a network likes to write.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from symnum.models import SNIPDecoderModel
from symnum.models.decoder.generation import Writer


@torch.no_grad()
def written(model: SNIPDecoderModel, count: int, words: int, cached: bool, seed: int) -> torch.Tensor:
    """Formulas (count, words + 2) of exactly so many words, begin and end besides, for one random table."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    X = rng.uniform(1, 3, (model.config.rows, model.config.max_dim))
    encoding = model.read_tables([np.column_stack([X, X.prod(axis=1)])])
    writer = Writer(model, encoding, torch.tensor([X.shape[1]]), cached=cached)
    writer.repeat(count)
    vocabulary = model.tokenizer.vocabulary
    longer = vocabulary.index[vocabulary.operators["abs"]]  # one operand: the formula stays as open as it is
    for left in range(words + 1, 0, -1):
        chances, _ = writer.next(left)
        word = torch.multinomial(chances.softmax(-1), 1, generator=generator)[:, 0]
        ending = (writer.state.open == 1) & torch.isfinite(chances[:, longer])
        writer.write(torch.where(ending, longer, word))
    return writer.tokens


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", help="a name or a folder; by default the shipped ones")
    parser.add_argument("--count", type=int, default=256, help="formulas written together")
    parser.add_argument("--words", type=int, default=40)
    args = parser.parse_args()
    model = SNIPDecoderModel.from_pretrained(args.weights).eval()
    table = Table(title=f"{args.count} formulas of {args.words} words, best of three")
    for head in ("threads", "format", "cache", "formulas a second"):
        table.add_column(head, justify="right")
    for threads in (1, torch.get_num_threads()):
        torch.set_num_threads(threads)
        for half, cached in ((False, True), (True, True), (False, False)):
            times = []
            for seed in range(4):
                began = time.perf_counter()
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    tokens = written(model, args.count, args.words, cached, seed)
                times.append(time.perf_counter() - began)
                lengths = (tokens != model.tokenizer.pad_id).sum(1)
                assert bool((lengths == args.words + 2).all()), "a formula ended early"
            form = "bfloat16" if half else "float32"
            rate = f"{args.count / min(times[1:]):.0f}"
            table.add_row(str(threads), form, "yes" if cached else "no", rate)
    Console().print(table)


if __name__ == "__main__":
    main()
