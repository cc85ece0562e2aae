"""The state of a process's random number generators."""

from __future__ import annotations

import random

import numpy as np
import torch


def random_state(cuda: bool = True) -> dict:
    """The states of Python's, numpy's and torch's generators, as tensors and numbers.

    Args:
        cuda: with that of the current GPU, if it is in use.
    """
    version, python, gauss = random.getstate()
    legacy: tuple = tuple(np.random.get_state())
    name, numpy, *rest = legacy
    state = dict(
        python=(version, torch.tensor(python), gauss),
        numpy=(name, torch.from_numpy(numpy.astype(np.int64)), *rest),
        torch=torch.get_rng_state(),
    )
    if cuda and torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict) -> None:
    """Bring the generators back to what :func:`random_state` has found."""
    version, python, gauss = state["python"]
    random.setstate((version, tuple(python.tolist()), gauss))
    name, numpy, *rest = state["numpy"]
    np.random.set_state((name, numpy.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


def seed_all(*numbers: int) -> None:
    """Seed the three generators of the CPU by all numbers (not negative) together."""
    seeds = np.random.SeedSequence(numbers).generate_state(3, np.uint32)
    random.seed(int(seeds[0]))
    np.random.seed(int(seeds[1]))
    torch.default_generator.manual_seed(int(seeds[2]))  # torch.manual_seed means the GPUs too
