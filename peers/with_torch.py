"""PyTorch on the CPU: scaled_dot_product_attention with a resident dense bias, without one, and FlexAttention with T5's bias in the kernel."""

import sys

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from serving import SCALE, THREADS, serve, tensors

torch.set_num_threads(THREADS)
torch.set_grad_enabled(False)
kind = sys.argv[1]
q, k, v, table, bias = (torch.from_numpy(values)[None] for values in tensors())


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
serve(f"PyTorch {torch.__version__}, {kind}", compute)
