"""The two attentions written for clarity: loops over samples, groups and branches.

Independent of the package: they read its parameters and repeat the paper's equations in
float64.
"""

import numpy as np


def split_attention(module, u):
    """Equations (1) to (3). u: (N, R*C, H, W), the activated convolution's output."""
    n, rc, h, w = u.shape
    radix, groups = module.radix, module.groups
    c = rc // radix
    width = c // groups
    fc1, fc2 = _array(module.fc1.weight)[:, :, 0, 0], _array(module.fc2.weight)[:, :, 0, 0]
    bias1, bias2 = _array(module.fc1.bias), _array(module.fc2.bias)
    hidden = fc1.shape[0] // groups
    pooled = np.zeros((n, c))
    for r in range(radix):
        pooled += u[:, r * c : (r + 1) * c].mean((2, 3))
    z = np.zeros((n, groups * hidden))
    for k in range(groups):
        rows = slice(k * hidden, (k + 1) * hidden)
        z[:, rows] = pooled[:, k * width : (k + 1) * width] @ fc1[rows].T + bias1[rows]
    z = np.maximum(_eval_norm(module.bn1, z), 0)
    v = np.zeros((n, c, h, w))
    for k in range(groups):
        rows = slice(k * radix * width, (k + 1) * radix * width)
        logits = z[:, k * hidden : (k + 1) * hidden] @ fc2[rows].T + bias2[rows]
        logits = logits.reshape(n, radix, width)
        if radix == 1:
            weights = 1 / (1 + np.exp(-logits))
        else:
            weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        for r in range(radix):
            part = u[:, r * c + k * width : r * c + (k + 1) * width]
            v[:, k * width : (k + 1) * width] += weights[:, r, :, None, None] * part
    return v


def spatial_kernel_attention(module, v):
    """Equation (5) and around. v: (N, C, H, W). Returns V * gate and the branch weights."""
    n, c, h, w = v.shape
    groups = module.groups
    width = c // groups
    kernels = [_array(k) for k in module.kernels]
    fc = _array(module.fc.weight).reshape(module.sets, -1)
    select = _array(module.select.weight)[:, :, 0, 0].reshape(module.sets, len(kernels), -1)
    out, chosen = np.zeros_like(v), np.zeros((n, groups, len(kernels)))
    for i in range(n):
        for k in range(groups):
            own = k if module.sets > 1 else 0
            part = v[i, k * width : (k + 1) * width]
            maps = np.stack([part.mean(0), part.max(0), gem(part, module.pool.p)])
            branches = [_convolve(maps, kernel[own]) for kernel in kernels]
            t = sum(branches).mean()
            z = np.maximum(_eval_norm_part(module.bn, fc[own] * t, own), 0)
            a = np.exp(select[own] @ z)
            a /= a.sum()
            u = sum(weight * branch for weight, branch in zip(a, branches))
            gate = {
                "double_sigmoid": 2 / (1 + np.exp(-u)),
                "sigmoid": 1 / (1 + np.exp(-u)),
                "linear": u,
            }[module.gate]
            out[i, k * width : (k + 1) * width] = part * gate
            chosen[i, k] = a
    return out, chosen


def gem(x, p, eps=1e-6):
    """Equation (4) over the first axis."""
    return (np.maximum(x, eps) ** p).mean(0) ** (1 / p)


def _convolve(maps, kernel):
    _, h, w = maps.shape
    half = kernel.shape[-1] // 2
    padded = np.pad(maps, ((0, 0), (half, half), (half, half)))
    out = np.zeros((h, w))
    for y in range(h):
        for x in range(w):
            out[y, x] = (padded[:, y : y + 2 * half + 1, x : x + 2 * half + 1] * kernel).sum()
    return out


def _eval_norm(norm, x):
    scale = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    return (x - _array(norm.running_mean)) * scale + _array(norm.bias)


def _eval_norm_part(norm, x, part):
    rows = slice(part * len(x), (part + 1) * len(x))
    scale = _array(norm.weight)[rows] / np.sqrt(_array(norm.running_var)[rows] + norm.eps)
    return (x - _array(norm.running_mean)[rows]) * scale + _array(norm.bias)[rows]


def _array(tensor):
    return tensor.detach().double().numpy()


def author_spatial_kernel_attention(module, v):
    """The author's form, in eval mode. v: (N, C, H, W). Returns V * gate and the branch weights."""
    n, c, h, w = v.shape
    groups = module.groups
    width = c // groups
    out, chosen = np.zeros_like(v), np.zeros((n, groups, len(module.sizes)))
    for i in range(n):
        for k in range(groups):
            own = k if module.sets > 1 else 0
            part = v[i, k * width : (k + 1) * width]
            maps = np.stack([part.mean(0), part.max(0), gem(part, module.pool.p)])
            branches = []
            for conv, norm, _ in module.convs:
                x = _convolve(maps, _array(conv.weight)[own]) + _array(conv.bias)[own]
                branches.append(np.maximum(_eval_norm_part(norm, x.reshape(1, -1), own), 0))
            z = _line(module.fc, own, sum(branch.mean() for branch in branches))
            a = np.exp([_line(line, own, z) for line in module.fcs])
            a /= a.sum()
            u = sum(weight * branch for weight, branch in zip(a, branches)).reshape(h, w)
            out[i, k * width : (k + 1) * width] = part / (1 + np.exp(-u))
            chosen[i, k] = a
    return out, chosen


def _line(layer, own, x):
    return _array(layer.weight).reshape(-1)[own] * x + _array(layer.bias)[own]
