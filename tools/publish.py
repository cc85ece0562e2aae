"""Publish the weights of a checkpoint: ``python tools/publish.py CHECKPOINT``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import errors, publish

if __name__ == "__main__":
    errors.run(publish.main)
