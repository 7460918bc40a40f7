"""Who takes part, and how each is run: a process on one core with one thread that takes its turn when told."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
              "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "PYTHONWARNINGS": "ignore",
              "PYTHONDONTWRITEBYTECODE": "1"}
# glibc gives freed memory back to the kernel above these; taking it again costs a page fault per 4 KiB.
KEEP_PAGES = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}


class Failed(Exception):
    """A contender could not do its work; the text says why."""


class Kind:
    """A peer: its script, what it needs installed (in the peers' environment; None: the project's own Python)."""

    def __init__(self, script, library=None, flags=(), environment=None, algorithms=("maml", ), orders=(1, 2)):
        self.script, self.library, self.flags = HERE / script, library, flags
        self.environment, self.algorithms, self.orders = environment or {}, algorithms, orders

    def can(self, problem):
        return problem["algorithm"] in self.algorithms and (problem["algorithm"] != "maml"
                                                            or problem["order"] in self.orders)


class LearnerKind(Kind):
    """A peer of workloads of one learner: of these, or of all but some."""

    def __init__(self, script, library=None, learners=(), without=(), senses=("images", "vectors"), **more):
        super().__init__(script, library, **more)
        self._learners, self._without, self._senses = learners, without, senses

    def can(self, problem):
        name = problem["learner"]
        return (problem["sense"] in self._senses and name not in self._without
                and (not self._learners or name in self._learners))


BOTH = ("maml", "protonet")
PEERS = {
    "plain": Kind("peer_plain.py", algorithms=BOTH),
    "plain_pages": Kind("peer_plain.py", algorithms=BOTH, environment=KEEP_PAGES),
    "plain_tuned": Kind("peer_plain.py", algorithms=BOTH, environment=KEEP_PAGES, flags=("--channels-last", )),
    "learn2learn": Kind("peer_learn2learn.py", "learn2learn"),
    "higher": Kind("peer_higher.py", "higher"),
    "torchopt": Kind("peer_torchopt.py", "torchopt", orders=(2, )),  # MetaSGD has no first-order form
    "jax": Kind("peer_jax.py", "jax"),
}
REFERENCE = Kind("peer_plain.py", algorithms=BOTH, flags=("--float64", ))
LEARNER_PEERS = {
    "plain": LearnerKind("peer_hand.py"),
    "plain_tuned": LearnerKind("peer_hand.py", senses=("images", ), environment=KEEP_PAGES,
                               flags=("--channels-last", )),
    "learn2learn": LearnerKind("peer_learn2learn_learners.py", "learn2learn",
                               ("anil", "maml", "meta_curvature", "meta_sgd", "metaoptnet")),
    "torchopt": LearnerKind("peer_torchopt_imaml.py", "torchopt", ("imaml", )),
    "easyfsl": LearnerKind("peer_easyfsl.py", "easyfsl", ("matching", "protonet", "relation")),
    "jax": LearnerKind("peer_jax_learners.py", "jax", senses=("vectors", ), without=("metaoptnet", )),
}
LEARNER_REFERENCE = LearnerKind("peer_hand.py", flags=("--float64", ))
NAMES = tuple(dict.fromkeys([*PEERS, *LEARNER_PEERS]))
EXPLAINED = ("plain: PyTorch, the inner loop by hand; plain_pages: with glibc told to keep its pages; plain_tuned: "
             "also channels-last; cuttle, norm N and easyfsl: another function, so only its time counts")


def peers_of(problem):
    """{name: kind} of those that can do this."""
    kinds = LEARNER_PEERS if "learner" in problem else PEERS
    return {name: kind for name, kind in kinds.items() if kind.can(problem)}


def reference_of(problem):
    return LEARNER_REFERENCE if "learner" in problem else REFERENCE


class Machine:
    """Where and with what the contenders run; `core`: None where processes cannot be pinned. `cpu_time`: what counts
    is the time of the processor, which other work on the machine does not add to."""

    def __init__(self, program, peers_python, cpu_time=False):
        self.program, self.python, self.peers_python = program, sys.executable, peers_python
        self.clock = "cpu_ms_per_task" if cpu_time else "ms_per_task"
        core = max(os.sched_getaffinity(0))
        pinned = ["taskset", "-c", str(core)]
        works = shutil.which("taskset") and subprocess.run([*pinned, "true"], check=False).returncode == 0
        self.core, self.prefix = (core, pinned) if works else (None, [])

    def start(self, words, log, environment=None, **pipes):
        with open(log, "w", encoding="utf-8") as file:
            return subprocess.Popen([*self.prefix, *map(str, words)], stderr=file, text=True, bufsize=1,
                                    env={**os.environ, **ONE_THREAD, **(environment or {})}, **pipes)

    def convolution_peak(self):
        """GFLOP/s of one thread on the contenders' core."""
        words = [*self.prefix, str(self.python), str(HERE / "convolution_peak.py")]
        told = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, **ONE_THREAD})
        return float(told.stdout)

    def versions(self):
        """{Python: {package: version}} of the packages that count."""
        code = ("import importlib.metadata as m, json, platform; print(json.dumps({'python': "
                "platform.python_version(), **{d.name.lower(): d.version for d in m.distributions() if d.name}}))")
        wanted = {"python", "torch", "numpy", "jaxlib", *(kind.library for kind in [*PEERS.values(),
                                                                                      *LEARNER_PEERS.values()])}
        found = {}
        for name, python in (("own", self.python), ("peers", self.peers_python)):
            if python:
                told = json.loads(subprocess.run([python, "-c", code], capture_output=True, check=True).stdout)
                found[name] = {key: told[key] for key in sorted(told) if key in wanted}
        return found


def end_of(log):
    lines = [line for line in Path(log).read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"


class Peer:
    """A process that stays alive between its turns."""

    def __init__(self, name, kind, machine, problem, folder):
        self.name, self.log = name, folder / f"{name}.log"
        self._mean, self._each = folder / f"{name}.safetensors", folder / f"{name}-tasks.safetensors"
        self._clock = machine.clock
        python = machine.peers_python if kind.library else machine.python
        words = [python, kind.script, "--problem", problem, "--gradient", self._mean, "--gradients", self._each,
                 *kind.flags]
        self._process = machine.start(words, self.log, kind.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()

    def turn(self, count):
        """Milliseconds per task: the median of `count` mean meta-gradients after one that is not timed."""
        return self._tell(f"turn {count}").get(self._clock)

    def memory(self):
        """MB above idle that the turns needed."""
        told = self._tell("memory")
        return told["peak_rss_mb"] - told["idle_rss_mb"]

    def gradients(self):
        """The mean of the last turn, by name; those of each task, stacked."""
        self._tell("gradients")
        return load_file(self._mean), load_file(self._each)

    def end(self):
        self._process.kill()
        self._process.wait()

    def _tell(self, line):
        try:
            self._process.stdin.write(line + "\n")
        except BrokenPipeError:
            pass  # the answer that does not come says it
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise Failed(f"{self.name} ended with code {self._process.returncode}: {end_of(self.log)}")
        return json.loads(line)


WITH_NORM = "cuttle, norm "  # and its name: another function, so its gradients are not the reference's


class Cuttle:
    """Started anew for each turn: `cuttle bench` counts neither its start nor the first meta-gradient."""

    def __init__(self, machine, problem, folder, overrides, name):
        self.name = name
        self.log, self._machine, self._mean = folder / f"{name}.log", machine, folder / f"{name}.safetensors"
        self._files = json.loads(Path(problem).read_text(encoding="utf-8"))["files"]
        self._words = [machine.program, "bench", folder / "cuttle.yaml", *overrides, "--json", "--parameters",
                       self._files["parameters"]]
        self._above_idle = 0.0

    def turn(self, count):
        # As many that nobody counts: a new process starts with cold caches, and a pass may take half a millisecond.
        timed = ("--warmup", count, "--steps", count) if count else ("--warmup", 0, "--steps", 1)
        told = self._bench(self._files["tasks"], self._mean, *timed)
        self._above_idle = max(self._above_idle, told["peak_rss_mb"] - told["idle_rss_mb"])
        return told[self._machine.clock]

    def memory(self):
        return self._above_idle

    def gradients(self):
        each, target = [], self._mean.with_name(f"{self.name}-task.safetensors")
        for task in self._files["each_task"]:
            self._bench(task, target)
            each.append(load_file(target))
        return load_file(self._mean), {name: np.stack([one[name] for one in each]) for name in each[0]}

    def _bench(self, tasks, gradient, *words):
        words = [*self._words, "--tasks", tasks, "--gradient", gradient, *words]
        process = self._machine.start(words, self.log, stdout=subprocess.PIPE)
        output, _ = process.communicate()
        if process.returncode != 0:
            raise Failed(f"cuttle ended with code {process.returncode}: {end_of(self.log)}")
        return json.loads(output)

    def end(self):
        pass
