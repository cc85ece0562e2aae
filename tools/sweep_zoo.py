"""Try the swap on the whole zoo: ``python tools/sweep_zoo.py``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import errors, sweep_zoo

if __name__ == "__main__":
    errors.run(sweep_zoo.main)
