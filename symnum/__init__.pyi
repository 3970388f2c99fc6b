# Read by type checkers and, at run time, by lazy_loader: one line per public name.
from . import exceptions as exceptions
from .dynamics import DynamicsRegressor as DynamicsRegressor
from .embedding import SNIPEmbedder as SNIPEmbedder
from .expressions import Expression as Expression
from .expressions import Operator as Operator
from .expressions.tokenizer import ExpressionTokenizer as ExpressionTokenizer
from .forecasting.forecaster import PROSEForecaster as PROSEForecaster
from .models import PROSEModel as PROSEModel
from .models import SNIPModel as SNIPModel
from .problem import Problem as Problem
from .regressor import SymbolicRegressor as SymbolicRegressor
from .synthesis import EquationGenerator as EquationGenerator

__version__: str
