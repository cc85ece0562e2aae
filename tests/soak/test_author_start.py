"""How far the author's form starts from the ResNeSt whose weights it is given."""

import copy

import torch

from mmresneskt import ResNeSkt, load_resnest
from tests.support.helpers import randomize


def distances(ours, plain, images):
    """Of the four stages, in evaluation and in training: ||ours - plain|| / ||plain||, in %."""
    found = []
    for train in (False, True):
        with torch.no_grad():
            maps = [copy.deepcopy(model).train(train)(images) for model in (ours, plain)]
        found += [round(100 * float((a - b).norm() / b.norm()), 2) for a, b in zip(*maps)]
    return found


def test_fifty_layers_start_near_resnest():
    torch.manual_seed(0)
    plain = randomize(ResNeSkt(50, spatial_attention=False))
    at_random = ResNeSkt(50, spatial_attention="author")
    near = copy.deepcopy(at_random)
    at_random.load_state_dict(plain.state_dict(), strict=False)
    load_resnest(near, plain.state_dict())
    images = torch.randn(4, 3, 128, 128)
    far, found = (distances(model, plain, images) for model in (at_random, near))
    print("at random", far)
    print("as load_resnest starts it", found)
    assert max(found[:4]) < 1 < min(far)
    assert max(found[4:]) < 0.1
