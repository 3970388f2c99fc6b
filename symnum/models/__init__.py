"""Networks and their weights; needs the extra ``neural``."""

from importlib.util import find_spec as _find_spec

import lazy_loader as _lazy

from symnum.exceptions import MissingExtra as _MissingExtra

_missing = [name for name in ("torch", "transformers", "safetensors") if _find_spec(name) is None]
if _missing:
    raise _MissingExtra(
        f"networks need {', '.join(_missing)}, not installed here; install symnum with its extra 'neural': "
        "pip install -c constraints.txt -e '.[neural]'"
    )

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
