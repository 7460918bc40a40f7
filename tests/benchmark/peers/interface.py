"""What the programs that stand beside cuttle have in common.

Each is a script that says how its library computes the mean meta-gradient of the tasks:

    def build(problem): ...               # once
        return tasks, step, export        # the tasks as the library wants them
                                          # step(some of them): their mean meta-gradient, finished when it returns
                                          # export(what step gave): {parameter's name: numpy array}
    interface.serve(build)

It stays alive and obeys lines on standard input: `turn N` computes one mean meta-gradient, then N more under the clock,
and answers with their median times, on the wall and of the processor; `memory` tells idle and peak; `gradients` writes
the last mean and, stacked, the gradient of each task.
"""

import argparse
import ctypes
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


class Problem:
    """Sizes and rates of the workload; `parameters` by name; `tasks` as [support, answers, query, answers] each, or
    without support, the answers being labels or target values."""

    def __init__(self, path):
        self.__dict__.update(json.loads(Path(path).read_text(encoding="utf-8")))
        count = self.tasks
        self.parameters = load_file(self.files["parameters"])
        arrays = load_file(self.files["tasks"])
        self.mlp = getattr(self, "model", "") == "mlp"
        names = [name for part in ("support", "query") for name in sorted(arrays, key=is_answer)
                 if name.startswith(part)]
        self.tasks = [[arrays[name][task] for name in names] for task in range(count)]


def is_answer(name):
    return name.endswith((".labels", ".targets"))


def memory_mb(entry):
    """Resident memory: "VmRSS" now, "VmHWM" at most."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(entry + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def serve(build, options=None):
    """Runs the peer. `options`: {name of an own flag: keyword that build gets as true}."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--problem", required=True)
    parser.add_argument("--gradient", required=True, help="file for the mean")
    parser.add_argument("--gradients", required=True, help="file for those of each task")
    for flag in options or {}:
        parser.add_argument(flag, action="store_true", dest=options[flag])
    arguments = vars(parser.parse_args())
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    problem = Problem(arguments.pop("problem"))
    mean_file, each_file = arguments.pop("gradient"), arguments.pop("gradients")
    tasks, step, export = build(problem, **arguments)
    ctypes.CDLL(None).malloc_trim(0)  # what reading took is not what gradients take
    idle = memory_mb("VmRSS")
    forget_peak()
    print(json.dumps({}), file=answers)
    mean = None
    for line in sys.stdin:
        command, *words = line.split()
        told = {}
        if command == "turn":
            mean, times = timed(lambda: step(tasks), int(words[0]))
            if times:
                wall, cpu = (1e3 * statistics.median(seconds) / len(tasks) for seconds in zip(*times))
                told = {"ms_per_task": wall, "cpu_ms_per_task": cpu}
            mean = copied(export(mean))
        elif command == "memory":
            told = {"idle_rss_mb": idle, "peak_rss_mb": memory_mb("VmHWM")}
        elif command == "gradients":
            save_file(mean, mean_file)
            each = [copied(export(step([task]))) for task in tasks]
            save_file({name: np.stack([one[name] for one in each]) for name in mean}, each_file)
        print(json.dumps(told), file=answers)


def timed(action, count):
    """What the last call gave, and the seconds (wall, processor) of `count` calls after one that is not counted."""
    result, times = action(), []
    for _ in range(count):
        start, start_cpu = time.perf_counter(), time.process_time()
        result = action()
        times.append((time.perf_counter() - start, time.process_time() - start_cpu))
    return result, times


def copied(gradient):
    return {name: np.array(value, order="C") for name, value in gradient.items()}


def forget_peak():
    """VmHWM counts from here on, where the kernel allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pass
