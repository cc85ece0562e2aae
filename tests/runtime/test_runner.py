"""What is set up around mmengine's Runner."""

import pytest
import torch
from mmengine.optim import OptimWrapper

from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.runner import build_runner
from tests.support.small_classifier import CLASSIFIER, write_images


@pytest.mark.parametrize(("counts", "rate"), [(1, 0.0025), (4, 0.01), (8, 0.02)])
def test_the_learning_rate_is_scaled_by_all_images_of_a_step(counts, rate, tmp_path, monkeypatch):
    pytest.importorskip("mmpretrain")
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "images", 2)
    (tmp_path / "config.py").write_text(CLASSIFIER)
    options = {
        "auto_scale_lr": dict(enable=True, base_batch_size=8),
        "optim_wrapper.accumulative_counts": counts,
        "work_dir": str(tmp_path / "run"),
    }
    runner = build_runner(load_config(str(tmp_path / "config.py"), options))
    wrapper = OptimWrapper(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01))
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    assert wrapper.get_lr()["lr"] == [pytest.approx(rate)]
    assert runner.cfg.auto_scale_lr.base_batch_size == 8
