"""Why a checkpoint is not taken."""

from ..errors import printable


class CheckpointError(ValueError):
    """A checkpoint is damaged, is none, or could run code; one line says which and why."""

    def __init__(self, message: str) -> None:
        # it may quote the file, which may hold anything, what commands a terminal included
        super().__init__(printable(" ".join(message.split())))
