"""The command lines of ``tools/``: what each script does, as functions."""
