"""Draw the curves of runs: ``python tools/plot_curves.py WORK_DIR ...``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import errors, plot_curves

if __name__ == "__main__":
    errors.run(plot_curves.main)
