#!/usr/bin/env python3
"""Predicts step time and parallel efficiency of cuttle on 2 to 4,096 ranks, from measurements or given numbers.

A model of what src/reduce and src/comm send, of waiting for the slowest rank, and of converting gradients for the exact
sum (launch/lib/step_model.py says each formula and its source). It also predicts four ways of adding up that cuttle
does not have: `scattered` (Rabenseifner's all-reduce on 2 and 3 ranks too, where Open MPI takes a tree), `by node`
(within the node first), `float32` and `16 bit` (inexact sums of fewer bytes), and from where they would save more
than 5 % of a step.

  launch/simulate.py                                         # an AMD EPYC core a rank, 16 ranks a node, 25 Gbit/s
  launch/simulate.py --measure configs/omniglot_maml.yaml    # compute and shared memory of this machine
  launch/simulate.py --check configs/omniglot_maml.yaml      # predicted beside real runs on 1, 2 and 4 ranks, and with
                                                             # slow links between two network namespaces (needs root)
  launch/simulate.py bench.json --speedup 100 --latency-us 2 --bandwidth-gbs 25 --plot efficiency.png
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import signal
import statistics
import sys
from pathlib import Path

LAUNCH = Path(__file__).resolve().parent
sys.path.insert(0, str(LAUNCH / "lib"))
if not all(map(importlib.util.find_spec, ("numpy", "matplotlib"))):  # not the project's own Python, which has them
    own = LAUNCH.parent / ".venv/bin/python"
    if not own.exists() or sys.prefix == str(own.parents[1]):
        sys.exit("numpy or matplotlib is not installed (the predictions need them); run launch/quickstart.sh once")
    os.execv(own, [str(own), *sys.argv])

import delayed_link  # noqa: E402
import measurements  # noqa: E402
import predictions  # noqa: E402
import step_model  # noqa: E402
from measurements import UserError  # noqa: E402

CONV4 = "Conv4"
# name: parameters, and multiply-adds of one image relative to Conv4-64 on 28x28, which takes 9.8 million. ResNet-12 has
# widths 64, 160, 320, 640 on 84x84 (3,510 million); the last is about ViT-B/16 (Dosovitskiy et al. 2021; 20,000
# million).
MODELS = {CONV4: (112_261, 1.0), "ResNet-12": (12_424_320, 358.0), "100 million": (100_000_000, 2040.0)}
CONV4_TASK_S = 0.0313  # configs/omniglot_maml.yaml on one core of an AMD EPYC
SHARED_MEMORY = step_model.Link(2e-6, 1 / 8e9, measurements.EAGER_SHARED)


def number(kind, low, high):
    """A converter for argparse that names the bounds."""
    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is no number from {low:g} to {high:g}")
        return value
    return convert


def rank_list(text):
    ranks = [number(int, 1, 1 << 20)(part) for part in text.split(",")]
    if ranks != sorted(set(ranks)):
        raise argparse.ArgumentTypeError(f"'{text}' is not in rising order")
    return ranks


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UserError(f"{message}; see launch/simulate.py --help")


def parse(words):
    parser = Parser(prog="launch/simulate.py", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    positive = number(float, 1e-9, 1e9)
    add("records", nargs="*", metavar="RECORDS", help="files of outputs of 'cuttle bench CONFIG --json'")
    add("--measure", metavar="CONFIG", help="measure compute and the link between two ranks of this machine")
    add("--check", metavar="CONFIG", help="measure, and print predicted beside measured steps")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="of the config, for --measure and --check")
    add("--cuttle", default=measurements.ROOT / "build/release/cuttle", metavar="PROGRAM")
    add("--rounds", type=number(int, 1, 100), default=3, help="of --check, medians of which count (default 3)")
    add("--limit", type=number(int, 1, 86400), default=120, metavar="SECONDS", help="for each measurement")
    add("--delay-ms", type=number(float, 0, 1000), default=5.0,
        help="of --check between two network namespaces (default 5; 0: none)")
    add("--link-mbits", type=positive, default=100.0, help="of slow links between them (default 100)")
    add("--task-ms", type=positive, help="of Conv4, or of --parameters (default: measured, else 31.3)")
    add("--task-spread", type=number(float, 0, 10), help="standard deviation over mean (default: measured, else 0.05)")
    add("--parameters", type=number(int, 1, 10**12), help="predict this model in place of the three; needs --task-ms")
    add("--speedup", type=positive, default=1.0, help="of the tasks, as by an accelerator; conversion stays")
    add("--tasks-per-rank", type=number(int, 1, 1 << 20), default=4, help="in a step (default 4: weak scaling)")
    add("--tasks-per-step", type=number(int, 1, 1 << 30), default=0, help="over all ranks (strong scaling)")
    add("--latency-us", type=positive, default=20.0, help="between nodes (default 20)")
    add("--bandwidth-gbs", type=positive, default=3.0, help="10^9 bytes a second of a node's link (default 3)")
    add("--node-latency-us", type=positive, help="within a node (default: measured, else 2)")
    add("--node-bandwidth-gbs", type=positive, help="within a node (default: measured, else 8)")
    add("--ranks-per-node", type=number(int, 1, 1 << 20), default=16, help="default 16")
    add("--cores", type=number(int, 0, 1 << 20), default=0, help="of a node, if ranks must share them")
    add("--ranks", type=rank_list, default=[2**power for power in range(1, 13)], metavar="N,N,...")
    add("--json", metavar="FILE", help="write all numbers, in seconds and bytes")
    add("--plot", metavar="FILE.png", help="efficiency against ranks")
    args = parser.parse_args(words)
    if (args.measure is not None) + (args.check is not None) + bool(args.records) > 1:
        raise UserError("records, --measure and --check exclude each other (each says how long a task takes); give one")
    if args.parameters and (not args.task_ms or args.measure or args.check or args.records):
        raise UserError("--parameters describes a model by hand; give --task-ms with it, and nothing measured")
    if args.set and not (args.measure or args.check):
        raise UserError("--set changes a config, and none is measured; give --measure CONFIG or --check CONFIG")
    return args


def machine_of(args, node=SHARED_MEMORY, sum_s_per_byte=step_model.Machine.sum_s_per_byte):
    changes = {}
    if args.node_latency_us:
        changes["latency_s"] = 1e-6 * args.node_latency_us
    if args.node_bandwidth_gbs:
        changes["s_per_byte"] = 1e-9 / args.node_bandwidth_gbs
    between = step_model.Link(1e-6 * args.latency_us, 1e-9 / args.bandwidth_gbs)
    return step_model.Machine(dataclasses.replace(node, **changes), between, args.ranks_per_node, args.cores,
                              sum_s_per_byte)


def models_of(args, measured=None):
    """{name: work}; one rank's measured work stands for Conv4 if it is that model, else beside the three."""
    if args.parameters:
        base, shapes = args.task_ms / 1e3, {"given": (args.parameters, 1.0)}
    else:
        is_conv4 = measured is not None and abs(measured.parameters / MODELS[CONV4][0] - 1.0) < 0.05
        base = args.task_ms / 1e3 if args.task_ms else measured.task_s if is_conv4 else CONV4_TASK_S
        shapes = dict(MODELS)
        if measured is not None and not is_conv4:
            shapes["measured"] = (measured.parameters, measured.task_s / base)
    like = measured or step_model.Work(1, 1.0)
    changes = {} if args.task_spread is None else {"spread": args.task_spread}
    return {name: dataclasses.replace(like, parameters=parameters, task_s=base * ratio / args.speedup, **changes)
            for name, (parameters, ratio) in shapes.items()}


def setting_of(args, machine):
    rate = [f"{1e6 * link.latency_s:.3g} us, {1e-9 / link.s_per_byte:.3g} GB/s"
            for link in (machine.node, machine.between)]
    tasks = f"{args.tasks_per_step} tasks a step" if args.tasks_per_step else f"{args.tasks_per_rank} tasks a rank"
    faster = "" if args.speedup == 1 else f", tasks {args.speedup:g} times as fast"
    ranks = f"{machine.ranks_per_node} rank{'s' * (machine.ranks_per_node > 1)}"
    return f"{ranks} a node; within it {rate[0]}, between nodes {rate[1]}; {tasks}{faster}"


def simulate(args, machine, models):
    plan = predictions.Plan(args.tasks_per_rank, args.tasks_per_step)
    first = next(iter(models))
    return {"setting": setting_of(args, machine), "machine": dataclasses.asdict(machine),
            "models": [{"name": name, "work": dataclasses.asdict(work),
                        "rows": [predictions.predict(machine, work, plan, ranks) for ranks in args.ranks]}
                       for name, work in models.items()],
            "crossovers": predictions.crossovers(machine, models, plan, args.ranks),
            "size_crossovers": predictions.size_crossovers(machine, models[first], plan, args.ranks)}


def show(results, models):
    print(f"Predictions. {results['setting']}")
    print("Last four columns: what other ways to add up, which cuttle does not have, would save of the step.")
    for (name, work), model in zip(models.items(), results["models"]):
        print("", *predictions.model_table(name, work, model["rows"]), sep="\n")
    first = next(iter(models))
    print("", *predictions.crossover_tables(results["crossovers"], results["size_crossovers"], first), sep="\n")


def check_row(where, machine, work, record):
    """Beside compute: from a rank's own end of computing to the end of the step."""
    tasks = measurements.tasks_of(record[0])
    step = step_model.step(machine, work, tasks, record[0]["ranks"])
    rest = [one["ms"]["reduce"] + one["ms"]["step"] for one in record]
    return {"where": where, "ranks": record[0]["ranks"], "predicted_s": step.total_s,
            "measured_s": statistics.median(one["ms_per_step"] for one in record) / 1e3,
            "measured_rest_s": statistics.median(rest) / 1e3, "predicted_rest_s": step.total_s - step.compute_s}


def check(args):
    """Compute from one rank and the link from a ping-pong; everything on more ranks is then a prediction."""
    runner = measurements.Runner(args.cuttle, args.check, args.set, args.limit)
    cores = args.cores or len(os.sched_getaffinity(0))
    alone, more, load = [], {2: [], 4: []}, os.getloadavg()[0]
    for _ in range(args.rounds):  # in turns, so that what else the machine does hits all alike
        alone += runner.alone(steps=5)
        for ranks, records in more.items():
            records.append(runner.bench(ranks, steps=5))
    work = measurements.fit(alone, runner.spread() if args.task_spread is None else args.task_spread)
    link, sum_s_per_byte = runner.link()
    machine = step_model.Machine(link, link, max(more), cores, sum_s_per_byte)
    most = max(map(measurements.tasks_of, alone))
    records = {1: [record for record in alone if measurements.tasks_of(record) == most], **more}
    rows = [check_row(f"{ranks} rank{'s' * (ranks > 1)} on {cores} core{'s' * (cores > 1)}", machine, work, record)
            for ranks, record in records.items()]
    note = ""
    if args.delay_ms:
        note = delayed_link.obstacle()
        if not note:
            slow = 1e6 * args.link_mbits / 8
            links = [(args.delay_ms, 0.0), (args.delay_ms / 5, slow), (args.delay_ms, slow)]
            rows += [delayed_row(args, runner, work, *link) for link in links]
    return {"work": dataclasses.asdict(work), "machine": dataclasses.asdict(machine), "checks": rows, "obstacle": note,
            "load_before": load}


def delayed_row(args, runner, work, delay_ms, bytes_per_s):
    with delayed_link.DelayedLink(delay_ms / 1e3, bytes_per_s) as far:
        link, sum_s_per_byte = runner.link(far.mpirun)
        records = [runner.bench(2, 5, wrap=far.mpirun) for _ in range(args.rounds)]
    machine = step_model.Machine(link, link, sum_s_per_byte=sum_s_per_byte)
    where = f"2 namespaces, {1e3 * link.latency_s:.1f} ms, {1e-9 / link.s_per_byte:.2g} GB/s"
    return check_row(where, machine, work, records)


def show_check(args, results):
    work, link = results["work"], results["machine"]["node"]
    print(f"{args.check}: {predictions.duration(work['task_s'])} a task with a spread of {100 * work['spread']:.1f} %,"
          f" {work['parameters']:,} parameters; ping-pong {1e6 * link['latency_s']:.2f} us,"
          f" {1e-9 / link['s_per_byte']:.2g} GB/s; load before: {results['load_before']:.2f}")
    print(*predictions.check_table(results["checks"]), sep="\n")
    if results["obstacle"]:
        print(f"without a delay between namespaces, which is not possible here: {results['obstacle']}")


def main(words):
    args = parse(words)
    if args.check:
        results = check(args)
        show_check(args, results)
    else:
        measured, machine = None, machine_of(args)
        if args.measure:
            runner = measurements.Runner(args.cuttle, args.measure, args.set, args.limit)
            measured = measurements.fit(runner.alone(steps=10), runner.spread())
            machine = machine_of(args, *runner.link())
        elif args.records:
            measured = measurements.fit([one for path in args.records for one in measurements.read_records(path)])
        models = models_of(args, measured)
        results = simulate(args, machine, models)
        show(results, models)
    try:
        if args.json:
            Path(args.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        if args.plot:
            predictions.plot(results, args.plot)
    except (OSError, ValueError) as problem:
        raise UserError(f"cannot write: {problem}; choose another file") from None


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that namespaces and temporary folders go
    try:
        main(sys.argv[1:])
    except UserError as told:
        sys.stdout.flush()
        print(told, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # as by `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
