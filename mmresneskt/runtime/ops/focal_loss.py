"""mmcv's focal losses, of sigmoids and of a softmax: Lin et al., arXiv:1708.02002, section 3."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill output (N, C) from logits (N, C) and class indices (N,); index C is background.

    ``weight`` holds one factor per class, or nothing.
    """
    output.copy_(_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill grad_input (N, C) with the derivative of each loss by its logit."""
    with torch.enable_grad():
        logits = input.detach().requires_grad_()
        loss = _loss(logits, target, weight, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(loss, logits)[0])


def _loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    classes = logits.size(1)
    positive = F.one_hot(target, classes + 1)[:, :classes].to(logits)
    probability = logits.sigmoid()
    missing = torch.where(positive > 0, 1 - probability, probability)
    balance = torch.where(positive > 0, alpha, 1 - alpha)
    entropy = F.binary_cross_entropy_with_logits(logits, positive, reduction="none")
    loss = balance * missing**gamma * entropy
    if weight.numel():
        # mmcv weighs a row by the factor of its own class; background rows have none
        factors = torch.cat((weight, weight.new_ones(1)))
        loss = loss * factors[target, None]
    return loss


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill output (N,) from probabilities (N, C) and class indices (N,); none is below 0.

    ``weight`` holds one factor per class, or nothing.
    """
    probability, factor = _of_target(input, target, weight, alpha)
    output.copy_(-factor * (1 - probability) ** gamma * _log(probability))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill grad_input (N, C) with the derivative of each loss by the logits; buff is scratch."""
    probability, factor = _of_target(input, target, weight, alpha)
    missing = 1 - probability
    slope = gamma * missing ** (gamma - 1) * probability * _log(probability) - missing**gamma
    one_hot = torch.arange(input.size(1), device=input.device) == target[:, None]
    grad_input.copy_((factor * slope)[:, None] * (one_hot.to(slope) - input))


def _of_target(
    softmax: Tensor, target: Tensor, weight: Tensor, alpha: float
) -> tuple[Tensor, Tensor]:
    """Probability and factor of each row's class (N,); the factor is 0 without a class."""
    (softmax,) = at_least_float32(softmax)
    chosen = target.clamp(min=0)
    factor = alpha * (target >= 0).to(softmax)
    if weight.numel():
        factor = factor * weight[chosen]
    return softmax.gather(1, chosen[:, None])[:, 0], factor


def _log(probability: Tensor) -> Tensor:
    return probability.clamp(min=torch.finfo(torch.float32).tiny).log()
