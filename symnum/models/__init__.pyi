# Read by type checkers and, at run time, by lazy_loader: one line per public name.
from .decoder.configuration import SNIPDecoderConfig as SNIPDecoderConfig
from .decoder.modeling import SNIPDecoderModel as SNIPDecoderModel
from .prose.configuration import PROSEConfig as PROSEConfig
from .prose.deeponet import DeepONetConfig as DeepONetConfig
from .prose.deeponet import DeepONetModel as DeepONetModel
from .prose.gru import GRUConfig as GRUConfig
from .prose.gru import GRUModel as GRUModel
from .prose.modeling import PROSEModel as PROSEModel
from .snip.configuration import SNIPConfig as SNIPConfig
from .snip.modeling import SNIPModel as SNIPModel
from .weights import find_weights as find_weights
