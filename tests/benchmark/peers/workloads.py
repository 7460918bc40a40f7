"""The workloads: sizes, and the tasks and weights that every contender gets."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "app"))

import plain_torch  # noqa: E402

# A ReLU or max-pool within rounding of its kink goes either way, in one float32 program or the next, and the inner loop
# amplifies that. The seeds give tasks that seldom do: float64 has the same gradient when every pixel moves by 3e-7.
WORKLOADS = {
    "W1": {"algorithm": "maml", "channels": 1, "side": 28, "width": 64, "way": 5, "shot": 1, "query": 15,
           "inner_lr": 0.4, "tasks": 8, "inner_steps": (1, 5), "seeds": (3, 4, 7, 17, 18, 19, 25, 26)},
    "W2": {"algorithm": "maml", "channels": 3, "side": 84, "width": 32, "way": 5, "shot": 1, "query": 15,
           "inner_lr": 0.1, "tasks": 4, "inner_steps": (5, ), "seeds": (7, 9, 10, 12)},
    "protonet": {"algorithm": "protonet", "channels": 1, "side": 28, "width": 64, "way": 20, "shot": 1, "query": 5,
                 "inner_lr": 0.0, "tasks": 8, "inner_steps": (0, ), "seeds": (3, 4, 6, 8, 20, 25, 26, 27)},
    "W3": {"algorithm": "maml", "model": "mlp", "width": 40, "depth": 2, "way": 1, "shot": 10, "query": 10,
           "inner_lr": 0.01, "tasks": 25, "inner_steps": (1, 5), "seeds": (), "passes": 20},
}


def problems(name, inner_steps=None, first_order=False, **sizes):
    """The problems of a workload: one for each number of inner steps and order. `sizes` replace those of the table."""
    workload = {**WORKLOADS[name], **{key: value for key, value in sizes.items() if value is not None}}
    steps = workload.pop("inner_steps")
    if workload["algorithm"] != "maml":
        return [{"workload": name, **workload, "inner_steps": 0, "order": 1}]
    return [{"workload": name, **workload, "inner_steps": count, "order": order}
            for order in ((2, 1) if first_order else (2, )) for count in inner_steps or steps]


def title(problem):
    if problem["algorithm"] != "maml":
        return problem["workload"]
    return "{workload}, {inner_steps} inner step{s}, {order} order".format(**{
        **problem, "s": "" if problem["inner_steps"] == 1 else "s", "order": ("first", "second")[problem["order"] - 1]})


def is_mlp(problem):
    return problem.get("model") == "mlp"


def sizes_in_words(problem):
    if is_mlp(problem):
        return ("sinusoids, 1{hidden}-1 perceptron, {shot} + {query} points, {tasks} tasks a pass, inner_lr {inner_lr}"
                .format(**problem, hidden=f"-{problem['width']}" * problem["depth"]))
    text = ("Conv4-{width}, {channels}x{side}x{side}, {way}-way {shot}-shot, {queries} queries, {tasks} tasks a pass"
            .format(**problem, queries=problem["way"] * problem["query"]))
    return f"{text}, inner_lr {problem['inner_lr']}" if problem["algorithm"] == "maml" else text


def gflop_per_task(problem):
    """Of the convolutions, one by one without tricks; None for other models. A backward pass takes two products, one in
    the first block; a Hessian-vector product six, three in the first block, with the tangents' forward pass."""
    if is_mlp(problem):
        return None
    sides = [problem["side"] >> block for block in range(4)]
    inputs = [problem["channels"], *[problem["width"]] * 3]
    blocks = [18 * side * side * count * problem["width"] for side, count in zip(sides, inputs)]
    first, rest = blocks[0], sum(blocks[1:])
    images = {part: problem["way"] * problem[key] for part, key in (("support", "shot"), ("query", "query"))}
    step = 3 * rest + 2 * first + (6 * rest + 3 * first if problem["order"] == 2 else 0)
    if problem["algorithm"] == "maml":
        return 1e-9 * (images["query"] * (3 * rest + 2 * first) + problem["inner_steps"] * images["support"] * step)
    return 1e-9 * sum(images.values()) * (3 * rest + 2 * first)


def write(problem, folder):
    """Writes tasks and weights, cuttle's config, and problem.json, which names them; gives the path of the last."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [*problem["seeds"], *range(1000, 1000 + problem["tasks"])][:problem["tasks"]]
    files = write_tasks([draw_task(problem, seed) for seed in seeds], folder)
    save_file({name: value.detach() for name, value in draw_weights(problem).items()}, files["parameters"])
    algorithm = "fomaml" if problem["algorithm"] == "maml" and problem["order"] == 1 else problem["algorithm"]
    (folder / "cuttle.yaml").write_text(
        "data: {shards: [unused.h5]}\n"
        f"model: {{encoders: {{{encoder_of(problem)}}}}}\n"
        f"adapt: {{algorithm: {algorithm}, inner_steps: {max(1, problem['inner_steps'])},"
        f" inner_lr: {problem['inner_lr'] or 0.1}}}\nthreads: 1\n", encoding="utf-8")
    path = folder / "problem.json"
    path.write_text(json.dumps({**problem, "files": files}, indent=2) + "\n", encoding="utf-8")
    return path


def write_tasks(drawn, folder):
    """The files of all tasks and of each, and where the parameters will be."""
    files = {name: str(folder / f"{name}.safetensors") for name in ("tasks", "parameters")}
    files["each_task"] = [str(folder / f"task-{task}.safetensors") for task in range(len(drawn))]
    save_file({name: torch.stack([task[name] for task in drawn]) for name in drawn[0]}, files["tasks"])
    for task, path in zip(drawn, files["each_task"]):
        save_file({name: value[None].contiguous() for name, value in task.items()}, path)
    return files


def encoder_of(problem):
    if is_mlp(problem):
        return f"x: {{type: mlp, width: {problem['width']}, depth: {problem['depth']}}}"
    return f"image: {{type: conv4, width: {problem['width']}, depth: 4, norm: batch}}"


def model_of(problem):
    if is_mlp(problem):
        return plain_torch.Mlp(1, [problem["width"]] * problem["depth"], 1)
    side = problem["side"] // 16  # four times halved, rounded down
    way = problem["way"] if problem["algorithm"] == "maml" else 0
    return plain_torch.Conv4(problem["channels"], problem["width"], problem["width"] * side * side, way)


def draw_weights(problem):
    """PyTorch's own, but for a small embedding and head: at the rates of the workloads the inner loop would diverge."""
    torch.manual_seed(0)
    model = model_of(problem)
    if is_mlp(problem):
        return dict(model.named_parameters())
    torch.nn.init.constant_(model.encoder["image"]["3"]["norm"].weight, 0.1)
    if hasattr(model, "head"):
        for value in model.head.parameters():
            value.data *= 0.1
    return dict(model.named_parameters())


def draw_task(problem, seed):
    """A smooth image for each class, and noise; or points of a sinusoid (Finn et al. 2017)."""
    generator = torch.Generator().manual_seed(seed)
    if is_mlp(problem):
        return draw_sinusoid(problem, generator)
    way, channels, side = problem["way"], problem["channels"], problem["side"]
    coarse = torch.randn(way, channels, 7, 7, generator=generator)
    smooth = 1.5 * torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    arrays = {}
    for name, count in (("support", problem["shot"]), ("query", problem["query"])):
        noise = torch.randn(way, count, channels, side, side, generator=generator)
        arrays[f"{name}.image"] = (smooth[:, None] + noise).flatten(0, 1)
        arrays[f"{name}.labels"] = torch.arange(way).repeat_interleave(count)
    return arrays


def draw_sinusoid(problem, generator):
    """Amplitude in [0.1, 5], phase in [0, pi], points in [-5, 5]."""
    amplitude = 0.1 + 4.9 * torch.rand((), generator=generator)
    phase = torch.pi * torch.rand((), generator=generator)
    arrays = {}
    for name, count in (("support", problem["shot"]), ("query", problem["query"])):
        arrays[f"{name}.x"] = 10 * torch.rand(count, 1, generator=generator) - 5
        arrays[f"{name}.targets"] = amplitude * torch.sin(arrays[f"{name}.x"] - phase)
    return arrays
