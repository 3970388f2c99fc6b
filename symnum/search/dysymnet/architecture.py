"""The shape of a network: which units stand in which layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symnum.exceptions import InvalidInput
from symnum.search.dysymnet.functions import FUNCTIONS


@dataclass(frozen=True, slots=True)
class Architecture:
    """Units of the hidden layers, first layer first, in the order of `Architecture.of`.

    Attributes
    ----------
    layers : tuple of tuple of str
        Names of `FUNCTIONS`.
    """

    layers: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, layers: Sequence[Sequence[str]]) -> Architecture:
        """Architecture with the units of each layer sorted, unary ones first: their order means nothing.

        Raises
        ------
        InvalidInput
            For unknown units and empty layers.
        """
        if not layers or not all(layers):
            raise InvalidInput(f"an architecture needs one layer or more with a unit in each, got {layers!r}")
        for name in (name for layer in layers for name in layer):
            if name not in FUNCTIONS:
                raise InvalidInput(f"unknown unit {name!r}; there are {', '.join(FUNCTIONS)}")
        return cls(tuple(tuple(sorted(layer, key=lambda n: (FUNCTIONS[n].arity, n))) for layer in layers))

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """Units of the widest layer."""
        return max(map(len, self.layers))

    def slots(self, layer: int) -> int:
        """Linear combinations that a layer needs, two for each binary unit."""
        return sum(FUNCTIONS[n].arity for n in self.layers[layer])
