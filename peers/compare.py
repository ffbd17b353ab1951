#!/usr/bin/env python3
"""Times relattn and its peers in turn, each in a process of its own, on the same tensors, and prints medians and ratios.

    peers/compare.py cpu --lengths 512,1024,2048,4096 --threads 2 --rounds 9 [--only NAME,NAME] [--record FILE]
    peers/compare.py gpu --lengths 512,1024,2048 --rounds 5 [--driver "PROGRAM ARGUMENTS"] [--record FILE]
    peers/compare.py cuda --lengths 4096 --rounds 5 [--record FILE]

Needs numpy. What else a peer needs, and how it was installed, is in README.md; a peer that is not installed is listed as absent, one whose
result is wrong as wrong, and neither is timed.
"""

import argparse
import datetime
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
HEADS, HEAD_DIM, SCALE, BUCKETS, MAX_DISTANCE = 8, 64, 0.125, 32, 128
# Of the output, against f64.
ALLOWED = 2e-5
# Of those that round to half precision somewhere, which are timed, but not counted among the correct ones.
ALLOWED_IN_HALF = 1e-2
# Threads of some libraries spin for a while when their work is over.
PAUSE = 0.3

# Name, virtual environment, what is run, and whether it leaves out the bias.
CPU = [
    ("relattn", None, ["{relattn}", "cpu"], False),
    ("torch sdpa, dense bias", "torch", ["with_torch.py", "sdpa", "cpu", "f32"], False),
    ("torch sdpa, no bias", "torch", ["with_torch.py", "no-bias", "cpu", "f32"], True),
    ("torch flex, T5 in the kernel", "torch", ["with_torch.py", "flex", "cpu", "f32"], False),
    ("ONNX Runtime, MultiHeadAttention", "cpu", ["with_onnxruntime.py", "mha", "cpu"], False),
    ("ONNX Runtime, plain graph", "cpu", ["with_onnxruntime.py", "plain", "cpu"], False),
    ("ncnn SDPA, dense bias", "cpu", ["with_ncnn.py", "cpu"], False),
    ("ggml, plain graph", "ggml", ["with_ggml.py", "f32", "cpu"], False),
]
CPU_IN_HALF = [
    ("ggml flash_attn_ext, mask in f16", "ggml", ["with_ggml.py", "flash", "cpu"], False),
]
GPU = [
    ("relattn, resident", None, ["{relattn}", "gpu"], False),
    ("relattn, no bias, resident", None, ["{relattn}", "gpu-no-bias"], True),
    ("relattn, host to host", None, ["{relattn}", "gpu-host"], False),
    ("ONNX Runtime WebGPU, plain graph", "webgpu", ["with_onnxruntime.py", "plain", "webgpu"], False),
    ("ONNX Runtime WebGPU, MultiHeadAttention", "webgpu", ["with_onnxruntime.py", "mha", "webgpu"], False),
    ("ncnn Vulkan SDPA, dense bias", "webgpu", ["with_ncnn.py", "vulkan"], False),
    ("burn, dense bias", None, ["{burn}", "module"], False),
    ("burn, tensor operations", None, ["{burn}", "tensors"], False),
    ("burn, no bias", None, ["{burn}", "no-bias"], True),
    ("ggml Vulkan, plain graph in f32", "ggml", ["with_ggml.py", "f32", "vulkan"], False),
]
GPU_IN_HALF = [
    ("ggml Vulkan, plain graph by default", "ggml", ["with_ggml.py", "default", "vulkan"], False),
    ("ggml Vulkan flash_attn_ext, mask in f16", "ggml", ["with_ggml.py", "flash", "vulkan"], False),
]
# PyTorch through CUDA, and relattn through Vulkan on the same GPU.
CUDA = [
    ("relattn, resident", None, ["{relattn}", "gpu"], False),
    ("relattn, no bias, resident", None, ["{relattn}", "gpu-no-bias"], True),
    ("torch sdpa, dense bias", "torch", ["with_torch.py", "sdpa", "cuda", "f32"], False),
    ("torch sdpa, no bias", "torch", ["with_torch.py", "no-bias", "cuda", "f32"], True),
    ("torch flex, T5 in the kernel", "torch", ["with_torch.py", "flex", "cuda", "f32"], False),
]
CUDA_IN_HALF = [
    ("relattn in f16, resident", None, ["{relattn}", "gpu-f16"], False),
    ("relattn in f16, no bias, resident", None, ["{relattn}", "gpu-f16-no-bias"], True),
    ("torch sdpa in f16, dense bias", "torch", ["with_torch.py", "sdpa", "cuda", "f16"], False),
    ("torch sdpa in f16, no bias", "torch", ["with_torch.py", "no-bias", "cuda", "f16"], True),
    ("torch flex in f16, T5 in the kernel", "torch", ["with_torch.py", "flex", "cuda", "f16"], False),
]
PLACES = {"cpu": (CPU, CPU_IN_HALF), "gpu": (GPU, GPU_IN_HALF), "cuda": (CUDA, CUDA_IN_HALF)}


def bucket(offset):
    """T5's bucket of key position minus query position, in both directions; the thresholds are exact integers."""
    half = BUCKETS // 2
    exact = half // 2
    distance = np.abs(offset)
    # The far half: bucket exact + k begins at exact · (max / exact)^(k / (half − exact)), rounded up.
    starts = [
        next(
            d
            for d in range(exact, MAX_DISTANCE + 1)
            if d ** (half - exact) * exact**k >= MAX_DISTANCE**k * exact ** (half - exact)
        )
        for k in range(half - exact)
    ]
    far = exact - 1 + np.searchsorted(np.array(starts), distance, side="right")
    return np.where(distance < exact, distance, far) + np.where(offset > 0, half, 0)


def write_tensors(folder, n):
    """The same numbers for everybody, and the output in f64, with the bias and without."""
    random = np.random.default_rng(n)
    q, k, v = (random.standard_normal((HEADS, n, HEAD_DIM), dtype=np.float32) for _ in range(3))
    table = random.standard_normal((BUCKETS, HEADS), dtype=np.float32)
    buckets = bucket(np.arange(n)[None, :] - np.arange(n)[:, None])
    bias = np.ascontiguousarray(np.moveaxis(table[buckets], -1, 0))
    for name, values in [("q", q), ("k", k), ("v", v), ("table", table), ("bias", bias)]:
        values.astype("<f4").tofile(folder / f"{name}-{n}.f32")
    return {without: reference(q, k, v, None if without else bias) for without in (False, True)}


def reference(q, k, v, bias):
    out = np.empty(q.shape)
    for h in range(HEADS):
        scores = q[h].astype(np.float64) @ k[h].astype(np.float64).T * SCALE
        if bias is not None:
            scores += bias[h]
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[h] = weights @ v[h].astype(np.float64) / weights.sum(axis=1, keepdims=True)
    return out


class Peer:
    """A process that computes once a line. Its threads sleep while others are timed."""

    def __init__(self, row, allowed, folder, n, options):
        self.name, venv, command, without = row
        self.absent = None
        self.times = []
        program = command[0].format(relattn=options.relattn, burn=options.burn)
        if venv:
            command = [str(options.venvs / venv / "bin" / "python"), str(HERE / program), *command[1:]]
        else:
            command = [program, *command[1:]]
        if not Path(command[0]).exists():
            self.absent = "not installed"
            return
        driver = shlex.split(options.driver) if options.where == "gpu" else []
        arguments = [str(folder), str(n), str(options.threads)]
        # With burn's default effort the first calls can take minutes on a processor's driver.
        environment = {"CUBECL_AUTOTUNE_LEVEL": "minimal", **os.environ, "OMP_NUM_THREADS": str(options.threads)}
        # A file, since nobody reads a pipe, and a peer that has filled it waits for ever.
        self.errors = None if options.loud else tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(
            driver + command + arguments,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True, env=environment,
        )
        line = self.answer("ready")
        if line is None:
            self.absent = "did not run: " + self.last_error()
            return
        self.who = line[len("ready "):]
        path = next(folder.glob("out-*.f32"))
        found = np.fromfile(path, dtype="<f4").reshape(options.reference[without].shape)
        path.unlink()
        self.error = float(np.abs(found - options.reference[without]).max())
        if not self.error <= allowed:
            self.absent = f"wrong by {self.error:.1e}"
            self.close()

    def answer(self, start=""):
        """The next line that is an answer; libraries print others."""
        for line in self.process.stdout:
            if line.startswith(start) and (start or line.strip().replace(".", "", 1).isdigit()):
                return line.strip()
        return None

    def last_error(self):
        """The last line about errors, where it was not shown."""
        if self.errors is None:
            return "as it says above"
        self.errors.seek(0)
        return (self.errors.read().strip().splitlines() or ["no message"])[-1][:100]

    def time(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.times.append(float(self.answer()))
        time.sleep(PAUSE)

    def line(self, own):
        """A line of the table; `own` are relattn's times, round by round, if it is there."""
        if self.absent:
            return f"{self.name:<42}{self.absent}"
        ratio = f"{statistics.median(t / o for t, o in zip(self.times, own)):.2f}" if own else "-"
        return f"{self.name:<42}{statistics.median(self.times):>9.2f}{min(self.times):>9.2f}{ratio:>13}   {self.error:.1e}"

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def run(options, say):
    say(f"date       {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}")
    say(f"processor  {processor()}, {os.cpu_count()} threads, load {os.getloadavg()}; {options.threads} threads each")
    say(f"problem    B = 1, H = {HEADS}, D = {HEAD_DIM}, f32, T5 {BUCKETS}/{MAX_DISTANCE} in both directions")
    rows, in_half = PLACES[options.where]
    wanted = options.only.split(",") if options.only else [""]
    for n in options.lengths:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            options.reference = write_tensors(folder, n)

            def started(rows, allowed):
                return [Peer(row, allowed, folder, n, options) for row in rows if any(w in row[0] for w in wanted)]

            exact, rounded = started(rows, ALLOWED), started(in_half, ALLOWED_IN_HALF)
            there = [peer for peer in exact + rounded if not peer.absent]
            if not there:
                for peer in exact + rounded:
                    say(peer.line(None))
                sys.exit("no peer is there to be timed")
            # The first row is what others are compared with.
            own = next((peer.times for peer in there if peer.name == rows[0][0]), None)
            if n == options.lengths[0]:
                for peer in there:
                    say(f"{peer.name:<42}{peer.who}")
            for turn in range(options.rounds):
                # Both ways in turn, so that nobody always comes behind the same one.
                for peer in there if turn % 2 == 0 else reversed(there):
                    peer.time()
            say(f"\nN = {n}, {options.rounds} rounds{'':<22}  median ms   min ms   of relattn   error")
            for peer in exact:
                say(peer.line(own))
            if rounded:
                say("error of half precision; not counted among the correct ones:")
            for peer in rounded:
                say(peer.line(own))
            for peer in there:
                peer.close()
    say(f"\nload afterwards: {os.getloadavg()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("where", choices=list(PLACES))
    parser.add_argument("--lengths", type=lambda text: [int(n) for n in text.split(",")], default=[512, 1024, 2048])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="parts of names")
    parser.add_argument("--driver", default="", help="what programs on the device are run with")
    parser.add_argument("--venvs", type=Path, default=HERE / "venvs", help="the folder of virtual environments")
    parser.add_argument("--relattn", default=str(HERE / "relattn/target/release/relattn-peer"))
    parser.add_argument("--burn", default=str(HERE / "burn/target/release/burn-peer"))
    parser.add_argument("--loud", action="store_true", help="show what peers say about errors")
    parser.add_argument("--record", type=Path, help="write it down there too")
    options = parser.parse_args()
    lines = []

    def say(text):
        print(text, flush=True)
        lines.append(text)

    run(options, say)
    if options.record:
        options.record.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
