"""Compile the Triton kernels for an NVIDIA GPU that need not be there."""

import subprocess
import sys
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from mmresneskt.network.fast import fused
from mmresneskt.network.fast import triton_kernels as kernels

HALF = ("v", "grad_v", "grad", "product")
NUMBERS = ("eps", "scale", "least")
SIZES = ("positions", "channels", "v_at", "v_next")
EVEN = [["tt.divisibility", 16]]  # as Triton finds it at the start of a kernel


def build(kernel, nhwc, capability):
    """One kernel for half precision and a group of 256 channels."""
    contiguous = "v_next" if nhwc else "v_at"
    constants = dict(P=3, GROUP=256, **(fused._NHWC if nhwc else fused._NCHW))
    constants[contiguous] = 1
    signature, values, attributes = {}, {}, {}
    for index, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name], values[(index,)] = "constexpr", constants[name]
        elif name in NUMBERS:
            signature[name] = "fp32"
        else:
            signature[name] = "i32" if name in SIZES else "*fp16" if name in HALF else "*fp32"
            attributes[(index,)] = EVEN
    source = ASTSource(fn=kernel, signature=signature, constexprs=values, attrs=attributes)
    return compile(source, target=GPUTarget("cuda", capability, 32)).asm


def spilt(text, folder):
    """What ptxas says about registers that it had no room for."""
    source = Path(folder, "kernel.ptx")
    source.write_text(text)
    target = text.split(".target", 1)[1].split()[0].strip(",")
    assembler = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
    command = [assembler, "-v", "--gpu-name", target, source, "-o", Path(folder, "kernel.cubin")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if "spill" in line]


for kernel in (kernels.pool, kernels.pool_backward, kernels.gate_backward):
    for nhwc in (False, True):
        text = build(kernel, nhwc, int(sys.argv[1]))["ptx"]
        assert "global.v4.b32" in text  # 16 bytes a thread,
        assert "global.b16" not in text  # and no half number by itself
        (line,) = spilt(text, sys.argv[2])
        assert "0 bytes spill stores, 0 bytes spill loads" in line
        print(kernel.__name__, "ok")
