"""Train the rows of a table: ``python tools/reproduce.py table2``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import errors, reproduce

if __name__ == "__main__":
    errors.run(reproduce.main)
