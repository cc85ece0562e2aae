"""The paper's classification data: ten synsets of ImageNet-1K, moved, cropped and varied.

One module per idea: :mod:`.synsets` names the classes, :mod:`.source` and :mod:`.labels`
find their images, :mod:`.plan` decides what is made of each, :mod:`.images` does it to
one image, :mod:`.work` to one source file, and :mod:`.writer` to all of them, into the
:mod:`.folder` that the :mod:`.journal` lets an interrupted run go on in.
"""

from .folder import Unfinished
from .plan import make_plan
from .source import Images, find_images, wrong_counts
from .synsets import SYNSETS
from .work import Maker
from .writer import Result, prepare

__all__ = [
    "SYNSETS",
    "Images",
    "Maker",
    "Result",
    "Unfinished",
    "find_images",
    "make_plan",
    "prepare",
    "wrong_counts",
]
