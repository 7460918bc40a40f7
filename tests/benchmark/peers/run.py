"""Times cuttle beside the Python libraries on the same tasks and weights, and compares the gradients task by task.

Rounds interleave: in each, every contender takes one turn, which is one mean meta-gradient that nobody counts and then
--steps under the clock. One thread each, all on the same core; peers stay alive between their turns. Everything goes to
--out: results.json with machine, versions and all times, table.txt, speed.png and, with --memory, memory.png.
"""

import argparse
import contextlib
import datetime
import json
import os
import sys
from pathlib import Path

import contenders
import learner_workloads
import report
import workloads
from contenders import Failed

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(os.environ.get("CUTTLE_BINARY_DIR", ROOT / "build/release")) / "cuttle"
SIZES = ("tasks", "width", "depth", "side", "way", "shot", "query")
MEMORY_STEPS, MEMORY_TASKS = (1, 2, 5, 10, 20), 2
WRONG = 1e-4  # gradients of ours further than this from float64, and ten times further than PyTorch's, are others


def counts(text):
    return tuple(int(word) for word in text.split(","))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=["all", *workloads.WORKLOADS], default="all")
    parser.add_argument("--learner", help="one or several learners, as in anil,caml, or all: in place of --workload"
                        " episodes for each, images for a Conv4-64")
    parser.add_argument("--vectors", action="store_true", help="with --learner (default then: all): frozen features of"
                        " 384 numbers in place of images")
    parser.add_argument("--inner-steps", type=counts, help="e.g. 1,5 (default: the workload's)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (5); 0: no times")
    parser.add_argument("--steps", type=int, default=1, help="timed mean meta-gradients in a turn")
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's time: where other work runs")
    parser.add_argument("--first-order", action="store_true", help="first order too")
    parser.add_argument("--memory", action="store_true", help="also memory against inner steps, two tasks at most")
    parser.add_argument("--memory-steps", type=counts, default=MEMORY_STEPS, help="default: 1,2,5,10,20")
    parser.add_argument("--peers", default=",".join(contenders.NAMES), help="default: %(default)s")
    parser.add_argument("--peers-venv", type=Path, help="virtual environment that has the libraries")
    parser.add_argument("--cuttle", type=Path, default=PROGRAM, help="default: %(default)s")
    parser.add_argument("--norms", default="", help="cuttle with these norms too, as in support,layer (images)")
    parser.add_argument("--override", action="append", default=[], help="config key of cuttle, as in a.b=c")
    parser.add_argument("--out", type=Path, default=ROOT / f"runs/benchmark-{datetime.datetime.now():%Y%m%d-%H%M%S}")
    sizes = parser.add_argument_group("sizes other than the workload's")
    for name in SIZES:
        sizes.add_argument(f"--{name}", type=int)
    sizes.add_argument("--linear", action="store_true", default=None, help="no ReLU at the end (learners on vectors)")
    sizes.add_argument("--inner-lr", type=float)
    arguments = parser.parse_args()
    arguments.peers = arguments.peers.split(",")
    arguments.norms = [norm for norm in arguments.norms.split(",") if norm]
    unknown = set(arguments.peers) - set(contenders.NAMES)
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(contenders.NAMES)}")
    if arguments.peers_venv and not (arguments.peers_venv / "bin/python").exists():
        parser.error(f"{arguments.peers_venv} is no virtual environment")
    if not arguments.cuttle.exists():
        parser.error(f"{arguments.cuttle} does not exist; build it, or call launch/benchmark.sh")
    arguments.out = arguments.out.resolve()
    if arguments.linear and not arguments.vectors:
        parser.error("--linear goes with --vectors")
    if arguments.vectors and not arguments.learner:
        arguments.learner = "all"
    if arguments.learner:
        check_learners(parser, arguments)
    return arguments


def check_learners(parser, arguments):
    """Makes a list of names of --learner."""
    known = learner_workloads.names(arguments.cuttle)
    arguments.learner = known if arguments.learner == "all" else arguments.learner.split(",")
    unknown = set(arguments.learner) - set(known)
    if unknown:
        parser.error(f"no such learner: {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.workload != "all" or arguments.inner_steps or arguments.first_order or arguments.memory:
        parser.error("--learner goes with none of --workload, --inner-steps, --first-order, --memory")
    sense = "vectors" if arguments.vectors else "images"
    useless = [name for name in (*SIZES, "linear", "inner_lr") if getattr(arguments, name) is not None
               and name not in learner_workloads.SIZES[sense]]
    if useless:
        parser.error(f"--{useless[0].replace('_', '-')} is no size of learners on {sense}")


def family_of(problem):
    return learner_workloads if "learner" in problem else workloads


def problems_of(arguments, sizes):
    if arguments.learner:
        sense = "vectors" if arguments.vectors else "images"
        return [learner_workloads.problem(arguments.cuttle, name, sense, **sizes) for name in arguments.learner]
    return [problem for name in named_workloads(arguments)
            for problem in workloads.problems(name, arguments.inner_steps, arguments.first_order, **sizes)]


def named_workloads(arguments):
    return workloads.WORKLOADS if arguments.workload == "all" else [arguments.workload]


def passes_of(problem, cuttle):
    """How often a turn repeats its pass, which for tiny models takes no time: a tenth of a second of cuttle's."""
    if "learner" not in problem:
        return problem.get("passes", 1)
    return max(1, min(20, round(100 / (cuttle.turn(1) * problem["tasks"]))))


class Benchmark:
    """The contenders of one machine."""

    def __init__(self, arguments):
        self._arguments = arguments
        self.machine = contenders.Machine(arguments.cuttle,
                                          arguments.peers_venv and arguments.peers_venv / "bin/python",
                                          arguments.cpu_time)
        self.versions = self.machine.versions()

    def time(self, problem):
        """One case of results.json."""
        family, left_out = family_of(problem), {}
        title = family.title(problem)
        folder = self._arguments.out / title.replace(", ", "-").replace(" ", "_")
        path = family.write(problem, folder)
        with contextlib.ExitStack() as stack:
            kind = contenders.reference_of(problem)
            reference = contenders.Peer("reference", kind, self.machine, path, folder)
            stack.callback(reference.end)
            reference.turn(0)
            _, exact = reference.gradients()
            reference.end()
            running = [self._attempt(name, left_out, self._start, name, problem, path, folder)
                       for name in self._names(problem, left_out)]
            running = {one.name: one for one in running if one}
            for one in running.values():
                stack.callback(one.end)
            rounds = {name: [] for name in running}
            timed_passes = self._arguments.steps * passes_of(problem, running["cuttle"])
            for number in range(self._arguments.rounds):
                report.progress(f"{title}: round {number + 1} of {self._arguments.rounds}")
                for name in [name for name in running if name not in left_out]:
                    rounds[name].append(self._attempt(name, left_out, running[name].turn, timed_passes))
            report.progress(f"{title}: gradients")
            results = {name: self._attempt(name, left_out, self._result, one, rounds[name])
                       for name, one in running.items() if name not in left_out}
        return {"workload": problem["workload"], "gflop_per_task": family.gflop_per_task(problem),
                "convolution_peak": self.machine.convolution_peak() if family is workloads else None, "title": title,
                "sizes": family.sizes_in_words(problem), "problem": problem, "left_out": left_out,
                "contenders": report.summary({name: result for name, result in results.items() if result}, exact)}

    @staticmethod
    def _result(one, rounds):
        above = one.memory()  # before the gradients of single tasks
        return {"rounds": rounds, "mb_above_idle": above, "gradients": one.gradients()}

    def memory(self, problem):
        """{contender: MB above idle} of one mean meta-gradient, each in a process that has done nothing else."""
        folder, left_out, above = self._arguments.out / "memory", {}, {}
        report.progress(f"memory of {workloads.title(problem)}")
        path = workloads.write(problem, folder)
        for name in self._names(problem, left_out):
            above[name] = self._attempt(name, left_out, self._memory_of, name, problem, path, folder)
        return {name: mb for name, mb in above.items() if mb is not None}

    def _memory_of(self, name, problem, path, folder):
        one = self._start(name, problem, path, folder)
        try:
            one.turn(0)
            return one.memory()
        finally:
            one.end()

    def _names(self, problem, left_out):
        """cuttle, and the peers that can do this; those that lack their library are noted."""
        able = {name: kind for name, kind in contenders.peers_of(problem).items() if name in self._arguments.peers}
        installed = self.versions.get("peers", {})
        left_out.update({name: "not installed" for name, kind in able.items()
                         if kind.library and kind.library not in installed})
        norms = [contenders.WITH_NORM + norm for norm in self._arguments.norms if not workloads.is_mlp(problem)]
        return ["cuttle", *norms, *(name for name in able if name not in left_out)]

    def _start(self, name, problem, path, folder):
        if name.startswith("cuttle"):
            norm = name.partition(contenders.WITH_NORM)[2]
            words = [*self._arguments.override, *([f"model.encoders.image.norm={norm}"] if norm else [])]
            return contenders.Cuttle(self.machine, path, folder, words, name)
        return contenders.Peer(name, contenders.peers_of(problem)[name], self.machine, path, folder)

    def _attempt(self, name, left_out, action, *words):
        """What the action gives; None if it fails, and that peer is out. Without cuttle there is no comparison."""
        try:
            return action(*words)
        except Failed as problem:
            if name == "cuttle":
                raise
            left_out[name] = str(problem)
            report.progress(f"left out: {problem}")
            return None


def memory_curves(benchmark, arguments, names, sizes):
    """For the workloads that have inner steps: {workload: {contender: {inner steps: MB}}}."""
    curves = {}
    for name in names:
        if workloads.WORKLOADS[name]["algorithm"] != "maml":
            continue
        curve = curves[name] = {}
        few = {**sizes, "tasks": min(MEMORY_TASKS, sizes["tasks"] or MEMORY_TASKS)}
        for problem in workloads.problems(name, arguments.memory_steps, **few):
            for contender, mb in benchmark.memory(problem).items():
                curve.setdefault(contender, {})[problem["inner_steps"]] = mb
    return curves


def is_wrong(results):
    """Of most tasks; or what was timed is not their mean."""
    ours, rounding = results["cuttle"], results["plain"]["error"] if "plain" in results else 0.0
    return ours["error"] > max(WRONG, 10 * rounding) or ours["mean_against_tasks"] > 1e-5


def save(out, tables, results):
    (out / "table.txt").write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def main():
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    sizes = {name: getattr(arguments, name) for name in (*SIZES, "linear", "inner_lr")}
    benchmark = Benchmark(arguments)
    results = {**report.facts(ROOT, arguments.cuttle, benchmark), "rounds": arguments.rounds,
               "clock": "processor" if arguments.cpu_time else "wall",
               "timed_steps_per_turn": arguments.steps, "cases": [], "memory_mb_above_idle": {}}
    tables = [report.heading(results)]
    print(tables[0], flush=True)
    try:
        for problem in problems_of(arguments, sizes) if arguments.rounds else []:
            results["cases"].append(benchmark.time(problem))
            tables.append(report.case_table(results["cases"][-1]))
            print("\n" + tables[-1], flush=True)
            save(arguments.out, tables, results)  # what is done stays, whatever comes
        if arguments.learner:
            tables.append(report.learner_table(results["cases"]))
            print("\n" + tables[-1], flush=True)
        if arguments.memory:
            results["memory_mb_above_idle"] = memory_curves(benchmark, arguments, named_workloads(arguments), sizes)
            tables += [report.memory_table(name, curve) for name, curve in results["memory_mb_above_idle"].items()]
            print("\n" + "\n\n".join(tables[1 + len(results["cases"]):]), flush=True)
    except Failed as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit("interrupted")
    save(arguments.out, tables, results)
    report.plot_speed(results, arguments.out / "speed.png")
    if arguments.memory:
        report.plot_memory(results, arguments.out / "memory.png")
    print(f"\n{arguments.out}")
    if report.sha256(arguments.cuttle) != results["cuttle_sha256"]:
        sys.exit(f"{arguments.cuttle} was built anew meanwhile, so its rounds may be of two programs: run it again")
    wrong = [case["title"] for case in results["cases"] if is_wrong(case["contenders"])]
    if wrong:
        sys.exit(f"cuttle's gradient is not that of float64 PyTorch, so its time says nothing: {'; '.join(wrong)}")


if __name__ == "__main__":
    main()
