"""mmcv's ``sigmoid_focal_loss``: Lin et al., arXiv:1708.02002, equation (5)."""

import torch
import torch.nn.functional as F
from torch import Tensor


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
