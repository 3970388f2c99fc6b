"""Monte-Carlo tree search over sequences, whatever writes and values them (Shojaee et al. 2023, TPSR)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Prefix = tuple[int, ...]
Next = Callable[[Sequence[Prefix]], list[list[tuple[int, float]]]]
"""Of each prefix the likeliest next words with their probabilities, best first; none where it is complete."""
Complete = Callable[[Sequence[Prefix]], list[Prefix]]
"""Each prefix to its end by the likeliest words."""
Reward = Callable[[Sequence[Prefix]], list[float]]
"""Rewards of complete sequences."""


@dataclass
class Node:
    """A prefix in the tree.

    Attributes
    ----------
    prefix : tuple of int
    chance : float
        Probability of its last word.
    parent : Node, optional
    children : list of Node
        None yet where the node was not grown.
    visits : int
    best : float
        Largest reward below.
    over : bool
        Whether nothing below is left to look at.
    """

    prefix: Prefix
    chance: float = 1.0
    parent: Node | None = None
    children: list[Node] | None = None
    visits: int = 0
    best: float = -np.inf
    over: bool = False


@dataclass
class Planner:
    """Search for the sequence of largest reward.

    A rollout goes down by an upper confidence bound on the largest reward below each child, grows the leaf by
    the likeliest next words, and completes each of them. Rewards and completions are remembered.

    Parameters
    ----------
    following, complete, reward : callable
        See `Next`, `Complete` and `Reward`.
    root : tuple of int
        What every sequence begins with.
    exploration : float
        Factor of the bound; with the probabilities of the words as in P-UCT when `guided`.
    guided : bool
    """

    following: Next
    complete: Complete
    reward: Reward
    root: Prefix = ()
    exploration: float = 1.0
    guided: bool = True
    rewards: dict[Prefix, float] = field(default_factory=dict)
    completions: dict[Prefix, Prefix] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.first = self.tree = Node(self.root)

    def rollouts(self, count: int) -> list[Prefix]:
        """So many leaves grown, all at once; returns the sequences that were not valued before."""
        leaves: list[Node] = []
        for _ in range(count):
            leaf = self._descend()
            if leaf is None:
                break
            leaves.append(leaf)
            self._visit(leaf)
        grown: list[Node] = []
        for leaf, words in zip(leaves, self.following([leaf.prefix for leaf in leaves]), strict=True):
            leaf.children = [Node((*leaf.prefix, word), chance, leaf) for word, chance in words]
            grown += leaf.children
            self._finish(leaf)
        return self._value(grown)

    def _descend(self) -> Node | None:
        """The leaf with the largest bounds on the way; None when the whole tree was seen."""
        node = self.tree
        if node.over:
            return None
        while node.children is not None:
            going = [c for c in node.children if not c.over and not (c.children is None and c.visits)]
            if not going:
                return None
            node = max(going, key=lambda c, n=node: self._bound(c, n))
        return node

    def _bound(self, child: Node, parent: Node) -> float:
        known = child.best if np.isfinite(child.best) else 0.0
        if self.guided:
            spread = child.chance * np.sqrt(parent.visits) / (1 + child.visits)
        else:
            spread = np.sqrt(np.log(parent.visits + 1) / (1 + child.visits))
        return known + self.exploration * float(spread)

    def _visit(self, node: Node | None) -> None:
        while node is not None:
            node.visits += 1
            node = node.parent

    def _finish(self, node: Node | None) -> None:
        """Mark what has nothing left below."""
        while node is not None and node.children is not None and all(c.over for c in node.children):
            node.over = True
            node = node.parent

    def _value(self, nodes: list[Node]) -> list[Prefix]:
        """Complete and reward new nodes; pass the largest rewards up."""
        missing = [n.prefix for n in nodes if n.prefix not in self.completions]
        for prefix, whole in zip(missing, self.complete(missing) if missing else [], strict=True):
            # What completes a prefix also completes every longer part of itself.
            for k in range(len(prefix), len(whole) + 1):
                self.completions.setdefault(whole[:k], whole)
        fresh = list(dict.fromkeys(w for n in nodes if (w := self.completions[n.prefix]) not in self.rewards))
        self.rewards.update(zip(fresh, self.reward(fresh) if fresh else [], strict=True))
        for node in nodes:
            gained = self.rewards[self.completions[node.prefix]]
            above: Node | None = node
            while above is not None:
                above.best = max(above.best, gained)
                above = above.parent
        return fresh

    def advance(self) -> bool:
        """Go on from the child of largest reward, as TPSR emits a word; False where there is none."""
        children = [c for c in self.tree.children or () if not c.over]
        if not children:
            return False
        self.tree = max(children, key=lambda c: c.best)
        return True

    def restart(self) -> None:
        """Go on from the beginning, with all that is known."""
        self.tree = self.first

    def best(self) -> Prefix | None:
        """Sequence of the largest reward so far."""
        return max(self.rewards, key=lambda k: self.rewards[k], default=None)
