"""ResNeSkt, a detection and classification backbone for MMDetection and MMPretrain.

Importing the package registers the backbone, makes ``mmcv.ops`` importable where mmcv
has no compiled operators, and makes mmengine load checkpoints without running code.
"""

from .environment import require

require("mmengine", "mmcv")

from . import checkpoint, ops  # noqa: E402
from .backbones import ResNeSkt  # noqa: E402
from .deploy import deploy  # noqa: E402
from .pretrained import LoadReport, load_resnest  # noqa: E402
from .pretrained_se import TimmSEPretrained  # noqa: E402
from .registry import register_backbone  # noqa: E402
from .swap import swap_backbone  # noqa: E402

__version__ = "0.1.0"
__all__ = [
    "LoadReport",
    "ResNeSkt",
    "TimmSEPretrained",
    "__version__",
    "deploy",
    "load_resnest",
    "swap_backbone",
]

ops.install()
checkpoint.install()
register_backbone(ResNeSkt)
