"""Why a checkpoint is not taken."""


class CheckpointError(ValueError):
    """A checkpoint is damaged, is none, or could run code; one line says which and why."""
