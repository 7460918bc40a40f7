"""Trains and uses a program on small tasks, and tells what came out to the last bit.

  python3 make_gold.py PROGRAM OUT_FOLDER [--setting portable|native] [--cases NAME...]     prints JSON
  python3 make_gold.py PROGRAM OUT_FOLDER --record [--cases NAME...]     writes gold.json (see README.md)

The portable setting keeps LibTorch and its libraries to instructions that every x86-64 processor has and that all round
alike. The native one leaves them what the processor has, own kernels included; its results (of training and evaluation;
use adds no arithmetic of its own) are kept by kind of processor.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

from cases import CASES, NAMES, config_of, shard

HERE = Path(__file__).resolve().parent
GOLD = HERE / "gold.json"
PORTABLE = {"CUTTLE_INSTRUCTION_SET": "generic",  # no own kernels of attention
            "ATEN_CPU_CAPABILITY": "default",  # LibTorch's own loops
            "MKL_CBWR": "COMPATIBLE",  # products of matrices, functions of vectors, Fourier transforms
            "ONEDNN_MAX_CPU_ISA": "SSE41",  # convolutions
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"}  # exp, log, sin of the C library
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
CHOOSE_INSTRUCTIONS = re.compile("ATEN_|MKL_|ONEDNN_|DNNL_|GLIBC_TUNABLES|CUTTLE_INSTRUCTION_SET")
MAX_SECONDS = 120
PATHS = ("run", "checkpoint")  # of what eval tells: where it lies is not what it is


def environment(setting):
    kept = {name: value for name, value in os.environ.items() if not CHOOSE_INSTRUCTIONS.match(name)}
    return {**kept, **THREADS, **(PORTABLE if setting == "portable" else {})}


class Program:
    """Runs cuttle in the folder of this file, so that configs can name shards by relative paths."""

    def __init__(self, path, setting):
        self.path, self.setting = Path(path).resolve(), setting

    def __call__(self, *words):
        words = [str(word) for word in (self.path, *words)]
        result = subprocess.run(words, env=environment(self.setting), cwd=HERE, capture_output=True, text=True,
                                check=False, timeout=MAX_SECONDS)
        assert result.returncode == 0, f"{' '.join(words)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def evaluate(self, run):
        told = json.loads(self("eval", run, "--json", "--diagnostics"))
        return {key: value for key, value in told.items() if key not in PATHS}

    def adapt(self, run, support, out):
        self("adapt", run, "--support", support, "--out", out, *(["--calibrate", "0"] if self.calibrates() else []))
        return adapted(out)

    def calibrates(self):
        """Whether it is no older version, which had nothing to calibrate."""
        return "--calibrate" in self("adapt", "--help")

    def predict(self, file, queries):
        return [json.loads(line) for line in self("predict", file, queries, "--json").splitlines()]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tensors_of(path):
    """({name: (type, shape, bytes)}, all bytes after the header) of a safetensors file."""
    content = Path(path).read_bytes()
    (size, ) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8:8 + size]), content[8 + size:]
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
            for name, entry in header.items()}, data


def checks_of(path):
    """A short check sum of each tensor, so that a difference has a name."""
    return {name: f"{zlib.crc32(data):08x} {dtype} {shape}" for name, (dtype, shape, data)
            in sorted(tensors_of(path)[0].items())}


def adapted(path):
    """Its header holds the config, which may be written otherwise one day; the tensors may not."""
    return {"sha256": sha256(tensors_of(path)[1]), "tensors": checks_of(path)}


def with_second_moment(content):
    """A checkpoint's optimizer.safetensors as what was recorded has it: sgd wrote a second moment too, of zeros."""
    (size, ) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8:8 + size]), content[8 + size:]
    if any(name.startswith("second_moment.") for name in header):
        return content
    half = len(data)
    for name, entry in list(header.items()):
        places = [half + place for place in entry["data_offsets"]]
        header[name.replace("first_moment.", "second_moment.", 1)] = {**entry, "data_offsets": places}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data + bytes(half)


def files_of(checkpoint):
    """SHA-256 by name."""
    content = {file.name: file.read_bytes() for file in sorted(checkpoint.glob("*.safetensors"))}
    content["optimizer.safetensors"] = with_second_moment(content["optimizer.safetensors"])
    return {name: sha256(data) for name, data in content.items()}


def newest(run):
    return max((Path(run) / "checkpoints").glob("step-*"))


def trained(run):
    """What training left in the run's folder."""
    state = json.loads((newest(run) / "state.json").read_text(encoding="utf-8"))
    records = (Path(run) / "metrics.jsonl").read_bytes()
    losses = [record["loss"] for record in map(json.loads, records.splitlines()) if record["kind"] == "train"]
    return {"parameters_sha256": state["parameters_sha256"], "best_step": state["best_step"],
            "best_score": state["best_score"], "losses": losses, "metrics_sha256": sha256(records),
            "files": files_of(newest(run)),
            "parameters": checks_of(newest(run) / "parameters.safetensors")}


class Gold:
    """The results of a program in one setting, each made when it is asked for."""

    def __init__(self, program, folder, setting):
        self.program, self.folder, self.setting = Program(program, setting), Path(folder).resolve() / setting, setting
        self._runs, self._results, self._facts = {}, {}, {}

    def run(self, name):
        """The folder of a case's run, trained with those that it builds on."""
        if name not in self._runs:
            bases = {base: self.run(base) for base in CASES[name]["bases"].values()}
            config = config_of(name, CASES[name], self.setting, bases)
            folder = self.folder / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "config.yaml").write_text(json.dumps(config, indent=1), encoding="utf-8")  # JSON is YAML
            self.program("train", folder / "config.yaml", "--run-dir", folder / "run")
            self._runs[name] = folder / "run"
        return self._runs[name]

    def result(self, name):
        if name not in self._results:
            self._results[name] = {**trained(self.run(name)), "eval": self.program.evaluate(self.run(name)),
                                   **(self._use(name) if self.setting == "portable" else {})}
        return self._results[name]

    def _use(self, name):
        file = self.folder / name / "adapted"
        return {"adapted": self.program.adapt(self.run(name), shard(CASES[name], "_support"), file),
                "predictions": self.program.predict(file, shard(CASES[name], "_query"))}

    def facts(self):
        if not self._facts:
            self._facts = json.loads(self.program("inspect", self.run(next(iter(CASES))), "--json"))["facts"]
        return self._facts

    def key(self):
        """What results are kept by: the kind of processor, unless they are portable."""
        if self.setting == "portable":
            return "any"
        return f"{self.facts()['instruction_set']}, {self.facts()['processor']}"

    def libraries(self):
        """Other versions of these may give other bits, portable or not."""
        return {name: self.facts()[name] for name in ("libtorch", "libc")}


def record(gold, names):
    return {"libraries": gold.libraries(), "cases": {name: gold.result(name) for name in names}}


def write_gold(path, gold):
    """JSON with one line for each field of a case."""
    def lines(value, depth):
        if depth == 0 or not isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False)
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {lines(item, depth - 1)}" for key, item in value.items()) + "\n}"

    path.write_text(lines(gold, 5) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--setting", choices=NAMES, default="portable")
    parser.add_argument("--cases", nargs="+", choices=CASES, metavar="NAME")
    parser.add_argument("--record", action="store_true", help="in both settings, kept in gold.json")
    arguments = parser.parse_args()
    if not arguments.record:
        gold = Gold(arguments.program, arguments.out, arguments.setting)
        told = {gold.setting: {gold.key(): record(gold, arguments.cases or NAMES[gold.setting])}}
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return
    kept = json.loads(GOLD.read_text(encoding="utf-8")) if GOLD.exists() else {}
    for setting in NAMES:
        gold = Gold(arguments.program, arguments.out, setting)
        names = [name for name in NAMES[setting] if name in (arguments.cases or CASES)]
        told, former = record(gold, names), kept.setdefault(setting, {}).get(gold.key())
        if arguments.cases and former:
            assert former["libraries"] == told["libraries"], "other libraries: record all cases"
            told["cases"] = {**former["cases"], **told["cases"]}
        kept[setting][gold.key()] = told
    write_gold(GOLD, kept)


if __name__ == "__main__":
    main()
