"""ggml: two products around soft_max_ext, in f32 or as its Vulkan backend does them by default, and flash_attn_ext, whose mask is in half precision.

    with_ggml.py f32|default|flash cpu|vulkan FOLDER N THREADS

The libraries are those of an npm package, installed into the virtual environment.
"""

import ctypes
import os
import sys
from ctypes import Structure, c_bool, c_float, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np

from serving import HEAD_DIM, HEADS, N, SCALE, THREADS, serve, tensors

kind, where = sys.argv[1:3]
PACKAGE = Path(sys.prefix) / "node_modules/@node-llama-cpp/linux-x64-vulkan/bins/linux-x64-vulkan"
F32, F16 = 0, 1
PRECISION_F32 = 10
# A device that is a processor is left out unless it is asked for.
os.environ.setdefault("GGML_VK_VISIBLE_DEVICES", "0")
if kind == "f32":
    # Else operands in f32 are multiplied in half precision where the device has it, or matrices in it.
    os.environ.update(GGML_VK_DISABLE_F16="1", GGML_VK_DISABLE_COOPMAT="1", GGML_VK_DISABLE_COOPMAT2="1")


class Parameters(Structure):
    _fields_ = [("size", c_size_t), ("memory", c_void_p), ("no_alloc", c_bool)]


base = ctypes.CDLL(str(PACKAGE / "libggml-base.so"), ctypes.RTLD_GLOBAL)


def function(library, name, result, *arguments):
    found = getattr(library, "ggml_" + name)
    found.restype, found.argtypes = result, arguments
    return found


new_context = function(base, "init", c_void_p, Parameters)
new_tensor = function(base, "new_tensor_4d", c_void_p, c_void_p, c_int, *[c_int64] * 4)
mul_mat = function(base, "mul_mat", c_void_p, *[c_void_p] * 3)
soft_max = function(base, "soft_max_ext", c_void_p, c_void_p, c_void_p, c_void_p, c_float, c_float)
flash_attn = function(base, "flash_attn_ext", c_void_p, *[c_void_p] * 5, c_float, c_float, c_float)
set_precision = function(base, "mul_mat_set_prec", None, c_void_p, c_int)
set_flash_precision = function(base, "flash_attn_ext_set_prec", None, c_void_p, c_int)
new_graph = function(base, "new_graph", c_void_p, c_void_p)
expand = function(base, "build_forward_expand", None, c_void_p, c_void_p)
allocate = function(base, "backend_alloc_ctx_tensors", c_void_p, c_void_p, c_void_p)
write = function(base, "backend_tensor_set", None, c_void_p, c_void_p, c_size_t, c_size_t)
read = function(base, "backend_tensor_get", None, c_void_p, c_void_p, c_size_t, c_size_t)
run = function(base, "backend_graph_compute", c_int, c_void_p, c_void_p)


def processor():
    """The build that suits this processor best: one that does not run on it scores 0."""
    builds = [(ctypes.CDLL(str(path)), path.stem) for path in PACKAGE.glob("libggml-cpu-*.so")]
    library, name = max(builds, key=lambda build: build[0].ggml_backend_score())
    backend = function(library, "backend_cpu_init", c_void_p)()
    function(library, "backend_cpu_set_n_threads", None, c_void_p, c_int)(backend, THREADS)
    return backend, name.removeprefix("libggml-")


def vulkan():
    library = ctypes.CDLL(str(PACKAGE / "libggml-vulkan.so"))
    if function(library, "backend_vk_get_device_count", c_int)() == 0:
        sys.exit("ggml finds no device")
    name = ctypes.create_string_buffer(256)
    function(library, "backend_vk_get_device_description", None, c_int, c_void_p, c_size_t)(0, name, len(name))
    return function(library, "backend_vk_init", c_void_p, c_size_t)(0), name.value.decode()


backend, device = {"cpu": processor, "vulkan": vulkan}[where]()
context = new_context(Parameters(1 << 20, None, True))
contents = []


def tensor(values):
    """Its axes are told from the innermost."""
    values = np.ascontiguousarray(values)
    made = new_tensor(context, F16 if values.dtype == np.float16 else F32, *values.shape[::-1], 1)
    contents.append((made, values))
    return made


def plain(q, k, v, bias):
    scores = mul_mat(context, tensor(k), tensor(q))
    weights = soft_max(context, scores, tensor(bias), SCALE, 0)
    out = mul_mat(context, tensor(v.swapaxes(1, 2)), weights)
    if kind == "f32":
        for product in (scores, out):
            set_precision(product, PRECISION_F32)
    return out, (HEADS, N, HEAD_DIM), lambda out: out


def flash(q, k, v, bias):
    out = flash_attn(context, tensor(q), tensor(k), tensor(v), tensor(bias.astype(np.float16)), SCALE, 0, 0)
    set_flash_precision(out, PRECISION_F32)
    return out, (N, HEADS, HEAD_DIM), lambda out: out.swapaxes(0, 1)


q, k, v, _, bias = tensors()
out, shape, by_head = (flash if kind == "flash" else plain)(q, k, v, bias)
graph = new_graph(context)
expand(graph, out)
if not allocate(context, backend):
    sys.exit("ggml has no memory for them")
for made, values in contents:
    write(made, values.ctypes.data, 0, values.nbytes)
contents.clear()


class Once:
    """Computes, with everything resident; reads the output only where it is looked at."""

    def __call__(self):
        if run(backend, graph) != 0:
            sys.exit("ggml did not compute it")
        return self

    def __array__(self, dtype=None, copy=None):
        values = np.empty(shape, dtype=np.float32)
        read(out, values.ctypes.data, 0, values.nbytes)
        return by_head(values).astype(dtype)


version = function(base, "version", ctypes.c_char_p)().decode()
serve(f"ggml {version}, {kind}, {device}", Once())
