"""Batch norms folded into the convolutions before them, for inference."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator

import torch
from mmengine.model import is_model_wrapper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

_SIDE = 64  # of the image that is sent through to see what follows what
# what these give says nothing about a tensor's values
_ASKING = (int, bool, torch.Size, torch.dtype, torch.device, torch.layout)


def deploy(model: nn.Module) -> nn.Module:
    """A copy of a model for inference, its batch norms folded into the convolutions before them.

    For ResNeSkt and any other backbone, and for whole models of MMDetection, MMPretrain and
    others: there all that ``extract_feat`` runs is folded, backbone and neck. Which norm follows
    which convolution is seen on a blank image that is sent through, not guessed from the order of
    the modules. What cannot be folded stays as it is: other norms than batch norm, norms without
    running statistics, those behind deformable or weight-standardised convolutions, and
    convolutions whose result or weights are used twice.

    Returns:
        A copy in eval mode whose parameters need no gradient, with the same outputs but for
        rounding; ``nn.Identity`` stands where norms were. ``model`` stays as it was. Deploying a
        copy again changes nothing.

    Raises:
        TypeError: ``model`` is no module, or one that is wrapped, compiled or scripted.
        ValueError: it does not run on an image alone.
    """
    _check(model)
    model = copy.deepcopy(model)
    model.eval()  # the libraries' ResNets return None
    model.requires_grad_(False)
    for convolution, norm in _pairs(model):
        _replace(model, convolution, fuse_conv_bn_eval(convolution, norm))
        _replace(model, norm, nn.Identity().eval())
    return model


def _check(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"deploy takes a model (torch.nn.Module), not {type(model).__name__}")
    kind = type(model).__name__
    if is_model_wrapper(model):
        raise TypeError(f"{kind} is for training on several processes: deploy(model.module)")
    if isinstance(model, torch.jit.ScriptModule) or hasattr(model, "_orig_mod"):
        raise TypeError(f"{kind} is compiled: deploy the model first, then compile what comes back")


def _pairs(model: nn.Module) -> list[tuple[nn.Conv2d, _BatchNorm]]:
    """Convolutions of a model in eval mode, each with the norm that alone takes its result."""
    convolved: dict[int, list[nn.Conv2d]] = {}  # by the id of the result
    normed: list[tuple[_BatchNorm, int]] = []  # with the id of what it takes

    def note(module: nn.Module, inputs: tuple, result: object) -> None:
        if isinstance(module, nn.Conv2d):
            convolved.setdefault(id(result), []).append(module)
        elif isinstance(inputs[0], Tensor):
            normed.append((module, id(inputs[0])))

    kinds = (nn.Conv2d, _BatchNorm)
    watched = [module for module in model.modules() if isinstance(module, kinds)]
    handles = [module.register_forward_hook(note) for module in watched]
    try:
        uses = _run(model)
    finally:
        for handle in handles:
            handle.remove()
    calls = Counter(id(module) for module, _ in normed)
    return [
        (convolved[taken][0], norm)
        for norm, taken in normed
        if calls[id(norm)] == 1
        and norm.track_running_stats
        and len(convolved.get(taken, ())) == 1
        and uses.count[taken] == 1
        # its own weights, as they are, and no second time
        and uses.count[id(convolved[taken][0].weight)] == 1
        and uses.weight_of.get(taken) == id(convolved[taken][0].weight)
    ]


def _run(model: nn.Module) -> _Uses:
    """Send a blank image through, and see which operation takes what."""
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    uses = _Uses()
    if first is None:
        return uses
    run: Callable = getattr(model, "extract_feat", model)
    image = torch.zeros(1, first.in_channels, _SIDE, _SIDE).to(first.weight)
    try:
        with torch.no_grad(), uses:
            result = run(image)
    except Exception as error:  # whatever a stranger's model raises
        raise ValueError(
            f"{type(model).__name__} does not run on an image alone, a tensor "
            f"{tuple(image.shape)}: {error}. Deploy the part that does, such as model.backbone"
        ) from error
    uses.take(result)
    return uses


class _Uses(TorchFunctionMode):
    """Counts by id how many operations take each tensor.

    Attributes:
        weight_of: the weight, by id, of the 2d convolution that made a tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[int] = Counter()
        self.weight_of: dict[int, int] = {}
        self._kept: list[object] = []  # an id is given out again when its owner is gone

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        self._kept.append((args, kwargs, result))
        if not isinstance(result, _ASKING):
            self.take((args, kwargs))
        if func is torch.conv2d and len(args) > 1:
            self.weight_of[id(result)] = id(args[1])
        return result

    def take(self, value: object) -> None:
        """Count one use of every tensor in a value."""
        self.count.update(id(tensor) for tensor in _tensors(value))


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` wherever ``old`` stands; a module may stand in several places."""
    for parent in model.modules():
        for name, child in parent.named_children():
            if child is old:
                setattr(parent, name, new)
