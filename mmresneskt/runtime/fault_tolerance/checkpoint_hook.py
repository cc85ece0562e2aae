"""Checkpoints that are written whole or not at all."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ..checkpoint import CheckpointError, read_back
from ..files import remove, remove_drafts, replace, write_whole
from .disk_full import explain_writing
from .random_state import random_state
from .stop import stop_together

_POINTER = "last_checkpoint"
_INTERRUPTED = "interrupted_ckpt"


@HOOKS.register_module(force=True)
class WholeCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook, with its options, for machines that may die at any moment.

    mmengine writes into the file's final name, deletes the old checkpoint before it writes
    the new one, and writes over the current one to note in it which is the best. Here each is
    written under another name in the same folder, read back, and only then given its name;
    ``last_checkpoint`` follows, and what is obsolete goes last. A file that has another name
    as well (a hard link) keeps its content under that one. What a killed run has left
    unfinished is removed by the next one in the folder. A run removes nothing else than its own
    checkpoints: directly in its folder, by a name that it gives itself, whatever a checkpoint
    that it goes on from says.

    The runner writes, as it always does, so that FlexibleRunner's strategies work: one file
    from the main process, or a folder with a file from each (FSDP's sharded state, DeepSpeed).
    Only files are read back. Storage that is no file system (``s3://``) has no names to
    change; there mmengine's way is kept.

    Raises:
        Stop: a checkpoint cannot be written or read back: the disk is full, for example. All
            processes end; the checkpoints before it are as they were.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._progress: dict[str, int] = {}  # of what is being written, and
        self._random_states: dict[str, list] = {}
        self._pointed_to: dict[str, int] = {}  # of what last_checkpoint names

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if self.save_best:  # of a run that goes on, perhaps from a copy of the folder
            self._best = {key: path and self._path(path) for key, path in self._best.items()}
        if is_main_process():
            self._remove_unfinished()
            for name in (_POINTER, "curves.png"):  # what else is written while a run goes on
                remove_drafts(Path(runner.work_dir, name))

    def save_now(self, runner: Runner, epoch: int, iteration: int) -> str:
        """Save between two regular checkpoints; return the path.

        ``--resume`` goes on from it, and the next regular checkpoint takes its place.

        Args:
            epoch: how many are finished.
            iteration: how many are finished.
        """
        meta = dict(epoch=epoch, iter=iteration)
        if self._pointed_to != meta:
            name = f"iter_{iteration}.pth"
            path = self._path(name)
            runner.message_hub.update_info(_INTERRUPTED, path)
            self.last_ckpt = path
            self.write(runner, name, meta, path, **self._options)
        return self.last_ckpt

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        # FlexibleRunner puts its own numbers there, one too many after an evaluation
        checkpoint["meta"].update(self._progress)
        checkpoint.update(self._random_states)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        name, hub = self.filename_tmpl.format(step), runner.message_hub
        kept = list(self.keep_ckpt_ids) if self.max_keep_ckpts > 0 else []
        if self.max_keep_ckpts > 0 and step not in kept:
            kept.append(step)
            # with the one to be removed: if this process dies before it does, the next one will
            hub.update_info("keep_ckpt_ids", kept)
        self.last_ckpt = self._path(name)
        hub.update_info("last_ckpt", self.last_ckpt)
        self.write(runner, name, meta, self.last_ckpt, **self._options)
        interrupted = hub.runtime_info.pop(_INTERRUPTED, None)
        if interrupted and PurePath(interrupted).name != name:
            self._remove(interrupted)
        if self.max_keep_ckpts > 0:
            for old in kept[: -self.max_keep_ckpts]:
                self._remove(self.filename_tmpl.format(old))
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
            hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best:
            return
        before = self._best
        self._best = dict.fromkeys(before)  # else it is removed before the new one is written
        super()._save_best_checkpoint(_WholeRunner(self, runner), metrics)
        found = self._best
        self._best = {key: path or before.get(key) for key, path in found.items()}
        for key, old in before.items():
            if old and found[key] not in (None, old):
                self._remove(old)
                runner.logger.info(f"The previous best checkpoint {old} is removed")

    @property
    def _options(self) -> dict[str, Any]:
        return dict(
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            **self.args,
        )

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

    def write(
        self, runner: Runner, name: str, meta: dict, pointed_to: str | None = None, **options: Any
    ) -> None:
        """Write a checkpoint; every process has to call it.

        Args:
            name: of the file.
            meta: ``epoch`` and ``iter`` to go on from.
            pointed_to: its path, if ``last_checkpoint`` shall name it.
            options: of ``runner.save_checkpoint``.
        """
        runner = runner.itself if isinstance(runner, _WholeRunner) else runner
        local = isinstance(self.file_backend, LocalBackend)
        draft = _unfinished(name) if local else name
        self._progress = dict(meta)
        self._random_states = dict(random_states=all_gather_object(random_state()))  # by rank

        def write() -> None:
            runner.save_checkpoint(
                self.out_dir,
                draft,
                self.file_client_args,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
                **options,
            )

        def give_name() -> None:
            if not is_main_process():
                return
            if local:
                path = Path(self.out_dir, draft)
                if path.is_file():
                    read_back(path)
                replace(path, path.with_name(name))
            if pointed_to:
                write_whole(Path(runner.work_dir, _POINTER), pointed_to.encode())

        self._together(name, write)
        self._together(name, give_name)
        if pointed_to:
            self._pointed_to = self._progress
        self._progress, self._random_states = {}, {}

    def _together(self, name: str, step: Callable[[], None]) -> None:
        """Take a step in every process; where it fails in one, none goes on."""
        problem = None
        try:
            step()
        except (OSError, CheckpointError) as error:
            self._remove_unfinished()
            reason = explain_writing(error, self.out_dir)
            problem = (
                f"checkpoint {name} cannot be written to {self.out_dir}: {reason}. The "
                f"checkpoints before it are intact, and --resume goes on from the last one"
            )
        stop_together(problem)

    def _remove_unfinished(self) -> None:
        if isinstance(self.file_backend, LocalBackend):
            for leftover in Path(self.out_dir).glob(_unfinished("*")):
                remove(leftover)

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


class _WholeRunner:
    """A runner whose ``save_checkpoint`` writes whole files, for mmengine's choice of the best."""

    def __init__(self, hook: WholeCheckpointHook, runner: Runner) -> None:
        self._hook, self.itself = hook, runner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.itself, name)

    def save_checkpoint(
        self, out_dir: str, filename: str, file_client_args: Any = None, **options: Any
    ) -> None:
        meta = options.pop("meta")
        wanted = {k: options[k] for k in ("save_optimizer", "save_param_scheduler")}
        self._hook.write(self.itself, filename, meta, **wanted)


def _unfinished(name: str) -> str:
    return f".{name}.unfinished"
