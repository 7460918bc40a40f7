"""Features of frozen encoders: how many samples a second `cuttle features` makes, beside PyTorch on the same core.

    python3 tests/benchmark/features.py --weights minilm.safetensors [--build build/release] [--samples 3000]
        [--batches 1,4,8,16,32,64] [--rounds 3] [--out runs/features] [--transformers FOLDER]

Texts of clinc150 (unpacked from ../shared/data or CUTTLE_DATA and converted once), one thread each, in turns. PyTorch
by hand gets token ids that are ready, sorted by length, in batches of the size that is its best; --transformers is a
Hugging Face folder of the same model, for that library, if it is installed. Times are the processor's.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from learners import shards_of
from runs import ROOT
from safetensors import safe_open
from torch.nn import functional


def texts_of(arguments):
    """Texts of the first samples of the shards, as the program reads them."""
    os.sys.path.insert(0, str(ROOT / "data_tools"))
    from cuttle_data.reader import Shard  # pylint: disable=import-outside-toplevel
    texts = []
    for path in sorted((arguments.out / "data/clinc150").glob("*.h5")):
        with Shard(path) as shard:
            texts += [bytes(shard.read(sample, "text")).decode() for sample in range(len(shard.sample_class))]
    return texts


def lengths_of(texts, vocabulary):
    """How many ids a text has: longest pieces first, with the two at its ends."""
    def pieces(word):
        count, start = 0, 0
        while start < len(word):
            end = next((end for end in range(len(word), start, -1)
                        if ("##" if start else "") + word[start:end] in vocabulary), None)
            if end is None:
                return 1
            count, start = count + 1, end
        return count

    spaced = ("".join(c if c.isalnum() or c.isspace() else f" {c} " for c in text.lower()).split() for text in texts)
    return [2 + sum(map(pieces, words)) for words in spaced]


class Bert:
    """The forward pass of all texts of one batch, on LibTorch's fastest operations."""
    def __init__(self, path):
        with safe_open(path, "pt") as file:
            self.record = json.loads(file.metadata()["cuttle.weights"])
            self.w = {name: file.get_tensor(name) for name in file.keys()}
        self.vocabulary = set(self.w.pop("tokenizer.bytes").numpy().tobytes().decode().split("\n"))
        sizes = self.record["sizes"]
        self.layers, self.heads, self.eps = sizes["layers"], sizes["heads"], sizes["eps"]
        self.packed = []
        for layer in range(self.layers):
            at = f"encoder.layer.{layer}.attention.self."
            parts = ("query", "key", "value")
            self.packed.append([torch.cat([self.w[f"{at}{part}.{kind}"] for part in parts])
                                for kind in ("weight", "bias")])

    def __call__(self, ids, real):
        w = self.w
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:ids.shape[1]]
        x = self.norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        mask = None if real.all() else real[:, None, None, :]
        for layer in range(self.layers):
            at = f"encoder.layer.{layer}."
            q, k, v = functional.linear(x, *self.packed[layer]).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)
            x = self.norm(x + self.linear(mixed, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
            inner = functional.gelu(self.linear(x, f"{at}intermediate.dense"))
            x = self.norm(x + self.linear(inner, f"{at}output.dense"), f"{at}output.LayerNorm")
        pooled = (x * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        return functional.normalize(pooled, dim=1)

    def linear(self, x, name):
        return functional.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def norm(self, x, name):
        return functional.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"], self.eps)


def batches_of(lengths, size):
    """Random ids of these lengths, the longest last, in batches, with what is real in them."""
    draw, order = np.random.default_rng(0), sorted(lengths)
    for first in range(0, len(order), size):
        some = order[first:first + size]
        real = torch.tensor([[place < length for place in range(max(some))] for length in some])
        yield torch.from_numpy(draw.integers(1000, 20000, real.shape)), real


def by_pytorch(model, lengths, size):
    with torch.inference_mode():
        made = list(batches_of(lengths, size))
        start = time.process_time()
        for ids, real in made:
            model(ids, real)
        return time.process_time() - start


def by_transformers(folder, lengths, size):
    from transformers import AutoModel  # pylint: disable=import-outside-toplevel
    model = AutoModel.from_pretrained(folder).eval()
    return by_pytorch(lambda ids, real: model(input_ids=ids, attention_mask=real.long()), lengths, size)


def by_cuttle(arguments, config):
    """Seconds that the program computes to make them all and keep them, reading and starting included."""
    bank = arguments.out / "bank"
    shutil.rmtree(bank, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([arguments.build / "cuttle", "features", config, f"data.feature_bank={bank}"], check=True,
                   env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def parser_of(doc, batches):
    """What both benchmarks of frozen encoders are asked."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=lambda path: Path(path).resolve(), required=True)
    parser.add_argument("--build", type=lambda path: Path(path).resolve(), default=ROOT / "build/release")
    parser.add_argument("--out", type=lambda path: Path(path).resolve(), default=ROOT / "runs/features")
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=batches)
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def main():
    parser = parser_of(__doc__, [1, 4, 8, 16, 32, 64])
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--transformers", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = arguments.out / "texts.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({
        "name": "texts", "data": {"shards": [shards_of("clinc150", arguments.out)]}, "adapt": {"algorithm": "r2d2"},
        "model": {"encoders": {"text": {"type": "bert", "weights": str(arguments.weights)}}}}), encoding="utf-8")
    model, texts = Bert(arguments.weights), texts_of(arguments)
    some = lengths_of(texts[:arguments.samples], model.vocabulary)
    print(f"{len(texts)} texts; {len(some)} for PyTorch, median {int(np.median(some))} ids")
    best = {}
    for size in arguments.batches:
        best[size] = 1e3 * by_pytorch(model, some, size) / len(some)
    size = min(best, key=best.get)
    print("PyTorch, ms a text by batch: " + ", ".join(f"{size}: {ms:.2f}" for size, ms in best.items()))
    more = " transformers |" if arguments.transformers else ""
    print("| round | cuttle, ms a text | PyTorch by hand | ratio |" + more)
    for number in range(arguments.rounds):
        own = 1e3 * by_cuttle(arguments, config) / len(texts)
        other = 1e3 * by_pytorch(model, some, size) / len(some)
        line = f"| {number} | {own:.2f} | {other:.2f} | {other / own:.2f} |"
        if arguments.transformers:
            line += f" {1e3 * by_transformers(arguments.transformers, some, size) / len(some):.2f} |"
        print(line, flush=True)


if __name__ == "__main__":
    main()
