"""Configurations from YAML files: plain data of a sensible size, or an error that says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from symnum.exceptions import InvalidInput, MissingExtra

_MOST_BYTES = 100_000
_MOST_NODES = 100_000
_DEEPEST = 50


def read_yaml(path: str | Path) -> Any:
    """Plain data of a YAML file.

    Parameters
    ----------
    path : str or Path
        UTF-8 text.

    Returns
    -------
    Any
        Mappings with text as keys, lists, text, numbers, dates, booleans, None.

    Raises
    ------
    InvalidInput
        When the file cannot be read, is no YAML, asks for other types than these, repeats a key, or is far
        larger than a configuration; aliases count as often as they are used.
    MissingExtra
        Without PyYAML.
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtra("configurations are YAML; install the extra `eval`") from None
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1).decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"cannot read {str(path)!r}: {reason}") from None
    if len(text) > _MOST_BYTES:
        raise InvalidInput(f"{path}: more than {_MOST_BYTES} bytes, which is no configuration")
    try:
        depth = 0
        # Event by event first: composing nested lists takes recursion, and seconds.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise InvalidInput(f"nested deeper than {_DEEPEST} levels")
        _check(yaml.compose(text, Loader=yaml.SafeLoader))
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path}: no YAML: {' '.join(str(error).split())[:500]}") from None
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    except (ValueError, TypeError, OverflowError, AttributeError, LookupError) as error:  # e.g. a 13th month
        raise InvalidInput(f"{path}: a value cannot be read: {str(error)[:200]}") from None


def _check(root: Any) -> None:
    """Refuse what a configuration does not hold, counting a part as often as it is referred to."""
    import yaml

    count, ahead = 0, [(root, 0)]
    while ahead:
        node, depth = ahead.pop()
        count += 1
        # Aliases of aliases are exponentially many, a part that holds itself is without end.
        if count > _MOST_NODES or depth > _DEEPEST:
            raise InvalidInput(
                f"more than {_MOST_NODES} values or {_DEEPEST} levels, aliases written out; "
                "a configuration has less"
            )
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise InvalidInput(f"line {line}: expected text before the colon")
                if key.value in seen:
                    # Readers of YAML silently keep the last one.
                    raise InvalidInput(f"{key.value!r} occurs twice (line {line})")
                seen.add(key.value)
                ahead.append((value, depth + 1))
        elif isinstance(node, yaml.SequenceNode):
            ahead += [(value, depth + 1) for value in node.value]
