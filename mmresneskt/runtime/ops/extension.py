"""The module that stands in for ``mmcv._ext``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType

from . import carafe, deform_conv, deform_roi_pool, focal_loss, masked_conv, nms, roi_align

EXTENSION = "mmcv._ext"

OPERATORS: dict[str, Callable] = {
    # what mmcv's environment report asks for
    "get_compiler_version": lambda: "n/a (operators of torchvision)",
    "get_compiling_cuda_version": lambda: "n/a (operators of torchvision)",
    "nms": nms.nms,
    "softnms": nms.softnms,
    "roi_align_forward": roi_align.roi_align_forward,
    "roi_align_backward": roi_align.roi_align_backward,
    "deform_conv_forward": deform_conv.deform_conv_forward,
    "deform_conv_backward_input": deform_conv.deform_conv_backward_input,
    "deform_conv_backward_parameters": deform_conv.deform_conv_backward_parameters,
    "modulated_deform_conv_forward": deform_conv.modulated_deform_conv_forward,
    "modulated_deform_conv_backward": deform_conv.modulated_deform_conv_backward,
    "sigmoid_focal_loss_forward": focal_loss.sigmoid_focal_loss_forward,
    "sigmoid_focal_loss_backward": focal_loss.sigmoid_focal_loss_backward,
    "carafe_forward": carafe.carafe_forward,
    "carafe_backward": carafe.carafe_backward,
    "deform_roi_pool_forward": deform_roi_pool.deform_roi_pool_forward,
    "deform_roi_pool_backward": deform_roi_pool.deform_roi_pool_backward,
    "masked_im2col_forward": masked_conv.masked_im2col_forward,
    "masked_col2im_forward": masked_conv.masked_col2im_forward,
}
"""mmcv's name of each operator that torch and torchvision can serve."""


class Extension(ModuleType):
    """Has every name: mmcv asserts at import that some hundred operators exist.

    Those without an implementation raise NotImplementedError when they are called.
    """

    def __init__(self) -> None:
        super().__init__(EXTENSION, "mmcv's operators on torchvision's kernels")
        self.__spec__ = ModuleSpec(EXTENSION, loader=None)  # find_spec demands one
        self.__dict__.update(OPERATORS)

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):  # the import system probes for these
            raise AttributeError(name)
        return _missing(name)


def _missing(name: str) -> Callable:
    def operator(*args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            f"mmcv's operator {name!r} needs mmcv's compiled operators, and this environment has "
            f"mmcv-lite: pip uninstall mmcv-lite && pip install mmcv (see "
            f"https://mmcv.readthedocs.io/en/latest/get_started/installation.html)"
        )

    operator.__name__ = name
    return operator
