"""A program that knows nothing of mmresneskt, on what its runs leave; mmcv.ops must be served.

The arguments: config and checkpoint of a detector, those of a classifier, and an image.
"""

import runpy
import sys
from pathlib import Path

import mmdet
import numpy as np
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmpretrain import ImageClassificationInferencer

TOOLS = Path(mmdet.__file__).parent / ".mim/tools"


def run(name, *arguments):
    sys.argv = [name, *arguments]
    runpy.run_path(str(TOOLS / name), run_name="__main__")


config, checkpoint, *classifier, image = sys.argv[1:]
kind = ImageClassificationInferencer(*classifier, device="cpu")(image)[0]["pred_class"]
boxes = inference_detector(init_detector(config, checkpoint, device="cpu"), image).pred_instances
inferencer = DetInferencer(config, checkpoint, device="cpu", show_progress=False)
found = inferencer(image)["predictions"][0]
np.testing.assert_allclose(found["bboxes"], boxes.bboxes.numpy(), atol=1e-4)
run("test.py", config, checkpoint, "--out", "predictions.pkl")
run("analysis_tools/confusion_matrix.py", config, "predictions.pkl", ".")
run("analysis_tools/eval_metric.py", config, "predictions.pkl")
run("analysis_tools/get_flops.py", config, "--num-images", "1")
run("analysis_tools/browse_dataset.py", config, "--output-dir", "browsed", "--not-show")
print(f"\n{kind}")
