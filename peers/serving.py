"""What peers in Python have in common: tensors from files, an output into one, and a time for each line that is read."""

import os
import sys
import time
from pathlib import Path

import numpy as np

HEADS, HEAD_DIM, SCALE = 8, 64, 0.125
FOLDER, N, THREADS = Path(sys.argv[-3]), int(sys.argv[-2]), int(sys.argv[-1])


def tensor(name, *shape):
    return np.fromfile(FOLDER / f"{name}-{N}.f32", dtype="<f4").reshape(shape)


def tensors():
    """q, k and v, [H, N, D]; the table, [32, H]; the bias, [H, N, N]."""
    q, k, v = (tensor(name, HEADS, N, HEAD_DIM) for name in "qkv")
    return q, k, v, tensor("table", 32, HEADS), tensor("bias", HEADS, N, N)


def serve(who, compute, timed=None):
    """`compute` returns something that becomes an array [H, N, D]; `timed` the milliseconds of a turn, where the wall clock does not tell them."""
    out = np.asarray(compute(), dtype="<f4").reshape(HEADS, N, HEAD_DIM)
    out.tofile(FOLDER / f"out-{os.getpid()}.f32")
    compute()
    print("ready " + who, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        took = timed() if timed else compute()
        print(took if timed else 1e3 * (time.perf_counter() - start), flush=True)
