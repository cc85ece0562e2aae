"""Export: ``python tools/export_onnx.py CONFIG --out FILE``; see ``--help``."""

import sys
from pathlib import Path

# so that a clone works from any folder, installed or not
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmresneskt.commands import errors, export_onnx

if __name__ == "__main__":
    errors.run(export_onnx.main)
