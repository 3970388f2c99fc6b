"""Property heads on the symbolic encoder, and probes on embeddings of data."""

from __future__ import annotations

import copy
import math
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from symnum.exceptions import InvalidInput
from symnum.models.precision import mixed_precision
from symnum.models.snip.modeling import SNIPModel
from symnum.training.properties import Floats, PropertySamples

Mode = Literal["frozen", "finetuned", "scratch"]
MODES: tuple[Mode, ...] = ("frozen", "finetuned", "scratch")
BATCH, HIDDEN = 64, 128
_VALIDATION = 0.1
_RATE = 1e-3
_FINETUNING = 1e-4  # rate of an encoder that knows something


class PropertyHead(nn.Module):
    """One number from an embedding: two layers, 128 inside (Meidani et al. 2024).

    Parameters
    ----------
    latent : int
        Size of the embedding.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.scale = math.sqrt(latent)  # unit vectors have entries of about one over this
        self.layers = nn.Sequential(nn.Linear(latent, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def forward(self, vectors: Tensor) -> Tensor:
        """Numbers (b,) of vectors (b, latent)."""
        return self.layers(F.normalize(vectors, dim=-1) * self.scale).squeeze(-1)


def fit_property(
    model: SNIPModel, train: PropertySamples, name: str, mode: Mode, seed: int = 0, epochs: int | None = None
) -> tuple[SNIPModel, PropertyHead, tuple[float, float]]:
    """Train a head for a property.

    A tenth of the samples (at least ten) chooses the epoch whose weights are kept. Before an encoder is
    finetuned, its head is trained alone: a new head's first gradients would spoil what the encoder knows
    (Kumar et al. 2022, arXiv:2202.10054).

    Parameters
    ----------
    model : SNIPModel
        Left as it is; a copy is trained.
    train : PropertySamples
    name : str
        Which property.
    mode : {"frozen", "finetuned", "scratch"}
        Train the head alone, encoder and head, or both from new weights of the same size.
    epochs : int, optional
        When left out so many that 100,000 samples are seen where the encoder is trained and 600,000 where it
        is frozen, from 10 to 200.

    Returns
    -------
    model, head, (mean, spread)
        The property is ``mean + spread * head(vectors)``.
    """
    if mode not in MODES:
        raise InvalidInput(f"mode is one of {', '.join(MODES)}, got {mode!r}")
    torch.manual_seed(seed)
    model = SNIPModel(model.config) if mode == "scratch" else copy.deepcopy(model)
    fit = _Fit(model, PropertyHead(model.config.latent), train, train.targets[name], seed)
    if mode != "scratch":
        fit.run(None, epochs)
    if mode != "frozen":
        fit.run(_FINETUNING if mode == "finetuned" else _RATE, epochs)
    return model, fit.head, fit.scale


class _Fit:
    """An encoder, its head, and the samples that they are trained on."""

    def __init__(
        self, model: SNIPModel, head: PropertyHead, train: PropertySamples, target: Floats, seed: int
    ) -> None:
        self.model, self.head, self.train = model, head, train
        self.scale = float(target.mean()), float(target.std()) or 1.0
        self.goal = torch.from_numpy(((target - self.scale[0]) / self.scale[1]).astype(np.float32))
        order = np.random.default_rng(seed).permutation(target.size)
        kept = max(10, int(_VALIDATION * target.size))
        self.check, self.rest = order[:kept], order[kept:]
        self.mixer = np.random.default_rng(seed + 1)

    def run(self, encoder_rate: float | None, epochs: int | None) -> None:
        """Train the head, and the encoder where it has a rate; keep the weights of the best epoch."""
        frozen = _vectors(self.model, self.train) if encoder_rate is None else None
        seen = 600_000 if encoder_rate is None else 100_000
        epochs = epochs or min(200, max(10, seen // self.rest.size))
        parts: list[nn.Module] = [self.head]
        rates: list[dict[str, Any]] = [{"params": self.head.parameters(), "lr": _RATE}]
        if encoder_rate is not None:
            parts.append(self.model.symbolic_encoder)
            rates.append({"params": self.model.symbolic_encoder.parameters(), "lr": encoder_rate})
        optimizer = torch.optim.AdamW(rates, weight_decay=0.01)
        batches = -(-self.rest.size // BATCH)
        steps = epochs * batches
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda s: min(1.0, (s + 1) / (0.1 * steps)) * (1 - s / steps)
        )
        best, kept = self._error(frozen), [copy.deepcopy(p.state_dict()) for p in parts]
        for _ in range(epochs):
            self.model.train()
            for rows in np.array_split(self.mixer.permutation(self.rest), batches):
                vectors = frozen[rows] if frozen is not None else _encode(self.model, self.train, rows)
                loss = F.mse_loss(self.head(vectors), self.goal[rows])
                optimizer.zero_grad()
                loss.backward()
                for group in optimizer.param_groups:
                    nn.utils.clip_grad_norm_(group["params"], 1.0)
                optimizer.step()
                schedule.step()
            error = self._error(frozen)
            if error < best:
                best, kept = error, [copy.deepcopy(p.state_dict()) for p in parts]
        for part, state in zip(parts, kept, strict=True):
            part.load_state_dict(state)

    @torch.no_grad()
    def _error(self, frozen: Tensor | None) -> float:
        self.model.eval()
        vectors = frozen[self.check] if frozen is not None else _vectors(self.model, self.train, self.check)
        return float(F.mse_loss(self.head(vectors), self.goal[self.check]))


def predict_property(
    model: SNIPModel, head: PropertyHead, scale: tuple[float, float], samples: PropertySamples
) -> NDArray[np.float64]:
    """The property of samples, shape (n,)."""
    model.eval()
    with torch.no_grad():
        return scale[0] + scale[1] * head(_vectors(model, samples)).double().numpy()


def _encode(model: SNIPModel, samples: PropertySamples, rows: NDArray[np.integer]) -> Tensor:
    arrays = model.inputs.symbols(samples.tokens[rows], samples.token_lengths[rows])
    with mixed_precision(model.device):
        tensors = {k: torch.from_numpy(v).to(model.device) for k, v in arrays.items()}
        return model.encode_symbols(**tensors)


@torch.no_grad()
def _vectors(model: SNIPModel, samples: PropertySamples, rows: NDArray[np.integer] | None = None) -> Tensor:
    rows = np.arange(len(samples.token_lengths)) if rows is None else rows
    return torch.cat([_encode(model, samples, rows[k : k + 512]) for k in range(0, rows.size, 512)])


def regression_scores(truth: NDArray[np.float64], guess: NDArray[np.float64]) -> dict[str, float]:
    """R2, NMSE, and shares within tolerances of the range of the truth, with those of guessing the mean.

    ``acc_0.01``, ``acc_0.1``: share whose error is at most that part of the range; ``chance_0.1`` the same
    for the mean of the truth. NMSE is 1 - R2, given because the paper gives both.
    """
    error = guess - truth
    nmse = float(np.mean(error**2) / np.var(truth))
    width = float(truth.max() - truth.min())
    found = {"r2": 1 - nmse, "nmse": nmse}
    found |= {f"acc_{t}": float(np.mean(np.abs(error) <= t * width)) for t in (0.01, 0.1)}
    found["chance_0.1"] = float(np.mean(np.abs(truth - truth.mean()) <= 0.1 * width))
    return found


def probe_scores(vectors: NDArray[np.floating], target: NDArray[np.float64], train: int) -> dict[str, float]:
    """A linear probe on embeddings, trained on the first `train` rows and measured on the others.

    Ridge regression and its R2, or logistic regression and its area under the ROC curve where the target is 0
    or 1; NaN where a part has one value only. ``rate`` is the target's mean.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.metrics import r2_score, roc_auc_score
    from sklearn.preprocessing import StandardScaler

    X = StandardScaler().fit(vectors[:train]).transform(vectors)
    a, b = target[:train], target[train:]
    binary = bool(np.isin(target, (0.0, 1.0)).all())
    found = {"rate": float(target.mean())}
    if np.unique(a).size < 2 or np.unique(b).size < 2:
        return found | {"auc" if binary else "r2": math.nan}
    if binary:
        fitted = LogisticRegression(C=0.1, max_iter=1000).fit(X[:train], a)
        return found | {"auc": float(roc_auc_score(b, fitted.decision_function(X[train:])))}
    fitted = RidgeCV(np.logspace(-2, 4, 13)).fit(X[:train], a)
    return found | {"r2": float(r2_score(b, fitted.predict(X[train:])))}
