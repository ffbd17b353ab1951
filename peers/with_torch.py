"""PyTorch: scaled_dot_product_attention with a resident dense bias, without one, and FlexAttention with T5's bias in the kernel.

    with_torch.py sdpa|no-bias|flex cpu|cuda f32|f16 FOLDER N THREADS

On CUDA a turn is as many calls as keep the GPU busy for a while, behind others that wake it up, and products of f32 are not rounded to TF32.
"""

import sys
import time

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from serving import SCALE, THREADS, serve, tensors

torch.set_num_threads(THREADS)
torch.set_grad_enabled(False)
kind, device, dtype = sys.argv[1:4]
dtype = {"f32": torch.float32, "f16": torch.float16}[dtype]
q, k, v, table, bias = (torch.from_numpy(values)[None].to(device, dtype) for values in tensors())


def flex():
    from torch.nn.attention.flex_attention import flex_attention

    # The bias of each offset, so that the kernel looks one number up.
    n = q.shape[2]
    by_offset = torch.cat([bias[0, :, :, 0].flip(1), bias[0, :, 0, 1:]], dim=1).contiguous()

    def score_mod(score, b, h, i, j):
        return score + by_offset[h, j - i + n - 1]

    compiled = torch.compile(flex_attention, dynamic=False)
    return lambda: compiled(q, k, v, score_mod=score_mod, scale=SCALE)


compute = {
    "sdpa": lambda: lambda: scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=SCALE),
    "no-bias": lambda: lambda: scaled_dot_product_attention(q, k, v, scale=SCALE),
    "flex": flex,
}[kind]()


def milliseconds(calls):
    """Of one of so many calls, by the GPU's own clock."""
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    for _ in range(calls):
        compute()
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / calls


def on_cuda():
    """A second of calls, and then some that take 20 ms."""
    calls = 1
    start = time.perf_counter()
    while time.perf_counter() - start < 1:
        calls = max(1, min(512, int(20 / milliseconds(calls))))
    return milliseconds(calls)


if device == "cuda":
    who = f"PyTorch {torch.__version__}, {kind}, on {torch.cuda.get_device_name()}"
    serve(who, lambda: compute().float().cpu(), on_cuda)
else:
    serve(f"PyTorch {torch.__version__}, {kind}", compute)
