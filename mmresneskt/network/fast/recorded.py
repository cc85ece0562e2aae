"""Whether a hand-written backward pass is wanted here."""

import torch
from torch import Tensor

if hasattr(torch.compiler, "is_compiling"):
    _is_compiling = torch.compiler.is_compiling
else:  # torch 2.1
    from torch._dynamo.external_utils import is_compiling as _is_compiling


def is_recorded(*inputs: Tensor) -> bool:
    """Whether autograd would record an operation on the inputs."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)


def by_hand(*inputs: Tensor) -> bool:
    """Whether autograd would record an operation on the inputs, outside a compiler.

    The operation is plain without a gradient, as in inference and in an export. A compiler
    derives the backward pass from the same plain operation, and chooses itself what to keep.
    """
    return is_eager() and is_recorded(*inputs)


def is_eager() -> bool:
    """Whether operations are run, and not only seen by a compiler or an exporter."""
    return not _is_compiling() and not torch.jit.is_tracing()
