"""Measure speed and memory beside other backbones: ``python tools/benchmark.py``; ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import benchmark, errors

if __name__ == "__main__":
    errors.run(benchmark.main)
