"""Train a detector or a classifier: ``python tools/train.py CONFIG``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.cli import main

if __name__ == "__main__":
    main(script="train")
