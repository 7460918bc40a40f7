"""What a benchmark says: facts about the machine, errors of the gradients, tables, plots."""

import datetime
import hashlib
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import contenders
import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

COLUMNS = ("contender", "ms per task", "min", "max", "ratio to cuttle", "gradient error", "worst task", "from cuttle's",
           "MB above idle")


def progress(text):
    print(text, file=sys.stderr, flush=True)


def facts(root, program, benchmark):
    """Machine, versions and commit."""

    def git(*words):
        told = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=False)
        return told.stdout.strip() if told.returncode == 0 else ""

    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    return {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "commit": git("rev-parse", "HEAD"), "tree_is_changed": bool(git("status", "--porcelain")),
            "machine": {"cpu": model[0] if model else platform.machine(),
                        "instruction_set": torch.backends.cpu.get_cpu_capability(),
                        "cores": len(os.sched_getaffinity(0)), "pinned_to_core": benchmark.machine.core,
                        "load_before": os.getloadavg()[0], "system": platform.platform()},
            "versions": benchmark.versions,
            "cuttle_sha256": sha256(program)}


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def heading(results):
    machine, versions = results["machine"], results["versions"]
    own = ", ".join(f"{name} {version}" for name, version in versions["own"].items())
    peers = ", ".join(f"{name} {version}" for name, version in versions.get("peers", {}).items())
    where = "not pinned" if machine["pinned_to_core"] is None else f"all on core {machine['pinned_to_core']}"
    return "\n".join([
        f"{machine['cpu']}, {machine['cores']} cores, {machine['instruction_set']}; one thread each, {where};"
        f" load before: {machine['load_before']:.2f}",
        f"cuttle {results['commit'][:10]}{' and changes' if results['tree_is_changed'] else ''}; {own}",
        *([f"libraries: {peers}"] if peers else []), contenders.EXPLAINED,
        f"ms per task ({results['clock']}): median over the rounds; gradient error: against float64 PyTorch, norms,"
        " median over the tasks"])


def relative(ours, theirs):
    """Norm of the difference over all parameters, relative to that of theirs."""
    if set(ours) != set(theirs):
        return float("inf")
    pairs = [(ours[name].astype("f8"), theirs[name].astype("f8")) for name in theirs]
    return float(np.sqrt(sum(((a - b)**2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs)))


def by_task(ours, theirs):
    """The relative differences of stacked gradients, task by task."""
    count = len(next(iter(theirs.values())))
    return [relative({name: value[task] for name, value in ours.items()},
                     {name: value[task] for name, value in theirs.items()}) for task in range(count)]


def summary(results, exact):
    """{contender: its numbers} from the times of the rounds and the gradients; `exact` has those of each task."""
    ours, told = results["cuttle"]["gradients"][1], {}
    for name, one in results.items():
        ms, (mean, each) = one["rounds"], one["gradients"]
        ratios = [theirs / mine for theirs, mine in zip(ms, results["cuttle"]["rounds"])]
        errors = by_task(each, exact)
        told[name] = {"ms_per_task": statistics.median(ms), "min": min(ms), "max": max(ms),
                      "ratio_to_cuttle": statistics.median(ratios), "error": statistics.median(errors),
                      "worst_error": max(errors), "difference_from_cuttle": statistics.median(by_task(each, ours)),
                      "mb_above_idle": one["mb_above_idle"], "rounds": ms, "errors": errors,
                      "mean_against_tasks": relative(mean, {key: value.mean(0) for key, value in each.items()})}
    return told


def aligned(rows):
    """Columns of text; the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) if column else cell.ljust(width)
                      for column, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]


def milliseconds(value):
    return f"{value:.2f}" if value >= 1 else f"{value:.4f}"


def case_table(case):
    rows = [COLUMNS]
    for name, one in case["contenders"].items():
        rows.append((name, *(milliseconds(one[key]) for key in ("ms_per_task", "min", "max")),
                     f"{one['ratio_to_cuttle']:.2f}", shown(one["error"]), shown(one["worst_error"]),
                     "-" if name == "cuttle" else shown(one["difference_from_cuttle"]),
                     f"{one['mb_above_idle']:.0f}"))
    left_out = [f"without {name}: {why}" for name, why in case["left_out"].items()]
    return "\n".join([case["title"], case["sizes"], *aligned(rows), *of_peak(case), *left_out])


def shown(error):
    """A gradient of other parameters cannot be compared."""
    return f"{error:.1e}" if np.isfinite(error) else "-"


def learner_table(cases):
    """One line for each learner: cuttle, and whoever else was fastest."""
    rows = [("learner", "cuttle, ms per task", "fastest other", "ratio to cuttle", "gradient error")]
    for case in cases:
        others = {name: one["ratio_to_cuttle"] for name, one in case["contenders"].items()
                  if not name.startswith("cuttle")}
        best = min(others, key=others.get, default="-")
        ours = case["contenders"]["cuttle"]
        rows.append((case["title"], milliseconds(ours["ms_per_task"]), best,
                     f"{others[best]:.2f}" if others else "-", shown(ours["error"])))
    return "\n".join(aligned(rows))


def of_peak(case):
    """How near cuttle comes to the machine's convolutions."""
    gflop, peak = case["gflop_per_task"], case["convolution_peak"]
    if gflop is None:
        return []
    reached = gflop / case["contenders"]["cuttle"]["ms_per_task"] * 1e3
    return [f"cuttle: {gflop:.2f} GFLOP of convolutions a task, {reached:.0f} GFLOP/s everything included,"
            f" {100 * reached / peak:.0f} % of PyTorch's best convolution in this run ({peak:.0f} GFLOP/s)"]


def memory_table(workload, curve):
    steps = sorted({count for one in curve.values() for count in one})
    rows = [("MB above idle at inner steps:", *map(str, steps))]
    rows += [(name, *(f"{one[count]:.0f}" if count in one else "-" for count in steps)) for name, one in curve.items()]
    return "\n".join([f"{workload}, second order, a fresh process each (jax: with its compiler)", *aligned(rows)])


def colour(name):
    order = ["cuttle", *contenders.NAMES]
    return f"C{order.index('cuttle' if name.startswith('cuttle') else name)}"


def plot_speed(results, path):
    """One panel a case: median times, with a line from the fastest round to the slowest."""
    cases = results["cases"]
    if not cases:
        return
    columns = min(2, len(cases))
    rows = -(-len(cases) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(6.5 * columns, 3.4 * rows), squeeze=False)
    for axis in axes.flat[len(cases):]:
        axis.set_visible(False)
    for case, axis in zip(cases, axes.flat):
        for row, (name, one) in enumerate(case["contenders"].items()):
            axis.barh(row, one["ms_per_task"], color=colour(name), alpha=1.0 if name == "cuttle" else 0.55)
            axis.plot([one["min"], one["max"]], [row, row], color="black", linewidth=1)
            axis.text(one["max"], row, f"  {one['ms_per_task']:.3g} ms, {one['ratio_to_cuttle']:.2f}x", va="center")
        axis.set_yticks(range(len(case["contenders"])), list(case["contenders"]))
        axis.invert_yaxis()
        axis.set_xlim(0, 1.35 * max(one["max"] for one in case["contenders"].values()))
        axis.set_title(f"{case['title']}\n{case['sizes']}", fontsize=8)
        axis.set_xlabel("ms per task")
    save(figure, results, path)


def plot_memory(results, path):
    curves = results["memory_mb_above_idle"]
    if not curves:
        return
    figure, axes = pyplot.subplots(1, len(curves), figsize=(6.5 * len(curves), 4), squeeze=False)
    for (workload, curve), axis in zip(curves.items(), axes.flat):
        for name, one in curve.items():
            axis.plot(list(one), list(one.values()), marker="o", color=colour(name), label=name,
                      linewidth=2.5 if name == "cuttle" else 1)
        axis.set_title(f"{workload}, second order", fontsize=9)
        axis.set_xlabel("inner steps")
        axis.set_xticks(sorted({count for one in curve.values() for count in one}))
        axis.set_ylabel("MB above idle")
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8)
    save(figure, results, path)


def save(figure, results, path):
    machine = results["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['instruction_set']}, one thread each", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
