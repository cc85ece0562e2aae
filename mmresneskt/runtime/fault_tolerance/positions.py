"""Training data whose randomness is a function of where in the run it is drawn.

torch seeds the processes of a data loader once, so that what they draw for a batch depends on
all batches before it: a resumed run would have to load everything again to draw the same. Here
each sample's transforms find generators seeded by the run's seed, the rank, the batch and the
place in it. A batch is then the same whether it was reached in one run or by resuming, with
any number of workers, and what lies before it is passed over without being loaded.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from mmengine.dist import get_rank
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from .random_state import random_state, seed_all, set_random_state


class Place(NamedTuple):
    """An index that a sampler has drawn, and where."""

    index: Any
    epoch: int
    batch: int
    sample: int


def by_position(loader: DataLoader, seed: int, endless: bool) -> DataLoader:
    """Make the randomness of a loader that has not been used a function of the position.

    Transforms that draw from Python's, numpy's and torch's generators are covered; those with
    a generator of their own (some of Albumentations'), or that keep earlier samples (a cached
    mosaic), are not. A loader without batches, or over a stream, is left as it is.

    Args:
        endless: one iteration goes on after the sampler's end, as IterBasedTrainLoop has it.
    """
    if loader.batch_sampler is None or isinstance(loader.dataset, IterableDataset):
        return loader
    # DataLoader forbids assignments, against those that come too late; nothing was read yet,
    # and making a new one would lose its batch_size, which hooks ask for
    vars(loader).update(
        dataset=SeededDataset(loader.dataset, seed, get_rank()),
        batch_sampler=PlacedBatches(loader.batch_sampler, endless),
        worker_init_fn=functools.partial(_start_worker, loader.worker_init_fn),
        # each iteration draws a seed for the workers, from the generator of the model otherwise
        generator=torch.Generator(),
    )
    return loader


class SeededDataset(Dataset):
    """A dataset whose every sample is drawn with generators seeded by its :class:`Place`.

    The generators of the process are as before afterwards. Everything else is the dataset's.
    """

    def __init__(self, dataset: Dataset, seed: int, rank: int) -> None:
        vars(self).update(dataset=dataset, _seeds=(seed, rank))

    def __getitem__(self, place: Place | int) -> Any:
        if not isinstance(place, Place):
            return self.dataset[place]
        before = random_state(cuda=False)
        seed_all(*self._seeds, place.epoch, place.batch, place.sample)
        try:
            return self.dataset[place.index]
        finally:
            set_random_state(before)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "dataset":  # while it is unpickled in a worker
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.dataset, name, value)


class PlacedBatches(Sampler):
    """A batch sampler that gives each index its place, and passes over the first batches.

    Attributes:
        epoch: that the next iteration is of.
        start: the batch to begin with; while an endless one is iterated over it may grow.
        drawn: batches that the current iteration has taken from the sampler.
    """

    def __init__(self, batches: Any, endless: bool) -> None:
        self.itself, self.endless = batches, endless
        self.epoch = self.start = self.drawn = 0

    def __iter__(self) -> Iterator[list[Place]]:
        self.drawn = 0
        rounds = 0
        while True:
            for batch in self.itself:
                number = self.drawn
                self.drawn += 1
                if number >= self.start:
                    yield [Place(index, self.epoch, number, i) for i, index in enumerate(batch)]
            if not self.endless or not self.drawn:
                return
            rounds += 1
            sampler: Any = getattr(self.itself, "sampler", None)
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(rounds)

    def __len__(self) -> int:
        return len(self.itself)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "itself":
            raise AttributeError(name)
        return getattr(self.itself, name)


class Ahead:
    """The iterator of an IterBasedTrainLoop that resumes.

    The loop takes and drops as many batches as it had trained on. Here all of them are empty
    but those that workers have already been given.
    """

    def __init__(self, batches: Iterator, empty: int) -> None:
        self._batches, self._empty = batches, empty

    def __iter__(self) -> Ahead:
        return self

    def __next__(self) -> Any:
        if self._empty:
            self._empty -= 1
            return None
        return next(self._batches)

    def skip_iter(self, count: int) -> None:
        """onedl-mmengine's loop asks for it in one call."""
        for _ in range(count):
            next(self)


def _start_worker(initialise: Callable[[int], None] | None, worker: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey_parent_alone, daemon=True).start()
    if initialise is not None:
        initialise(worker)


def _obey_parent_alone() -> None:
    """End a worker on its parent's SIGTERM, and on no other.

    Slurm sends the signal to all processes of a job, and the batch is wanted for the last
    iteration. The parent's ends the workers that it has no more use for, and it waits for them.
    """
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
