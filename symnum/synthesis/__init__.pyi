# Read by type checkers and, at run time, by lazy_loader: one line per public name.
from .card import write_card as write_card
from .exclusion import benchmark_names as benchmark_names
from .export import export_samples as export_samples
from .export import read_shards as read_shards
from .generator import EquationGenerator as EquationGenerator
from .laws import ConstantLaw as ConstantLaw
from .laws import OperatorLaw as OperatorLaw
from .laws import PointLaw as PointLaw
from .laws import SampleLaw as SampleLaw
from .laws import TargetLaw as TargetLaw
from .laws import TreeLaw as TreeLaw
from .presets import PRESETS as PRESETS
from .sample import Batch as Batch
from .sample import Sample as Sample
from .torch_stream import EquationStream as EquationStream
