"""What a training run is made of, read from YAML: model, data, held-out pairs, optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from symnum.exceptions import InvalidInput
from symnum.synthesis import EquationGenerator
from symnum.synthesis.presets import UNIQUE, preset
from symnum.yaml_files import read_yaml


@dataclass(frozen=True)
class DataSettings:
    """Which samples.

    Parameters
    ----------
    preset : str
        Law of `EquationGenerator`.
    max_dim, n_points : int
        Most variables; rows of every sample (their number does not vary, whatever the preset).
    rows : tuple of (int, int), optional
        Range of the number of rows that a training batch uses; needs a law with rows in random order.
    seed, held_out_seed, held_out : int
        Seeds of the two streams and number of held-out pairs.
    batch_size, pool : int
        Of the stream.
    """

    preset: str = "improved"
    max_dim: int = 3
    n_points: int = 128
    rows: tuple[int, int] | None = (48, 96)
    seed: int = 0
    held_out_seed: int = 1_000_003
    held_out: int = 10_000
    batch_size: int = 512
    pool: int = 8

    def generator(self, held_out: bool = False) -> EquationGenerator:
        """Generator of the samples to train on, or of the held-out ones."""
        law = preset(self.preset, self.max_dim, self.n_points)
        if self.rows is not None and not law.points.shuffle:
            raise InvalidInput(
                f"rows needs samples in random order, those of preset {self.preset!r} stand in clusters; "
                "leave rows out or take preset 'improved'"
            )
        law = replace(law, points=replace(law.points, rows_per_dim=0))
        seed = self.held_out_seed if held_out else self.seed
        return EquationGenerator(law, seed=seed, unique=held_out or self.preset in UNIQUE)


@dataclass(frozen=True)
class Settings:
    """One run.

    Parameters
    ----------
    name : str
        Of the weights.
    model : mapping
        Arguments of the model's configuration; ``compat: true`` starts from the form of the reference code,
        ``weights`` without a form goes on from a folder or from shipped weights (take another ``data.seed``
        then); ``locked: [numeric_encoder]`` lets the other encoder learn alone.
    data : DataSettings
    training : mapping
        Arguments of `transformers.TrainingArguments`.
    """

    data_class: ClassVar[type] = DataSettings

    name: str
    model: Mapping[str, Any] = field(default_factory=dict)
    data: Any = field(default_factory=DataSettings)
    training: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Self:
        """Settings of a YAML file, some of them changed: ``{"training.max_steps": 100}``.

        Raises
        ------
        InvalidInput
            When the file cannot be read or a setting is unknown.
        """
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise InvalidInput(f"{path} holds no settings; see pretrain/configs for examples")
        for key, value in (changes or {}).items():
            section, _, name = key.rpartition(".")
            target = content.setdefault(section, {}) if section else content
            if not isinstance(target, dict):
                raise InvalidInput(f"{section}: expected 'name: value' pairs, got {target!r:.100}")
            target[name] = value
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Settings of plain types."""
        for section in ("data", "model", "training"):
            if not isinstance(content.get(section) or {}, Mapping):
                raise InvalidInput(f"{section}: expected 'name: value' pairs, got {content[section]!r:.100}")
        _known(content, cls, "settings")
        data = dict(content.get("data") or {})
        _known(data, cls.data_class, "data")
        data = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(
            name=str(content.get("name", "model")),
            model=dict(content.get("model") or {}),
            data=cls.data_class(**data),
            training=dict(content.get("training") or {}),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain types; `from_dict` reads them back."""
        return asdict(self)


def _known(content: Mapping[str, Any], cls: type, where: str) -> None:
    known = [f.name for f in fields(cls)]
    unknown = sorted(map(str, set(content) - set(known)))
    if unknown:
        raise InvalidInput(f"unknown {where}: {', '.join(unknown)}; there are {', '.join(known)}")
