#!/usr/bin/env python3
"""Where the time of a meta-gradient goes: samples of the processor by kind of work, on LibTorch's operations and on own
kernels, one thread. Needs perf (Debian: linux-perf) and the right to use it.

    .venv/bin/python tests/benchmark/profile.py [W1|W2|protonet] [--inner-steps N] [--seconds S]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import contenders  # noqa: E402
import workloads  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CUTTLE_BINARY_DIR", ROOT / "build/release")) / "cuttle"
START_S = 3  # the program has started and computes by then
# The first pattern that is found in a sample's library and function says what it is.
KINDS = {
    "convolution: products": r"kernels::.*(convolve|outer|correlate)|\[JIT\]|perf-\d+\.map|dnnl|gemm|sgemv",
    "convolution: Winograd transforms": r"kernels::.*(transform_tiles|winograd)",
    "convolution: packing of weights": r"kernels::.*pack|reorder",
    "norm, ReLU, max-pool": r"kernels::|pool|batch_norm|threshold",
    "element by element": r"VectorizedLoop|vectorized_|loop|TensorIterator|copy_|direct_copy",
    "sums": r"sum|reduce|Reduc",
    "memory: allocation, clearing, copying": r"malloc|free|memset|memmove|memcpy|\[k\]",
}
REST = "dispatch, autograd and all else"


def kind_of(line):
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, line)), REST)


def parse_report(text):
    """{kind: percent} of what `perf report --sort dso,sym` prints."""
    shares = dict.fromkeys([*KINDS, REST], 0.0)
    for line in text.splitlines():
        found = re.match(r"\s*([\d.]+)%\s+(.*)", line)
        if found:
            shares[kind_of(found[2])] += float(found[1])
    return shares


def profile(problem, folder, fused, seconds):
    """({kind: percent}, ms per task) of cuttle at work on the problem."""
    words = [PROGRAM, "bench", folder / "cuttle.yaml", "--parameters", folder / "parameters.safetensors", "--gradient",
             folder / "out.safetensors", f"model.encoders.image.fused={str(fused).lower()}", "--tasks",
             folder / "task-0.safetensors", "--json", "--steps", "100000"]
    record = ["perf", "record", "--quiet", "--delay", str(1000 * START_S), "--freq", "999", "--output",
              folder / "perf.data", "timeout", "--signal", "KILL", str(START_S + seconds)]
    environment = {**os.environ, **contenders.ONE_THREAD}
    result = subprocess.run([str(word) for word in [*record, *words]], env=environment, capture_output=True, text=True,
                            check=False)
    if not (folder / "perf.data").exists():
        sys.exit(f"perf gave no samples (kernel.perf_event_paranoid too high?): {result.stderr.strip()}")
    report = subprocess.run(["perf", "report", "--stdio", "--sort", "dso,sym", "--input", str(folder / "perf.data")],
                            capture_output=True, text=True, check=True).stdout
    words[-1] = "5"  # how long a task takes, with nobody watching
    told = subprocess.run([str(word) for word in [*words, "--warmup", "1"]], env=environment, capture_output=True,
                          text=True, check=True).stdout
    return parse_report(report), float(re.search(r'"ms_per_task": ([\d.]+)', told)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="?", choices=["W1", "W2", "protonet"], default="W1")
    parser.add_argument("--inner-steps", type=int, help="default: the workload's first")
    parser.add_argument("--seconds", type=int, default=20, help="of sampling, twice (20)")
    arguments = parser.parse_args()
    if not shutil.which("perf"):
        sys.exit("there is no perf (it samples what the processor does); install it (Debian: linux-perf)")
    problem = workloads.problems(arguments.workload, arguments.inner_steps and (arguments.inner_steps, ))[0]
    print(f"{workloads.title(problem)}: {workloads.sizes_in_words(problem)}; ms per task")
    with tempfile.TemporaryDirectory() as folder:
        workloads.write(problem, Path(folder))
        (before, slow), (after, fast) = (profile(problem, Path(folder), fused, arguments.seconds)
                                         for fused in (False, True))
    print(f"{'':42}{'LibTorch':>10}{'own kernels':>14}")
    for kind in before:
        print(f"{kind:42}{slow * before[kind] / 100:10.1f}{fast * after[kind] / 100:14.1f}")
    print(f"{'all':42}{slow:10.1f}{fast:14.1f}")


if __name__ == "__main__":
    main()
