"""symnum finds the equation behind numbers.

The public names are listed in ``__init__.pyi``; each is imported when it is first used, so that
``import symnum`` stays quick and pulls in no heavy library.
"""

import lazy_loader as _lazy

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
