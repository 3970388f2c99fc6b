# Read by type checkers and, at run time, by lazy_loader: one line per public name.
from . import exceptions as exceptions

__version__: str
