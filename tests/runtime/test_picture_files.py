"""The pictures of a test: one for each image, whatever MM's hooks call it."""

import numpy as np
import pytest
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.dataset import BaseDataset
from mmengine.structures import InstanceData
from mmpretrain.engine.hooks import VisualizationHook
from mmpretrain.structures import DataSample
from mmpretrain.visualization import UniversalVisualizer
from PIL import Image

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.pictures.files_hook import PictureFilesHook

NAMES = ["a/x.png", "b/x.png", "b/y.gif"]


class Listed(BaseDataset):
    def load_data_list(self):
        return [dict(img_path=path) for path in self.ann_file.split("\n")]


class Runner:
    work_dir, timestamp = "wd", "now"

    def __init__(self, dataset, visualizer):
        self.test_dataloader, self.visualizer = self, visualizer
        self.dataset = dataset


@pytest.fixture
def images(tmp_path):
    for shade, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 48), (80 * shade,) * 3).save(tmp_path / name, "PNG")
    return [str(tmp_path / name) for name in NAMES]


def drawn(hook, samples, images, visualizer, folder):
    runner = Runner(Listed("\n".join(images)), visualizer)
    PictureFilesHook(folder).before_test(runner)
    pixels = [torch.from_numpy(np.array(Image.open(i).convert("RGB"))) for i in images]
    batch = dict(inputs=[image.permute(2, 0, 1) for image in pixels])
    hook.after_test_iter(runner, 0, batch, samples)
    pictures = sorted(path for path in folder.rglob("*") if path.is_file())
    assert [str(p.relative_to(folder)) for p in pictures] == ["a/x.png", "b/x.png", "b/y.gif.png"]
    return [int(np.median(np.array(Image.open(p)))) for p in pictures]


def test_of_mmdetection(images, tmp_path):
    visualizer = DetLocalVisualizer.get_instance("pictures of mmdet")
    hook = DetVisualizationHook(draw=True, test_out_dir=str(tmp_path / "out"))
    hook._visualizer = visualizer
    none = InstanceData(
        bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=int), scores=torch.zeros(0)
    )
    samples = [DetDataSample(metainfo=dict(img_path=i), pred_instances=none) for i in images]
    shades = drawn(hook, samples, images, visualizer, tmp_path / "out")
    assert shades == [0, 80, 160]


def test_of_mmpretrain(images, tmp_path):
    visualizer = UniversalVisualizer.get_instance("pictures of mmpretrain")
    hook = VisualizationHook(enable=True, interval=1, out_dir=str(tmp_path / "out"))
    hook._visualizer = visualizer
    samples = [DataSample(metainfo=dict(img_path=i)).set_pred_label(1) for i in images]
    drawn(hook, samples, images, visualizer, tmp_path / "out")


def test_no_image_is_replaced(images, tmp_path):
    runner = Runner(Listed("\n".join(images)), None)
    with pytest.raises(UserError, match=r"would replace .*x\.png"):
        PictureFilesHook(tmp_path).before_test(runner)
