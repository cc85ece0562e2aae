"""The pooling that stands in for PyTorch's where that one's gradient is wrong."""

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from mmresneskt.network.average_pool import AvgPool2d
from mmresneskt.network.resneskt import ResNeSkt

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 8), (14, 14)])
def test_padding_first_changes_nothing(size, layout):
    x = torch.randn(2, 6, *size).to(memory_format=layout).requires_grad_()
    pool = AvgPool2d(3, 2, padding=1)
    out, wanted = pool.of_padded(x), F.avg_pool2d(x, 3, 2, 1)
    assert torch.equal(out, wanted)
    grad = torch.randn_like(out)
    found = torch.autograd.grad(out, x, grad)[0], torch.autograd.grad(wanted, x, grad)[0]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 6])
def test_it_is_taken_on_cuda_wherever_the_strides_may_be_channels_last(
    layout, channels, monkeypatch
):
    padded = []
    monkeypatch.setattr(AvgPool2d, "of_padded", lambda self, x: padded.append(x) or x)
    pool = AvgPool2d(3, 2, padding=1)
    if not (torch.cuda.is_available() or torch.__version__ >= "2.2"):
        pytest.skip("this torch takes a driver even for tensors without data")
    with FakeTensorMode():
        x = torch.empty(2, channels, 8, 8, device="cuda").to(memory_format=layout)
        pool(x)
        assert not padded  # the forward pass alone is right
        pool(x.requires_grad_())
        pool(x[:, :1])  # neither layout
    nchw_alone = layout is torch.contiguous_format and channels > 1
    assert len(padded) == (1 if nchw_alone else 2)


def test_the_network_has_no_other_padded_average_pooling():
    for first in (True, False):
        for module in ResNeSkt(14, avd_first=first).modules():
            if isinstance(module, torch.nn.AvgPool2d) and module.padding:
                assert type(module) is AvgPool2d
