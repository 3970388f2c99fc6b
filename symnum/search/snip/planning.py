"""Search "tpsr": words of the decoder chosen by tree search, the fit as reward (Shojaee et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from symnum.expressions.expression import Expression
from symnum.models.decoder.formulas import expressions_of
from symnum.models.decoder.generation import Writer, most_words
from symnum.models.decoder.modeling import Encoding, SNIPDecoderModel
from symnum.search.candidate import Candidate, fit_rows
from symnum.search.refinement import Fitted, fitted
from symnum.search.snip.readings import Reading
from symnum.search.snip.sampling import DecoderRun
from symnum.search.snip.tree import Planner, Prefix

_LENGTH = 200.0  # words by which the reward of a short formula falls to 1/e, as in the paper


class Words:
    """What the decoder says about prefixes of formulas of one reading; every prefix is asked once.

    Parameters
    ----------
    model : SNIPDecoderModel
    encoding : Encoding
        Of one data set.
    columns : int
    banned : bool tensor, optional
        See `symnum.models.decoder.generation.banned_words`.
    width : int
        Likeliest words that are told.
    """

    def __init__(
        self, model: SNIPDecoderModel, encoding: Encoding, columns: int, banned: Tensor | None, width: int
    ) -> None:
        self.model, self.encoding, self.columns, self.banned = model, encoding, columns, banned
        self.width, self.limit = width, most_words(model)
        self.next: dict[Prefix, list[tuple[int, float]]] = {}
        self.value: dict[Prefix, int] = {}  # class of a constant that would follow
        self.asked = 0

    def following(self, prefixes: Sequence[Prefix]) -> list[list[tuple[int, float]]]:
        """See `symnum.search.snip.tree.Next`."""
        self.complete([p for p in prefixes if p not in self.next])
        return [self.next[p] for p in prefixes]

    def complete(self, prefixes: Sequence[Prefix]) -> list[Prefix]:
        """See `symnum.search.snip.tree.Complete`; prefixes of one length are written together."""
        made: dict[Prefix, Prefix] = {}
        for length in sorted({len(p) for p in prefixes}):
            some = [p for p in dict.fromkeys(prefixes) if len(p) == length]
            made.update(zip(some, self._written(some), strict=True))
        return [made[p] for p in prefixes]

    @torch.no_grad()
    def _written(self, prefixes: list[Prefix]) -> list[Prefix]:
        n, eos = len(prefixes), self.model.tokenizer.eos_id
        rows = torch.zeros(n, dtype=torch.int64)
        columns = torch.full((n,), self.columns)
        writer = Writer(self.model, self.encoding[rows.to(self.model.device)], columns, self.banned)
        writer.begin(torch.tensor(prefixes))
        whole = list(prefixes)
        for i, ended in enumerate(writer.state.ended.tolist()):
            if ended:
                self.next[prefixes[i]] = []
        self.asked += n
        for left in range(self.limit - len(prefixes[0]), 0, -1):
            if bool(writer.state.ended.all()):
                break
            chances, value = writer.next(left)
            top = chances.topk(min(self.width, chances.shape[1]))
            for i, ended in enumerate(writer.state.ended.tolist()):
                if ended:
                    continue
                pairs = zip(top.indices[i].tolist(), top.values[i].exp().tolist(), strict=True)
                self.next[whole[i]] = [(word, chance) for word, chance in pairs if chance > 0]
                self.value[whole[i]] = int(value[i])
                whole[i] = (*whole[i], int(top.indices[i, 0]))
                if whole[i][-1] == eos:
                    self.next[whole[i]] = []
            writer.write(top.indices[:, 0])
        return whole

    def expressions(self, sequences: Sequence[Prefix]) -> list[Expression]:
        """Formulas of complete sequences, with the values that the network guesses."""
        placeholder = self.model.tokenizer.placeholder_id
        made = []
        for row in sequences:
            marks = [
                self.value.get(row[:k], 0) if k and word == placeholder else 0 for k, word in enumerate(row)
            ]
            made += expressions_of(self.model, torch.tensor([row]), torch.tensor([marks]))
        return made


class Planning(DecoderRun):
    """A tree for each reading of the data; each settles one word, then the next tree has its turn."""

    stage = "planning"

    def rounds(self) -> Iterator[Candidate]:
        """Rollouts until the budget ends or all trees were seen."""
        rows = fit_rows(self.problem)
        self.losses: dict[Expression, float] = {}
        self.made: list[Fitted] = []
        trees = self._trees([*self.read(), *(r for group in self.read_otherwise(rows) for r in group)])
        kept, explained = len(trees), None
        while not self.judge.settled():
            going = [pair for pair in trees if not pair[0].first.over]
            if not going:
                self.budget.stop("search space exhausted")
                return
            for tree, words in going:
                if self.judge.settled():
                    return
                yield from self._word(tree, words)
                if not tree.advance():
                    tree.restart()
            best = min(self.hall.best.values(), key=lambda c: c.bits)
            if best is not explained:
                explained = best
                trees[kept:] = self._trees(self.read_rest(rows))

    def _trees(self, shown: list[Reading]) -> list[tuple[Planner, Words]]:
        if not shown:
            return []
        encoding, columns = self.encode(shown)
        made = []
        for i, reading in enumerate(shown):
            words = Words(self.model, encoding[i : i + 1], int(columns[i]), self.banned, self.search.width)
            tree = Planner(
                words.following, words.complete, partial(self._rewards, words, reading),
                (self.model.tokenizer.bos_id,), self.search.exploration,
            )  # fmt: skip
            made.append((tree, words))
        return made

    def _word(self, tree: Planner, words: Words) -> Iterator[Candidate]:
        """Rollouts before one word is settled."""
        done = 0
        while done < self.search.rollouts and not tree.tree.over and not self.judge.late():
            before, self.made = words.asked, []
            count = min(self.search.together, self.search.rollouts - done)
            with self.network():
                tree.rollouts(count)
            self.budget.charge(max(words.asked - before, 1))
            done += count
            yield from self.judge.consider(self.made, self.stage)

    def _rewards(self, words: Words, reading: Reading, sequences: Sequence[Prefix]) -> list[float]:
        """Rewards of complete sequences; a skeleton that was fitted before is not fitted again."""
        formulas = [reading.restore(e) for e in words.expressions(sequences)]
        forms = [None if e is None else e.skeleton() for e in formulas]
        fresh = self.judge.fresh(formulas)
        for f in fitted(fresh, self.judge.data):
            self.losses[fresh[f.place].skeleton()] = f.loss
            self.made.append(f)
        scale = self.judge.data.scale or 1.0
        return [
            1 / (1 + float(np.sqrt(self.losses.get(form, np.inf))) / scale)
            + self.search.length_weight * float(np.exp(-len(row) / _LENGTH))
            if form is not None
            else 0.0
            for form, row in zip(forms, sequences, strict=True)
        ]
