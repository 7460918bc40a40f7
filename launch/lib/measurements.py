"""What simulate.py measures: cuttle on this machine, and the link between two ranks."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import step_model

ROOT = Path(__file__).resolve().parents[2]
PING_PONG = Path(__file__).with_name("ping_pong.py")
FIELDS = ("ranks", "parameters", "ms_per_task", "ms_per_step", "ms")
EAGER_SHARED, EAGER_TCP = 4096, 65536  # btl_vader_eager_limit, btl_tcp_eager_limit
SPREAD_STEPS, SPREAD_WARMUP = 40, 5
LARGE_BYTES = 1_000_000


class UserError(Exception):
    """Told as it is, without a traceback: problem (why it matters); what to do."""


def read_records(path):
    """Outputs of `cuttle bench --json` one after another, on one line each or not."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UserError(f"cannot read '{path}': {problem}; give a file of outputs of 'cuttle bench --json'") from None
    records, decoder, at = [], json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            record, at = decoder.raw_decode(text, at)
        except ValueError as problem:
            raise UserError(f"'{path}' is not JSON ({problem}); give outputs of 'cuttle bench --json'") from None
        records.append(checked(record, path))
    if not records:
        raise UserError(f"'{path}' is empty (there is nothing to predict from); give outputs of 'cuttle bench --json'")
    return records


def checked(record, source):
    missing = [name for name in FIELDS if not isinstance(record, dict) or name not in record]
    if missing:
        raise UserError(f"'{source}' holds a record without {', '.join(missing)} (it does not come from 'cuttle bench"
                        " CONFIG --json'); record again")
    if not isinstance(record["ms"], dict) or not {"read", "adapt", "reduce", "step"} <= set(record["ms"]):
        raise UserError(f"'{source}' holds a record without the milliseconds of each part; record again")
    numbers = [*(record[name] for name in FIELDS[:4]), *record["ms"].values()]
    if not all(isinstance(number, (int, float)) and 0 <= number < 1e12 for number in numbers) or not all(numbers[:4]):
        raise UserError(f"'{source}' holds a record with a number that cannot be; record again")
    return record


def tasks_of(record):
    """Of one step over all ranks."""
    return max(1, round(record["ms_per_step"] * record["ranks"] / record["ms_per_task"]))


def fit(records, spread=None):
    """The work of a rank, from records of one rank alone; with different numbers of tasks the conversion is told from
    what the reduction takes whatever their number."""
    alone = [record for record in records if record["ranks"] == 1]
    if not alone:
        raise UserError("no record of one rank (nothing says how long a task takes without the others);"
                        " add the output of 'mpirun -n 1 cuttle bench CONFIG --json'")
    tasks, parameters = max(map(tasks_of, alone)), alone[0]["parameters"]
    if {record["parameters"] for record in alone} != {parameters}:
        raise UserError("the records of one rank are of different models; give the files of one model at a time")
    counts = np.array([tasks_of(record) for record in alone], float)
    reductions = np.array([record["ms"]["reduce"] / 1e3 / parameters for record in alone])
    if len(set(counts)) > 1:
        convert, settle = (max(0.0, float(value)) for value in np.polyfit(counts, reductions, 1))
    else:
        convert = min(step_model.Work.convert_s, float(reductions.mean() / counts[0]))
        settle = float(reductions.mean()) - convert * counts[0]
    ms = {name: statistics.median(record["ms"][name] for record in alone if tasks_of(record) == tasks)
          for name in ("adapt", "read", "step")}
    given = {} if spread is None else {"spread": spread}
    return step_model.Work(parameters, (ms["adapt"] + ms["read"]) / 1e3 / tasks, convert_s=convert, settle_s=settle,
                           apply_s=ms["step"] / 1e3 / parameters, **given)


class Runner:
    """Runs cuttle and the ping-pong; `wrap` turns words into the command of two ranks elsewhere."""

    def __init__(self, program, config, overrides=(), limit_s=120):
        self.program, self.config, self.overrides, self.limit_s = Path(program), Path(config), list(overrides), limit_s
        if not os.access(self.program, os.X_OK):
            raise UserError(f"{self.program} does not exist (it is what would be measured); run launch/quickstart.sh"
                            " once, or say --cuttle PROGRAM")
        if not self.config.is_file():
            raise UserError(f"'{self.config}' does not exist (it says what to measure); give one of configs/")

    def bench(self, ranks, steps, extra=(), wrap=None):
        words = [self.program, "bench", self.config, *self.overrides, *extra, "--json", "--steps", steps, "--warmup", 2]
        output = self.run(words, ranks, wrap)
        return checked(json.loads(output[output.index("{"):]), self.program)

    def run(self, words, ranks=None, wrap=None):
        """Standard output of the command, on one thread a rank, with a bound on its time."""
        words = list(map(str, words))
        if wrap:
            words = wrap(words)
        elif ranks:
            root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
            words = ["mpirun", *root, "--oversubscribe", "--bind-to", "none", "-n", str(ranks), *words]
        threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        # `timeout` asks before it kills: ranks outlive an mpirun that was killed.
        bounded = ["timeout", "--foreground", "-k", "10", str(self.limit_s), *words]
        try:
            result = subprocess.run(bounded, env={**os.environ, **threads}, capture_output=True, text=True, check=False)
        except OSError as problem:
            raise UserError(f"cannot start '{words[0]}': {problem}; install it (launch/lib/install.sh names the"
                            " packages)") from None
        if result.returncode == 124:
            raise UserError(f"'{' '.join(words)}' took more than {self.limit_s} s (too long to repeat); measure a"
                            " config with fewer tasks, as in episode.meta_batch_size=4, or say --limit SECONDS")
        if result.returncode != 0:
            told = [line for line in result.stderr.splitlines() if line.strip(" -")] or ["it said nothing"]
            raise UserError(f"'{' '.join(words)}' failed with exit code {result.returncode}: {told[0]}")
        return result.stdout

    def alone(self, steps):
        """Two records of one rank, with the config's number of tasks and with one task a step (four if that is one)."""
        usual = self.bench(1, steps)
        other = 1 if tasks_of(usual) > 1 else 4
        return [usual, self.bench(1, max(steps, 10), [f"episode.meta_batch_size={other}"])]

    def spread(self):
        """Standard deviation of the time of a task over its mean: the steps of a short training with one task each. By
        the median deviation, because a few steps during which something else ran would say nothing of the tasks."""
        with tempfile.TemporaryDirectory(prefix="cuttle-simulate-") as folder:
            run = Path(folder) / "run"
            shorter = [f"train.steps={SPREAD_STEPS}", "train.validate_every=0", "episode.meta_batch_size=1"]
            self.run([self.program, "train", self.config, *self.overrides, *shorter, "--run-dir", run])
            lines = (run / "timing.jsonl").read_text(encoding="utf-8").splitlines()
        times = [json.loads(line)["adapt_s"] for line in lines][SPREAD_WARMUP:]
        middle = statistics.median(times)
        return 1.4826 * statistics.median(abs(time - middle) for time in times) / middle

    def link(self, wrap=None):
        """(the link between two ranks, seconds to add a byte)."""
        words = [sys.executable, PING_PONG, self.library(), LARGE_BYTES]
        output = self.run(words, 2, wrap)
        return link_of(json.loads(output[output.index("{"):]), EAGER_TCP if wrap else EAGER_SHARED)

    def library(self):
        for line in self.run(["ldd", self.program]).splitlines():
            if "libmpi.so" in line and "=> /" in line:
                return line.split("=>")[1].split("(")[0].strip()
        raise UserError(f"{self.program} is not linked with Open MPI (the ping-pong uses its library); give latency and"
                        " bandwidth with the flags instead")


def link_of(result, eager_bytes):
    """From the times of ping_pong.py; what a large message takes beyond its trips is its bytes."""
    link = step_model.Link(result["small"], 0.0, eager_bytes)
    per_byte = (result["large"] - link.trip(result["bytes"])) / result["bytes"]
    return step_model.Link(result["small"], max(1e-12, per_byte), eager_bytes), result["sum_byte"]
