"""Predictions over many numbers of ranks: tables, where the alternatives begin to pay, a plot."""

import dataclasses
import math

import step_model

NOW = step_model.SCHEMES[0]
# What else is sent could be had without giving up exactness; the schemes after it would give that up.
EXACT = step_model.SCHEMES[1]
PAYS = 0.05  # of the step
SMALLEST, LARGEST = 1000, 10**10  # parameters


@dataclasses.dataclass(frozen=True)
class Plan:
    """How many tasks a step has: a fixed number a rank, or in all."""
    tasks_per_rank: int = 4
    tasks_per_step: int = 0

    def tasks(self, ranks):
        return self.tasks_per_step or self.tasks_per_rank * ranks


def predict(machine, work, plan, ranks):
    """One row: the step in all its parts, for every scheme."""
    schemes = {}
    for scheme in step_model.SCHEMES:
        step = step_model.step(machine, work, plan.tasks(ranks), ranks, scheme)
        efficiency = step_model.efficiency(machine, work, plan.tasks, ranks, scheme)
        schemes[scheme.name] = {**dataclasses.asdict(step), "total_s": step.total_s, "efficiency": efficiency}
    return {"ranks": ranks, "tasks": plan.tasks(ranks), "schemes": schemes}


def saving(machine, work, plan, ranks, scheme, against=NOW):
    """The part of a step that the scheme saves."""
    tasks = plan.tasks(ranks)
    before = step_model.step(machine, work, tasks, ranks, against).total_s
    return 1.0 - step_model.step(machine, work, tasks, ranks, scheme).total_s / before


def pays_from_ranks(machine, work, plan, all_ranks, scheme, against=NOW):
    """The first number of ranks at which the scheme saves enough, or None."""
    return next((ranks for ranks in all_ranks if saving(machine, work, plan, ranks, scheme, against) > PAYS), None)


def pays_from_parameters(machine, work, plan, ranks, scheme, against=NOW):
    """The smallest model, to one part in 50, for which the scheme saves enough though a task takes no longer."""
    def enough(parameters):
        other = dataclasses.replace(work, parameters=parameters)
        return saving(machine, other, plan, ranks, scheme, against) > PAYS

    sizes = [round(SMALLEST * 1.02**power) for power in range(int(math.log(LARGEST / SMALLEST, 1.02)) + 1)]
    return next((size for size in sizes if enough(size)), None)


def crossovers(machine, models, plan, all_ranks):
    """Per model and alternative: where it pays against what there is, and against the best exact way of sending."""
    rows = []
    for name, work in models.items():
        for scheme in step_model.SCHEMES[1:]:
            rows.append({"model": name, "scheme": scheme.name,
                         "ranks": pays_from_ranks(machine, work, plan, all_ranks, scheme),
                         "ranks_against_scattered": pays_from_ranks(machine, work, plan, all_ranks, scheme, EXACT)})
    return rows


def size_crossovers(machine, work, plan, all_ranks):
    """Per alternative and a few numbers of ranks: the size of model from which it pays."""
    some = sorted({all_ranks[0], all_ranks[len(all_ranks) // 2], all_ranks[-1]})
    return [{"scheme": scheme.name, "ranks": ranks,
             "parameters": pays_from_parameters(machine, work, plan, ranks, scheme),
             "parameters_against_scattered": pays_from_parameters(machine, work, plan, ranks, scheme, EXACT)}
            for scheme in step_model.SCHEMES[1:] for ranks in some]


def duration(seconds):
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * size:
            value = seconds / size
            return f"{value:.{max(0, 2 - int(math.log10(value)))}f} {unit}" if value < 1000 else f"{value:.0f} {unit}"
    return "0"


def count(number):
    return "never" if number is None else "any" if number == SMALLEST else f"{number:,}"


def aligned(rows):
    """Columns of text; the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [("  ".join(cell.rjust(width) if column else cell.ljust(width)
                       for column, (cell, width) in enumerate(zip(row, widths)))).rstrip() for row in rows]


def model_table(name, work, rows):
    head = ("ranks", "tasks", "step", "compute", "wait", "convert", "network", "efficiency",
            *(scheme.name for scheme in step_model.SCHEMES[1:]))
    cells = [head]
    for row in rows:
        now = row["schemes"][NOW.name]
        # + 0.0 makes 0.0 of -0.0
        saved = [round(100.0 * (1.0 - row["schemes"][scheme.name]["total_s"] / now["total_s"]), 1) + 0.0
                 for scheme in step_model.SCHEMES[1:]]
        cells.append((f"{row['ranks']:,}", f"{row['tasks']:,}", duration(now["total_s"]), duration(now["compute_s"]),
                      duration(now["wait_s"]), duration(now["local_s"]), duration(now["network_s"]),
                      f"{now['efficiency']:.3f}", *(f"{part:.1f} %" for part in saved)))
    title = f"{name}: {work.parameters:,} parameters, {duration(work.task_s)} a task, spread {100 * work.spread:.1f} %"
    return [title, *aligned(cells)]


def crossover_tables(by_ranks, by_size, of_model):
    first = [("saves over 5 % of the step", "from ranks", "against scattered")]
    first += [(f"{row['model']}, {row['scheme']}", count(row["ranks"]), "" if row["scheme"] == EXACT.name else
               count(row["ranks_against_scattered"])) for row in by_ranks]
    second = [(f"with the tasks of {of_model}", "ranks", "from parameters", "against scattered")]
    second += [(row["scheme"], f"{row['ranks']:,}", count(row["parameters"]), "" if row["scheme"] == EXACT.name else
                count(row["parameters_against_scattered"])) for row in by_size]
    return [*aligned(first), "", *aligned(second)]


def check_table(rows):
    cells = [("real runs", "step: measured", "predicted", "predicted / measured", "beside compute: measured",
              "predicted")]
    cells += [(row["where"], duration(row["measured_s"]), duration(row["predicted_s"]),
               f"{row['predicted_s'] / row['measured_s']:.2f}", duration(row["measured_rest_s"]),
               duration(row["predicted_rest_s"])) for row in rows]
    return aligned(cells)


def plot(results, path):
    """Efficiency against ranks, a colour for each model: solid as it is, dashed with the scattered all-reduce."""
    import matplotlib  # the predictions need none of it, and it takes a second to load
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axis = pyplot.subplots(figsize=(8, 4.8))
    for number, model in enumerate(results["models"]):
        for name, style in ((NOW.name, "-"), (EXACT.name, "--")):
            values = [row["schemes"][name]["efficiency"] for row in model["rows"]]
            label = f"{model['name']}, {duration(model['work']['task_s'])} a task" if name == NOW.name else None
            axis.plot([row["ranks"] for row in model["rows"]], values, style, color=f"C{number}", label=label,
                      marker="o" if style == "-" else None, markersize=4)
    axis.plot([], [], "k-", marker="o", markersize=4, label="as cuttle and Open MPI do it")
    axis.plot([], [], "k--", label="same sum, data scattered (Rabenseifner)")
    axis.set_xscale("log", base=2)
    ticks = [row["ranks"] for row in results["models"][0]["rows"]]
    axis.set_xticks(ticks, [f"{rank:,}" for rank in ticks], rotation=35)
    lowest = min(row["schemes"][NOW.name]["efficiency"] for model in results["models"] for row in model["rows"])
    axis.set_ylim(max(0.0, math.floor(10 * lowest - 2) / 10), 1.02)  # room for the legend below
    axis.set_xlabel("ranks")
    axis.set_ylabel("parallel efficiency (predicted)")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="lower left")
    axis.set_title(results["setting"], fontsize=8)
    figure.tight_layout()
    try:
        figure.savefig(path, dpi=130)
    finally:
        pyplot.close(figure)
