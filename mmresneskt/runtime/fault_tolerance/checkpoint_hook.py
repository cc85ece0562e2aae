"""Which checkpoints a run keeps, on machines that may die at any moment."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path, PurePath

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..files import remove, remove_drafts, write_whole
from ..launcher import LAUNCH
from .whole_checkpoint import remove_unfinished

_POINTER = "last_checkpoint"
_INTERRUPTED = "interrupted_ckpt"


class SafeCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook, with its options, that loses nothing when it is killed.

    mmengine deletes the old checkpoint before it writes the new one, and writes over the current
    one to note in it which is the best. Here the new one comes first, ``last_checkpoint``
    follows, and what is obsolete goes last; each file is written once, before the evaluation
    (which a resumed run makes up: :class:`DueEvaluationHook`), and whole or not at all
    (:func:`save_whole`). What a killed run has left unfinished is removed by the next
    one in the folder. A run removes nothing else than its own checkpoints: directly in its
    folder, by a name that it gives itself, whatever a checkpoint that it goes on from says.
    """

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        runner.message_hub.update_info("launch", LAUNCH)
        self._pointed_to: dict[str, int] = {}  # meta of the checkpoint that last_checkpoint names
        if self.save_best:  # of a run that goes on, perhaps from a copy of the folder
            self._best = {key: path and self._path(path) for key, path in self._best.items()}
        if is_main_process():
            if isinstance(self.file_backend, LocalBackend):
                remove_unfinished(self.out_dir)
            for name in (_POINTER, "curves.png", "report.html"):  # what else a run writes
                remove_drafts(Path(runner.work_dir, name))

    last_ckpt: str | None

    def save_now(self, runner: Runner, epoch: int, iteration: int) -> str | None:
        """Save between two regular checkpoints; return the path of the last one.

        ``--resume`` goes on from it, and the next regular checkpoint takes its place.

        Args:
            epoch: how many are finished.
            iteration: how many are finished.
        """
        meta = dict(epoch=epoch, iter=iteration)
        if self._pointed_to != meta:
            name = f"iter_{iteration}.pth"
            runner.message_hub.update_info(_INTERRUPTED, self._path(name))
            self._save(runner, name, meta)
        return self.last_ckpt

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        name, hub = self.filename_tmpl.format(step), runner.message_hub
        kept = list(self.keep_ckpt_ids) if self.max_keep_ckpts > 0 else []
        if self.max_keep_ckpts > 0 and step not in kept:
            kept.append(step)
            # with the one to be removed: if this process dies before it does, the next one will
            hub.update_info("keep_ckpt_ids", kept)
        hub.update_info("last_ckpt", self._path(name))
        self._save(runner, name, meta)
        interrupted = hub.runtime_info.pop(_INTERRUPTED, None)
        if interrupted and PurePath(interrupted).name != name:
            self._remove(interrupted)
        if self.max_keep_ckpts > 0:
            for old in kept[: -self.max_keep_ckpts]:
                self._remove(self.filename_tmpl.format(old))
            self.keep_ckpt_ids: deque[int] = deque(kept, self.max_keep_ckpts)
            hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best:
            return
        before, last = self._best, self.last_ckpt
        self._best = dict.fromkeys(before)  # else it is removed before the new one is written
        self.last_ckpt = None  # else it is written over
        super()._save_best_checkpoint(runner, metrics)
        found, self.last_ckpt = self._best, last
        self._best = {key: path or before.get(key) for key, path in found.items()}
        for key, old in before.items():
            if old and found[key] not in (None, old):
                self._remove(old)
                runner.logger.info(f"The previous best checkpoint {old} is removed")

    def _save(self, runner: Runner, name: str, meta: dict[str, int]) -> None:
        self.last_ckpt = self._path(name)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=dict(meta),
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            write_whole(Path(runner.work_dir, _POINTER), self.last_ckpt.encode())
        self._pointed_to = dict(meta)

    @property
    def _best(self) -> dict[str, str | None]:
        """The best checkpoint's path by metric; mmengine has it in one of two places."""
        if len(self.key_indicators) == 1:
            return {"": self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    @_best.setter
    def _best(self, paths: dict[str, str | None]) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths[""]
        else:
            self.best_ckpt_path_dict = paths

    def _path(self, name: str) -> str:
        """Of a checkpoint of this run; of a path the last part counts."""
        return self.file_backend.join_path(self.out_dir, PurePath(name).name)

    def _remove(self, name: str) -> None:
        if not is_main_process():
            return
        step = re.sub(r"\\\{.*?\\\}", r"\\d+", re.escape(self.filename_tmpl))
        if not re.fullmatch(rf"iter_\d+\.pth|(best_[^/\\]+_)?{step}", PurePath(name).name):
            return  # no name that this run gives
        path = self._path(name)
        if isinstance(self.file_backend, LocalBackend):
            remove(Path(path))
        elif self.file_backend.isfile(path):
            self.file_backend.remove(path)
