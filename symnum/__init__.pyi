# Read by type checkers and, at run time, by lazy_loader: one line per public name.
from . import exceptions as exceptions
from .expressions import Expression as Expression
from .expressions import Operator as Operator

__version__: str
