"""Workloads of one learner each: episodes of images for a Conv4, or of frozen features for a small perceptron."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import torch
import workloads
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "data_tools"))

from cuttle_data import episodes  # noqa: E402
from cuttle_data import names as fields  # noqa: E402

# The seeds as in `workloads`: where every pixel moves by 3e-7, float64's gradients after five inner steps move by 1e-6.
SIZES = {"images": {"tasks": 4, "channels": 1, "side": 28, "width": 64, "way": 5, "shot": 1, "query": 15,
                    "seeds": (2, 4, 9, 10)},
         "vectors": {"tasks": 25, "model": "mlp", "features": 384, "width": 64, "depth": 2, "linear": False, "way": 5,
                     "shot": 1, "query": 15, "seeds": ()}}
DESCENT = {"inner_steps": 5, "inner_lr": 0.05}
# Beside the learners' own defaults. Rates are small enough that a rounding error stays one; EasyFSL's matching networks
# have full context embeddings, with as many steps as there are samples; and leo's draws are its own.
SETTINGS = {"maml": DESCENT, "fomaml": DESCENT, "anil": DESCENT, "meta_sgd": DESCENT, "meta_curvature": DESCENT,
            "maml_clusters": DESCENT, "maml_pp": DESCENT, "reptile": DESCENT, "lstm": {"inner_steps": 5},
            "cavia": {"inner_lr": 0.5}, "matching": {"full_context": True, "processing_steps": 5},
            "leo": {"sampled": False}}
LEFT_OUT = ("floor", "maml_rl", "rl2")  # it learns nothing, they learn from environments
PLACE_OF_DRAWS = 4 << 16  # draws inside a task; above that stands what they are for
USES = {"support": 8, "codes": 9, "queries": 15}


def names(program):
    """Learners that learn from given samples."""
    return [name for name in sorted(listed(program)) if name not in LEFT_OUT]


@functools.lru_cache
def listed(program):
    """{learner: {key: default}}."""
    told = subprocess.run([program, "list", "learner", "--keys", "--json"], capture_output=True, text=True, check=True)
    return {name: {key: parsed(one["default"]) for key, one in row["keys"].items()}
            for name, row in json.loads(told.stdout)["learner"].items()}


def parsed(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def problem(program, learner, sense, **sizes):
    given = {key: value for key, value in sizes.items() if value is not None and key in SIZES[sense]}
    made = {"workload": f"{learner}, {sense}", "learner": learner, "sense": sense, "program": str(program),
            "linear": False, **SIZES[sense], **given,
            "settings": {**listed(program)[learner], **SETTINGS.get(learner, {})}}
    counts = {"support": made["way"] * made["shot"], "codes": made["way"], "queries": made["way"] * made["query"]}
    return {**made, "orders": {what: drawn(USES[what], count) for what, count in counts.items()}}


def drawn(use, count):
    """The order that the key of a given task draws, which is all zeros."""
    random = episodes.Random(0, fields.SPLIT_TRAIN, 0)
    random.counter_[3] = PLACE_OF_DRAWS | use << 24
    return random.sample(count, count)


def title(made):
    return made["workload"]


def gflop_per_task(_):
    """Of convolutions: what learners do beside them differs."""


def sizes_in_words(made):
    model = ("Conv4-{width}, {channels}x{side}x{side}" if made["sense"] == "images" else
             "{features} features, perceptron {width} x {depth}").format(**made)
    model += ", linear at the end" if made["linear"] else ""
    keys = ", ".join(f"{key} {value}" for key, value in SETTINGS.get(made["learner"], {}).items())
    return (f"{model}, {made['way']}-way {made['shot']}-shot, {made['way'] * made['query']} queries, {made['tasks']}"
            f" tasks a pass{', ' if keys else ''}{keys}")


def write(made, folder):
    """As workloads.write. Parameters are cuttle's initial ones, stirred."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cuttle.yaml").write_text(json.dumps(config_of(made), indent=2) + "\n", encoding="utf-8")
    seeds = [*made["seeds"], *range(1000, 1000 + made["tasks"])][:made["tasks"]]
    files = workloads.write_tasks([draw_task(made, seed) for seed in seeds], folder)
    initial = folder / "initial.safetensors"
    words = [made["program"], "bench", folder / "cuttle.yaml", "--tasks", files["each_task"][0], "--initial", initial,
             "--gradient", folder / "unused.safetensors"]
    told = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    if told.returncode != 0:
        sys.exit(f"{made['workload']}: cuttle bench ended with code {told.returncode}: {told.stderr.strip()}")
    save_file(stirred(load_file(initial)), files["parameters"])
    path = folder / "problem.json"
    path.write_text(json.dumps({**made, "files": files}, indent=2) + "\n", encoding="utf-8")
    return path


def config_of(made):
    encoder = ({"image": {"type": "conv4", "width": made["width"], "depth": 4, "norm": "batch"}}
               if made["sense"] == "images" else
               {"vector": {"type": "mlp", "width": made["width"], "depth": made["depth"], "linear": made["linear"]}})
    episode = {"way": made["way"], "shot": made["shot"], "query": made["query"]}
    if made["learner"] == "pretrain":
        episode["source"] = "minibatches"
    return {"data": {"shards": ["unused.h5"]}, "episode": episode, "model": {"encoders": encoder},
            "adapt": {"algorithm": made["learner"], **SETTINGS.get(made["learner"], {})}, "threads": 1}


def stirred(parameters):
    """What starts at a constant moves a little: a zero would hide whatever it is multiplied with."""
    generator = torch.Generator().manual_seed(1)
    for name, value in parameters.items():
        if value.numel() == 1 or value.std() == 0:
            noise = torch.randn(value.shape, generator=generator)
            parameters[name] = torch.where(value == 0, 0.02 * noise, value * (1 + 0.1 * noise))
    return parameters


def draw_task(made, seed):
    """Images as the other workloads have them; features of a class lie around a centre. For pretrain a minibatch."""
    if made["sense"] == "images":
        arrays = workloads.draw_task(made, seed)
    else:
        generator = torch.Generator().manual_seed(seed)
        way, arrays = made["way"], {}
        centres = torch.randn(way, 1, made["features"], generator=generator)
        for name, count in (("support", made["shot"]), ("query", made["query"])):
            noise = torch.randn(way, count, made["features"], generator=generator)
            arrays[f"{name}.vector"] = ((centres + 2 * noise) / 5**0.5).flatten(0, 1)
            arrays[f"{name}.labels"] = torch.arange(way).repeat_interleave(count)
    if made["learner"] == "pretrain":
        arrays = {name: value for name, value in arrays.items() if name.startswith("query.")}
    return arrays
