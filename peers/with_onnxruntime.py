"""ONNX Runtime: its MultiHeadAttention with attention_bias, and a plain graph of products and a softmax; on the CPU or through WebGPU."""

import sys

import onnxruntime
from onnx import TensorProto, helper

from serving import HEAD_DIM, HEADS, N, SCALE, THREADS, serve, tensors

kind, where = sys.argv[1:3]
q, k, v, _, bias = tensors()
bias = bias[None]


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def graph(nodes, inputs, output):
    graph = helper.make_graph(nodes, "attention", [value(name, array.shape) for name, array in inputs.items()], [value("out", output)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def plain():
    inputs = {"q": q[None] * SCALE, "kt": k[None].swapaxes(2, 3).copy(), "v": v[None], "bias": bias}
    nodes = [
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Add", ["s", "bias"], ["b"]),
        helper.make_node("Softmax", ["b"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["out"]),
    ]
    return graph(nodes, inputs, [1, HEADS, N, HEAD_DIM]), inputs, lambda out: out


def mha():
    # It takes [B, N, H · D].
    rows = lambda x: x.transpose(1, 0, 2).reshape(1, N, HEADS * HEAD_DIM).copy()
    inputs = {"q": rows(q), "k": rows(k), "v": rows(v), "bias": bias}
    node = helper.make_node(
        "MultiHeadAttention", ["q", "k", "v", "", "", "bias"], ["out"], domain="com.microsoft", num_heads=HEADS, scale=SCALE
    )
    return graph([node], inputs, [1, N, HEADS * HEAD_DIM]), inputs, lambda out: out.reshape(N, HEADS, HEAD_DIM).transpose(1, 0, 2)


model, inputs, by_head = {"plain": plain, "mha": mha}[kind]()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = THREADS
provider = {"cpu": "CPUExecutionProvider", "webgpu": "WebGpuExecutionProvider"}[where]
session = onnxruntime.InferenceSession(model, options, providers=[provider])
if session.get_providers()[0] != provider:
    sys.exit(f"{provider} is not there")


class Once:
    """Computes; brings the output into the order of heads only where it is looked at."""

    def __call__(self):
        self.out = session.run(None, inputs)[0]
        return self

    def __array__(self, dtype=None, copy=None):
        return by_head(self.out).astype(dtype)


serve(f"ONNX Runtime {onnxruntime.__version__}, {kind}, {where}", Once())
