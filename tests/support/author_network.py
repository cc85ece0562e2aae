"""The author's network, put together from timm's ResNeSt and the facts of his code.

Independent of the package; entry names are his.
"""

import timm
import torch
from torch import nn


class SpatialAttention(nn.Module):
    """On V (N, C, H, W): one gate for all channels."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, 1, k, padding=k // 2), nn.BatchNorm2d(1), nn.ReLU())
            for k in (3, 5, 7)
        )
        self.fc = nn.Linear(1, 1)
        self.fcs = nn.ModuleList(nn.Linear(1, 1) for _ in range(3))

    def forward(self, v):
        gem = v.clamp(min=1e-6).pow(3).mean(1, keepdim=True).pow(1 / 3)
        maps = torch.cat([v.mean(1, keepdim=True), v.max(1, keepdim=True).values, gem], 1)
        branches = [conv(maps) for conv in self.convs]
        t = sum(branches).mean((1, 2, 3)).unsqueeze(1)
        z = self.fc(t)
        a = torch.cat([fc(z) for fc in self.fcs], 1).softmax(1)
        u = sum(a[:, i, None, None, None] * branch for i, branch in enumerate(branches))
        return v * torch.sigmoid(u)


def author_network(depth, stem_width, avd_first):
    """Stem widths 32 (of 50 layers) or 64, as its parts ``stem_width``, the same, twice it."""
    blocks = {50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}[depth]
    network = timm.models.resnet.ResNet(
        block=timm.models.resnest.ResNestBottleneck,
        layers=blocks,
        stem_type="deep",
        stem_width=stem_width,
        avg_down=True,
        base_width=64,
        cardinality=1,
        block_args=dict(radix=2, avd=True, avd_first=avd_first),
        num_classes=10,
    )
    for module in network.modules():
        if isinstance(module, timm.models.resnest.ResNestBottleneck):
            module.conv2.sa_lxy = SpatialAttention()
            module.conv2.register_forward_hook(lambda conv2, x, v: conv2.sa_lxy(v))
    return network


def stages(network, images):
    """The maps of the four stages."""
    x = network.maxpool(network.act1(network.bn1(network.conv1(images))))
    maps = []
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = layer(x)
        maps.append(x)
    return maps
