"""ncnn's SDPA with attn_mask, on the CPU or through Vulkan."""

import sys
import tempfile
from pathlib import Path

import ncnn
import numpy as np

from serving import SCALE, THREADS, serve, tensors

where = sys.argv[1]
q, k, v, _, bias = tensors()
text = f"""7767517
5 5
Input q 0 1 q
Input k 0 1 k
Input v 0 1 v
Input bias 0 1 bias
SDPA sdpa 4 1 q k v bias out 5=1 6={SCALE}
"""
net = ncnn.Net()
net.opt.num_threads = THREADS
net.opt.use_vulkan_compute = where == "vulkan"
for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
    if hasattr(net.opt, name):
        setattr(net.opt, name, False)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "sdpa.param"
    path.write_text(text)
    if net.load_param(str(path)) != 0:
        sys.exit("ncnn refuses the graph")
    # No weights, but the layers are made when a model is loaded.
    (Path(folder) / "sdpa.bin").write_bytes(b"")
    net.load_model(str(Path(folder) / "sdpa.bin"))
mats = {name: ncnn.Mat(values) for name, values in [("q", q), ("k", k), ("v", v), ("bias", bias)]}


def compute():
    extractor = net.create_extractor()
    for name, mat in mats.items():
        extractor.input(name, mat)
    code, out = extractor.extract("out")
    if code != 0:
        sys.exit(f"ncnn gives {code}")
    return out


serve(f"ncnn {ncnn.__version__}, {where}", compute)
