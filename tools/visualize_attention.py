"""Draw where a backbone looks: ``tools/visualize_attention.py IMAGE ...``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import errors, visualize_attention

if __name__ == "__main__":
    errors.run(visualize_attention.main)
