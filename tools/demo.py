"""Train on the embedded data, evaluate, and draw the result: ``python tools/demo.py``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import demo, errors

if __name__ == "__main__":
    errors.run(demo.main)
