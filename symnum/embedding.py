"""SNIPEmbedder: formulas and data as vectors that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression

if TYPE_CHECKING:
    from symnum.models.snip.modeling import SNIPModel

Vectors = NDArray[np.float32]
Data = tuple[ArrayLike, ArrayLike]


class Neighbour(NamedTuple):
    """One of the formulas nearest to a data set."""

    index: int
    equation: str
    similarity: float


class SNIPEmbedder(TransformerMixin, BaseEstimator):
    """Vectors of formulas and of data sets at one place: equal ones are near each other.

    A scikit-learn transformer without anything to fit: `transform` takes formulas or data sets, whichever
    `kind` says.

    Parameters
    ----------
    model : str, Path or SNIPModel
        Name or folder of weights (`symnum.models.find_weights` looks for them), or a model.
    kind : {"equations", "data"}
        What `transform` takes.
    batch_size : int
        Formulas or data sets at a time.
    max_rows : int
        Most rows of a data set that are used; of more, that many are drawn with `random_state`.
    device : str
        Where the model computes: "cpu", "cuda", ...
    random_state : int
        Of that draw.

    Notes
    -----
    Meidani et al. 2024 (arXiv:2310.02227). Numbers in formulas are read with four digits. Variables of a
    formula are its columns by index: ``x0``, ``x1``, ... or the names of an `Expression`, in their order.

    Examples
    --------
    >>> embedder = SNIPEmbedder("snip-small")  # doctest: +SKIP
    >>> embedder.encode_equations(["sin(x0)", "x0**2 + x1"]).shape  # doctest: +SKIP
    (2, 128)
    """

    def __init__(
        self,
        model: str | Path | SNIPModel = "snip-small",
        kind: Literal["equations", "data"] = "equations",
        batch_size: int = 256,
        max_rows: int = 200,
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.kind = kind
        self.batch_size = batch_size
        self.max_rows = max_rows
        self.device = device
        self.random_state = random_state

    # ---------------------------------------------------------------- vectors
    def encode_equations(self, equations: Sequence[str | Expression]) -> Vectors:
        """Vectors of formulas.

        Parameters
        ----------
        equations : sequence of str or Expression
            Text is read over x0, x1, ...

        Returns
        -------
        float32 array, shape (n, d)

        Raises
        ------
        InvalidInput
            When a formula cannot be read, has too many variables, or is too long or of unknown operators.
        """
        model = self._model()
        if isinstance(equations, (str, Expression)):
            raise InvalidInput("encode_equations takes a list of formulas; put the one formula into [ ]")
        expressions = [self._expression(e, i, model.config.max_dim) for i, e in enumerate(equations)]
        if not expressions:
            return np.empty((0, model.config.latent), np.float32)
        tokens, lengths = model.tokenizer.encode_batch(expressions)
        return self._run(lambda rows: model.embed_tokens(tokens[rows], lengths[rows]), lengths)

    def encode_data(self, data: Sequence[Data]) -> Vectors:
        """Vectors of data sets.

        Parameters
        ----------
        data : sequence of (X, y)
            X of shape (n, columns) or (n,), y of shape (n,), all finite.

        Returns
        -------
        float32 array, shape (len(data), d)

        Raises
        ------
        InvalidInput
            When shapes do not fit, there are too many columns, or numbers are missing.
        """
        model = self._model()
        tables = [self._table(pair, i, model.config.max_dim) for i, pair in enumerate(data)]
        rows = np.array([len(t) for t in tables], np.int64)
        if not tables:
            return np.empty((0, model.config.latent), np.float32)
        return self._run(lambda part: model.embed_tables([tables[i] for i in part]), rows)

    def _run(self, embed: Any, sizes: NDArray[np.integer]) -> Vectors:
        """Batches of similar size, so that little is padding; results in the order given."""
        order = np.argsort(sizes, kind="stable")
        parts = [embed(order[k : k + self.batch_size]) for k in range(0, order.size, self.batch_size)]
        found = np.concatenate(parts)
        result = np.empty_like(found)
        result[order] = found
        return result

    # ---------------------------------------------------------------- comparing
    def similarity(self, equations: Sequence[str | Expression], data: Sequence[Data]) -> Vectors:
        """Similarities, float32 (formulas, data sets): cosines from -1 to 1 where vectors are normalised."""
        return self.encode_equations(equations) @ self.encode_data(data).T

    def nearest(
        self, X: ArrayLike, y: ArrayLike, equations: Sequence[str | Expression], k: int = 5
    ) -> list[Neighbour]:
        """The k formulas most similar to a data set, best first."""
        if k < 1:
            raise InvalidInput(f"k must be 1 or more, got {k}")
        score = self.similarity(equations, [(X, y)])[:, 0]
        best = np.argsort(-score, kind="stable")[:k]
        return [Neighbour(int(i), str(equations[i]), float(score[i])) for i in best]

    # ---------------------------------------------------------------- scikit-learn
    def fit(self, X: Any = None, y: Any = None) -> SNIPEmbedder:
        """Load the weights; there is nothing to fit."""
        if self.kind not in ("equations", "data"):
            raise InvalidInput(f"kind is 'equations' or 'data', got {self.kind!r}")
        self._model()
        return self

    def transform(self, X: Sequence[Any]) -> Vectors:
        """Vectors of formulas or of data sets, as `kind` says."""
        return self.encode_data(X) if self.kind == "data" else self.encode_equations(X)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names snip0, snip1, ... of the columns of vectors."""
        return np.array([f"snip{i}" for i in range(self._model().config.latent)], object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = self.kind == "equations"
        tags.input_tags.two_d_array = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(cast("dict[str, Any]", super().__getstate__()))
        state.pop("_loaded", None)  # weights are looked up again, so pickles stay small
        return state

    # ---------------------------------------------------------------- parts
    def _model(self) -> SNIPModel:
        loaded = getattr(self, "_loaded", None)
        if loaded is None or loaded[:2] != (self.model, self.device):
            from symnum.models import SNIPModel

            given = self.model
            model = given if isinstance(given, SNIPModel) else cast("Any", SNIPModel).from_pretrained(given)
            loaded = self._loaded = (given, self.device, model.to(self.device).eval())
        return loaded[2]

    @staticmethod
    def _expression(equation: str | Expression, place: int, max_dim: int) -> Expression:
        if isinstance(equation, str):
            equation = Expression.parse(equation)
        elif not isinstance(equation, Expression):
            raise InvalidInput(f"formula {place} is text or an Expression, got {type(equation).__name__}")
        most = max(equation.variables, default=-1) + 1
        if most > max_dim:
            raise InvalidInput(
                f"formula {place} ({equation}) uses column x{most - 1}; these weights know {max_dim}: "
                "rename the columns, or take weights for more"
            )
        return equation

    def _table(self, pair: Data, place: int, max_dim: int) -> NDArray[np.float64]:
        try:
            X, y = (np.asarray(part, np.float64) for part in pair)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"data set {place} is no pair (X, y) of numbers: {error}") from None
        X = X[:, None] if X.ndim == 1 else X
        if X.ndim != 2 or y.shape != X.shape[:1] or not y.size:
            raise InvalidInput(f"data set {place} is X (n, columns) and y (n,), got {X.shape} and {y.shape}")
        if X.shape[1] > max_dim:
            raise InvalidInput(
                f"data set {place} has {X.shape[1]} columns; these weights know {max_dim}: leave columns "
                "out, or take weights for more"
            )
        table = np.column_stack([X, y])
        bad = np.flatnonzero(~np.isfinite(table).all(1))
        if bad.size:
            raise InvalidInput(
                f"data set {place} has NaN or infinity in {bad.size} of {y.size} rows, first {bad[0]}; "
                "remove these rows"
            )
        if y.size > self.max_rows:
            chosen = np.random.default_rng(self.random_state).choice(y.size, self.max_rows, replace=False)
            table = table[np.sort(chosen)]
        return table
