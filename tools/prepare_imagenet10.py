"""Build the paper's ten classes of ImageNet: ``IMAGENET_ROOT OUT``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import errors, prepare_imagenet10

if __name__ == "__main__":
    errors.run(prepare_imagenet10.main)
