"""Find what is wrong with a config: ``python tools/check.py CONFIG``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import check, errors

if __name__ == "__main__":
    errors.run(check.main)
