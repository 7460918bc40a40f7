#!/usr/bin/env python3
"""Time and memory of a meta-gradient of the large encoders: resnet12 on 84x84 images and a transformer on texts of 64
characters, 5-way, 75 queries, 5 inner steps, one thread.

    .venv/bin/python tests/benchmark/large_models.py [--keep FOLDER] [--plain] [CASE ...]

CASE: a part of a line's name, as in "resnet12" or "second order"; all without. Each line is one process: its peak holds
the program (about 200 MB), weights and tasks as well. --plain: beside each the same in plain PyTorch, on tasks of the
same shape, in a process of its own too."""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.attention import SDPBackend, sdpa_kernel

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/app"), str(ROOT / "data_tools")]

import plain_large  # noqa: E402
import plain_torch  # noqa: E402
from cuttle_data.report import Report  # noqa: E402
from cuttle_data.shards import DatasetInfo, Modality, Sample, write_dataset  # noqa: E402

PROGRAM = Path(os.environ.get("CUTTLE_BINARY_DIR", ROOT / "build/release")) / "cuttle"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
WAY, QUERY, STEPS, SIDE, CHARACTERS = 5, 15, 5, 84, 64
# name: sense, algorithm, shots
CASES = {
    "resnet12-64, 1 shot, second order": ("image", "maml", 1),
    "resnet12-64, 1 shot, first order": ("image", "fomaml", 1),
    "resnet12-64, 5 shots, second order": ("image", "maml", 5),
    "transformer 128x4, 5 shots, second order": ("text", "maml", 5),
    "transformer 128x4, 5 shots, first order": ("text", "fomaml", 5),
}


def image_words(folder, shots):
    """Writes tasks and weights of a ResNet-12; the words of `cuttle bench`."""
    torch.manual_seed(1)
    files = {name: folder / f"{name}.safetensors" for name in ("tasks", "parameters", "gradient")}
    centres = torch.randn(WAY, 1, 3, SIDE, SIDE)
    arrays = {}
    for name, count in (("support", shots), ("query", QUERY)):
        arrays[f"{name}.image"] = (centres + torch.randn(WAY, count, 3, SIDE, SIDE)).flatten(0, 1)[None].contiguous()
        arrays[f"{name}.labels"] = torch.arange(WAY).repeat_interleave(count)[None].contiguous()
    save_file(arrays, files["tasks"])
    model = plain_large.ResNet12(3, 64, WAY)
    save_file({name: value.detach() for name, value in model.named_parameters()}, files["parameters"])
    config = "data: {shards: [unused.h5]}\nmodel: {encoders: {image: {type: resnet12, width: 64, norm: batch}}}\n"
    return config, [word for name, file in files.items() for word in (f"--{name}", str(file))]


def text_words(folder, shots):
    """Writes texts of random letters in shards; config and words of `cuttle bench`."""
    generator = torch.Generator().manual_seed(2)

    def draw():
        return "".join(chr(97 + int(letter)) for letter in torch.randint(26, (CHARACTERS, ), generator=generator))

    samples = [Sample(f"{label}/{row}", f"class {label}", "all", split, {"text": draw()})
               for label in range(3 * WAY) for row in range(shots + QUERY)
               for split in (("train", "validation", "test")[label // WAY], )]
    write_dataset(folder / "shards", DatasetInfo("letters", "random", "CC0-1.0", "large_models.py"),
                  [Modality("text", "text")], samples, shards=1, seed=1, report=Report())
    config = (f"data: {{shards: ['{folder}/shards/*.h5']}}\n"
              f"episode: {{way: {WAY}, shot: {shots}, query: {QUERY}, meta_batch_size: 1}}\n"
              "model: {encoders: {text: {type: transformer, width: 128, depth: 4}}}\n")
    return config, ["--warmup", "1", "--steps", "3"]


def measure(folder, sense, algorithm, shots):
    """What `cuttle bench --json` told."""
    folder.mkdir(parents=True)
    config, words = (image_words if sense == "image" else text_words)(folder, shots)
    path = folder / "bench.yaml"
    path.write_text(f"{config}adapt: {{algorithm: {algorithm}, inner_steps: {STEPS}, inner_lr: 0.01}}\nthreads: 1\n",
                    encoding="utf-8")
    command = [str(PROGRAM), "bench", str(path), *words, "--json"]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{result.stderr}")
    return json.loads(result.stdout)


def plain(sense, algorithm, shots):
    """(seconds, peak MB) of one meta-gradient in PyTorch; the first of a process, but for the transformer, as for
    cuttle."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    shape = (3, SIDE, SIDE) if sense == "image" else (CHARACTERS, )
    draw = torch.randn if sense == "image" else lambda *size: torch.randint(1, 500, size)
    task = {name: (draw(WAY * count, *shape), torch.arange(WAY).repeat_interleave(count))
            for name, count in (("support", shots), ("query", QUERY))}
    model = plain_large.ResNet12(3, 64, WAY) if sense == "image" else plain_large.Transformer(128, 2, 4, WAY)
    for _ in range(1 if sense == "image" else 2):
        start = time.monotonic()
        with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
            plain_torch.mean_gradient(lambda *a: plain_torch.maml_loss(*a, STEPS, 0.01, algorithm == "maml"), model,
                                      [task])
        seconds = time.monotonic() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process_of_its_own(function, *arguments):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="write tasks, weights and configs there and leave them")
    parser.add_argument("--plain", action="store_true", help="time plain PyTorch too")
    parser.add_argument("case", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep.resolve() if arguments.keep else Path(scratch)
        titles = f"{'s per task':>10s} {'peak MB':>8s} {'idle MB':>8s}"
        print(f"{'':42s} {titles}{'  PyTorch: s, MB' * arguments.plain}")
        for number, (name, case) in enumerate(CASES.items()):
            if all(word in name for word in arguments.case):
                told = measure(folder / str(number), *case)
                print(f"{name:42s} {told['ms_per_task'] / 1e3:10.2f} {told['peak_rss_mb']:8.0f} "
                      f"{told['idle_rss_mb']:8.0f}", end="", flush=True)
                beside = in_a_process_of_its_own(plain, *case) if arguments.plain else ()
                print(*(f"{value:8.1f}" for value in beside), flush=True)


if __name__ == "__main__":
    main()
