"""resnet12 and transformer beside plain PyTorch on the same parameters: gradients, and what a trained model says."""

import json
import sys

import driver
import numpy as np
import plain_large
import plain_torch
import pytest
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(driver.ROOT / "data_tools"))

from cuttle_data import reader  # noqa: E402

WAY, QUERY, TASKS, SIDE, WIDTH, RATE = 3, 3, 2, 33, 4, 0.02


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def image_tasks():
    """Random images with a mean of their class, two a class in the support. A leaky ReLU or max-pool within rounding of
    its kink goes either way and the inner loop amplifies that: with this seed float64 has the same gradient when every
    pixel moves by 3e-7."""
    generator = torch.Generator().manual_seed(5)
    centres = torch.randn(TASKS, WAY, 1, 3, SIDE, SIDE, generator=generator)
    arrays = {}
    for name, count in (("support", 2), ("query", QUERY)):
        noise = torch.randn(TASKS, WAY, count, 3, SIDE, SIDE, generator=generator)
        arrays[f"{name}.image"] = (centres + 0.7 * noise).flatten(1, 2)
        arrays[f"{name}.labels"] = torch.arange(WAY).repeat_interleave(count).repeat(TASKS, 1)
    tasks = [{name: (arrays[f"{name}.image"][t], arrays[f"{name}.labels"][t]) for name in ("support", "query")}
             for t in range(TASKS)]
    return arrays, tasks


@pytest.mark.parametrize("algorithm, steps", [("maml", 1), ("maml", 5), ("fomaml", 5)])
def test_meta_gradient_of_resnet12(algorithm, steps, tmp_path):
    torch.manual_seed(3)
    model, (arrays, tasks) = plain_large.ResNet12(3, WIDTH, WAY), image_tasks()
    for name, value in model.named_parameters():  # scales and shifts that are not ones and zeros
        if value.dim() == 1 and name != "head.bias":
            torch.nn.init.normal_(value, mean=1.0 if name.endswith("weight") else 0.0, std=0.2)
    theirs = plain_torch.mean_gradient(lambda *a: plain_torch.maml_loss(*a, steps, RATE, algorithm == "maml"), model,
                                       tasks)
    files = {name: tmp_path / f"{name}.safetensors" for name in ("tasks", "parameters", "gradient")}
    save_file({name: value.contiguous() for name, value in arrays.items()}, files["tasks"])
    save_file({name: value.detach() for name, value in model.named_parameters()}, files["parameters"])
    config = tmp_path / "bench.yaml"
    config.write_text("data: {shards: [unused.h5]}\n"
                      f"model: {{encoders: {{image: {{type: resnet12, width: {WIDTH}, norm: batch}}}}}}\n"
                      f"adapt: {{algorithm: {algorithm}, inner_steps: {steps}, inner_lr: {RATE}}}\n", encoding="utf-8")
    driver.cuttle("bench", config, *(word for name, file in files.items() for word in (f"--{name}", file)))
    ours = load_file(files["gradient"])
    assert set(ours) == set(theirs)
    difference = sum((ours[name].double() - theirs[name].double()).square().sum() for name in theirs)
    assert difference.sqrt() < 1e-5 * sum(value.double().square().sum() for value in theirs.values()).sqrt()


CONFIG = """
data: {shards: [SHARDS/*.h5], modalities: [MODALITY]}
episode: {way: 3, query: 2, meta_batch_size: 2}
model: {encoders: {MODALITY: ENCODER}}
adapt: {inner_lr: RATE, inner_steps: 2}
train: {steps: 3, validate_every: 0, checkpoint_every: 3}
"""


def trained(folder, modality, encoder):
    """The folder of a run on one modality, with its data and a shard of three new classes."""
    shards = driver.make_shards(folder / "shards", "--missing", "0")
    driver.make_shards(folder / "new", "--missing", "0", "--classes", "3", "--splits", "1,0,0", "--seed", "9",
                       "--shards", "1")
    text = CONFIG.replace("RATE", str(RATE)).replace("MODALITY", modality).replace("ENCODER", encoder)
    config = driver.write_config(folder / "config.yaml", shards, text)
    driver.train(config, folder / "run")
    return config


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_trained_transformer_says_what_pytorchs_does(steps, tmp_path):
    trained(tmp_path, "text", "{type: transformer, width: 64, depth: 2}")
    exported = load_file(f"{driver.inspect(tmp_path / 'run')['last_checkpoint']}/parameters.safetensors")
    model = plain_large.Transformer(64, 2, 2, WAY)
    model.load_state_dict(exported)  # strict: the same names and shapes
    (file, ) = (tmp_path / "new").glob("*.h5")
    driver.cuttle("adapt", tmp_path / "run", "--support", file, "--out", tmp_path / "adapted", "--calibrate", "0",
                  f"adapt.inner_steps={steps}")
    lines = driver.cuttle("predict", tmp_path / "adapted", file, "--json").stdout.splitlines()
    ours, shard = [json.loads(line) for line in lines], reader.Shard(str(file))
    tokens = plain_large.tokens_of([bytes(shard.read(row, "text")).decode() for row in range(len(ours))])
    labels = torch.from_numpy(np.asarray(shard.sample_class)).long()
    theta = plain_torch.adapt(model, dict(model.named_parameters()), tokens, labels, steps, RATE, False)
    probability = torch.softmax(torch.func.functional_call(model, theta, (tokens, )), 1)
    best = probability.max(1).values.detach().numpy()
    assert np.allclose([record["probability"] for record in ours], best, rtol=1e-5 if steps < 5 else 1e-4)


@pytest.mark.parametrize("modality, encoder", [("image", "{type: resnet12, width: 2}"),
                                               ("text", "{type: transformer, width: 16, depth: 1}"),
                                               ("series", "{type: transformer, width: 16, depth: 1}")])
def test_three_ranks_compute_what_one_does(modality, encoder, tmp_path):
    config = trained(tmp_path, modality, encoder)
    driver.train(config, tmp_path / "three", ranks=3)
    alone, three = (driver.inspect(tmp_path / run) for run in ("run", "three"))
    assert alone["parameters_sha256"] == three["parameters_sha256"] and three["world_sizes"] == [3]


@pytest.mark.parametrize("modality, encoder, key", [("image", "{type: resnet12, depth: 3}", "encoders.image.depth"),
                                                    ("text", "{type: resnet12}", "encoders.text.type"),
                                                    ("series", "{type: transformer, width: 48}",
                                                     "encoders.series.width")])
def test_what_cannot_be_is_refused_by_key(modality, encoder, key, shards, tmp_path):
    text = CONFIG.replace("RATE", str(RATE)).replace("MODALITY", modality).replace("ENCODER", encoder)
    config = driver.write_config(tmp_path / "config.yaml", shards, text)
    assert f"model.{key}" in driver.train(config, tmp_path / "run", code=driver.USER_ERROR).stderr
