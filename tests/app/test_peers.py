"""Peers read us and we read them (D8): plain PyTorch on the same parameters and tasks computes the same numbers."""

import json
import sys

import driver
import numpy as np
import plain_torch
import pytest
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(driver.ROOT / "data_tools"))

from cuttle_data import reader  # noqa: E402

WAY, SHOT, QUERY, TASKS, SIDE, WIDTH, RATE = 5, 1, 3, 2, 28, 32, 0.1


def conv4(way):
    """With scales and shifts of the norms that are not ones and zeros."""
    torch.manual_seed(3)
    model = plain_torch.Conv4(1, WIDTH, WIDTH, way)
    for name, value in model.named_parameters():
        if ".norm." in name:
            torch.nn.init.normal_(value, mean=1.0 if name.endswith("weight") else 0.0, std=0.2)
    return model


def random_tasks():
    generator = torch.Generator().manual_seed(4)
    centres = torch.randn(TASKS, WAY, 1, SIDE, SIDE, generator=generator)

    def draw(count):
        noise = torch.randn(TASKS, WAY, count, 1, SIDE, SIDE, generator=generator)
        images = (centres[:, :, None] + 0.7 * noise).flatten(1, 2)
        return images, torch.arange(WAY).repeat_interleave(count).repeat(TASKS, 1)

    support, query = draw(SHOT), draw(QUERY)
    arrays = {"support.image": support[0], "support.labels": support[1], "query.image": query[0],
              "query.labels": query[1]}
    tasks = [{"support": (support[0][t], support[1][t]), "query": (query[0][t], query[1][t])} for t in range(TASKS)]
    return arrays, tasks


def our_gradient(config, model, arrays, *options):
    folder = config.parent
    save_file({name: value.contiguous() for name, value in arrays.items()}, folder / "tasks.safetensors")
    save_file({name: value.detach() for name, value in model.named_parameters()}, folder / "parameters.safetensors")
    driver.cuttle("bench", config, *options, "--tasks", folder / "tasks.safetensors", "--parameters",
                  folder / "parameters.safetensors", "--gradient", folder / "gradient.safetensors")
    return load_file(folder / "gradient.safetensors")


def relative(ours, theirs):
    """Norm of the difference over all parameters, relative to that of theirs."""
    assert set(ours) == set(theirs)
    difference = sum((ours[name].double() - theirs[name].double()).square().sum() for name in theirs)
    return float((difference / sum(value.double().square().sum() for value in theirs.values())).sqrt())


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(name="config")
def config_of_bench(tmp_path):
    """bench takes a config for the model; its data section is not used."""
    path = tmp_path / "bench.yaml"
    path.write_text("data: {shards: [unused.h5]}\n"
                    f"model: {{encoders: {{image: {{type: conv4, width: {WIDTH}, depth: 4, norm: batch}}}}}}\n"
                    f"adapt: {{inner_lr: {RATE}}}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("steps", [1, 5])
def test_second_order_meta_gradient(steps, config):
    model, (arrays, tasks) = conv4(WAY), random_tasks()
    theirs = plain_torch.mean_gradient(lambda *a: plain_torch.maml_loss(*a, steps, RATE), model, tasks)
    assert relative(our_gradient(config, model, arrays, f"adapt.inner_steps={steps}"), theirs) < 1e-4
    first_order = our_gradient(config, model, arrays, f"adapt.inner_steps={steps}", "adapt.algorithm=fomaml")
    assert relative(first_order, theirs) > 1e-2  # the second order is there


@pytest.mark.parametrize("steps", [1, 5])
def test_first_order_meta_gradient(steps, config):
    """At the adapted parameters, as if they were leaves."""
    model, (arrays, tasks) = conv4(WAY), random_tasks()
    theirs = plain_torch.mean_gradient(lambda *a: plain_torch.maml_loss(*a, steps, RATE, False), model, tasks)
    ours = our_gradient(config, model, arrays, f"adapt.inner_steps={steps}", "adapt.algorithm=fomaml")
    assert relative(ours, theirs) < 1e-4


@pytest.mark.parametrize("weights", ["balanced", "none"])
def test_uneven_supports_count_as_the_key_says(weights, config):
    """Class 0 has more shots than the others; the plain loss is PyTorch's, the balanced one another."""
    model, (arrays, tasks) = conv4(WAY), random_tasks()
    images, labels = arrays["support.image"], arrays["support.labels"]
    arrays["support.image"] = torch.cat([images, 0.9 * images], 1)
    arrays["support.labels"] = torch.cat([labels, torch.zeros_like(labels)], 1)
    tasks = [{**task, "support": support} for task, support
             in zip(tasks, zip(arrays["support.image"], arrays["support.labels"]))]
    theirs = plain_torch.mean_gradient(lambda *a: plain_torch.maml_loss(*a, 1, RATE), model, tasks)
    ours = our_gradient(config, model, arrays, "adapt.inner_steps=1", f"episode.class_weights={weights}")
    assert (relative(ours, theirs) < 1e-4) == (weights == "none")


def test_meta_gradient_of_protonet(config):
    model, (arrays, tasks) = conv4(0), random_tasks()
    theirs = plain_torch.mean_gradient(plain_torch.protonet_loss, model, tasks)
    assert relative(our_gradient(config, model, arrays, "adapt.algorithm=protonet"), theirs) < 1e-4


@pytest.mark.parametrize("algorithm", ["maml", "fomaml"])
@pytest.mark.parametrize("fused", ["true", "false"])
def test_meta_gradient_of_a_regression(algorithm, fused, tmp_path):
    """Sinusoids of Finn et al. 2017, on own kernels and on LibTorch's operations."""
    torch.manual_seed(5)
    model = plain_torch.Mlp(1, [40, 40], 1)
    x = {name: 10 * torch.rand(TASKS, 10, 1) - 5 for name in ("support", "query")}
    arrays = {f"{name}.x": values for name, values in x.items()}
    arrays.update({f"{name}.targets": 3 * torch.sin(values - 0.5) for name, values in x.items()})
    tasks = [{name: (x[name][t], arrays[f"{name}.targets"][t]) for name in x} for t in range(TASKS)]
    second_order = algorithm == "maml"
    theirs = plain_torch.mean_gradient(lambda *a: plain_torch.maml_loss(*a, 5, 0.01, second_order), model, tasks)
    config = tmp_path / "bench.yaml"
    config.write_text("data: {shards: [unused.h5]}\n"
                      f"model: {{encoders: {{x: {{type: mlp, width: 40, depth: 2, fused: {fused}}}}}}}\n"
                      f"adapt: {{algorithm: {algorithm}, inner_steps: 5, inner_lr: 0.01}}\n", encoding="utf-8")
    assert relative(our_gradient(config, model, arrays), theirs) < 1e-5
    arrays["query.targets"] = arrays["query.targets"].expand(-1, -1, 2).contiguous()
    save_file(arrays, tmp_path / "wrong.safetensors")
    words = ["--tasks", tmp_path / "wrong.safetensors", "--parameters", tmp_path / "parameters.safetensors"]
    result = driver.cuttle("bench", config, *words, "--gradient", tmp_path / "g", code=driver.USER_ERROR)
    assert "query.targets" in result.stderr and not (tmp_path / "g").exists()


def test_targets_with_deviations_stay_what_the_config_asks_for(tmp_path):
    """`gaussian` has two outputs a value, and both learn."""
    x, targets = torch.zeros(TASKS, 3, 2), torch.full((TASKS, 3, 1), 2.0)
    save_file({"support.x": x, "query.x": x.clone(), "support.targets": targets, "query.targets": 2 * targets},
              tmp_path / "tasks.safetensors")
    config = tmp_path / "bench.yaml"
    config.write_text("data: {shards: [unused.h5]}\nepisode: {target: gaussian, way: 1}\n"
                      "model: {encoders: {x: {type: mlp, width: 4, depth: 1}}}\n"
                      "adapt: {algorithm: caml, width: 4, layers: 1, copy: false}\n", encoding="utf-8")
    files = {name: tmp_path / f"{name}.safetensors" for name in ("initial", "gradient")}
    driver.cuttle("bench", config, "--tasks", tmp_path / "tasks.safetensors",
                  *(word for name, file in files.items() for word in (f"--{name}", file)))
    assert load_file(files["initial"])["learner.head.weight"].shape == (2, 4)
    assert load_file(files["gradient"])["learner.head.weight"].abs().sum(1).gt(0).all()


def test_given_tasks_are_timed(config):
    model, (arrays, _) = conv4(WAY), random_tasks()
    once = our_gradient(config, model, arrays)
    files = {name: config.parent / f"{name}.safetensors" for name in ("tasks", "parameters", "gradient")}
    words = [word for name, file in files.items() for word in (f"--{name}", file)]
    told = driver.cuttle_json("bench", config, *words, "--steps", "2", "--warmup", "1")
    assert list(told) == ["tasks", "ms_per_task", "cpu_ms_per_task", "steps", "peak_rss_mb", "idle_rss_mb"]
    assert (told["tasks"], told["steps"]) == (TASKS, 2) and told["ms_per_task"] > 0 and told["cpu_ms_per_task"] > 0
    assert told["peak_rss_mb"] >= told["idle_rss_mb"] > 0
    assert all(torch.equal(value, once[name]) for name, value in load_file(files["gradient"]).items())
    assert "ms per task" in driver.cuttle("bench", config, *words).stdout


def test_the_config_gives_the_parameters_where_no_file_does(config):
    """The same gradient as from the file that they are written to."""
    arrays, _ = random_tasks()
    save_file({name: value.contiguous() for name, value in arrays.items()}, config.parent / "tasks.safetensors")
    files = {name: config.parent / f"{name}.safetensors" for name in ("initial", "first", "second")}
    words = ["bench", config, "--tasks", config.parent / "tasks.safetensors", "adapt.algorithm=relation"]
    driver.cuttle(*words, "--initial", files["initial"], "--gradient", files["first"])
    parameters = load_file(files["initial"])
    assert {"encoder.image.0.conv.weight", "learner.part0.2.bias"} <= set(parameters)
    driver.cuttle(*words, "--parameters", files["initial"], "--gradient", files["second"])
    first, second = load_file(files["first"]), load_file(files["second"])
    assert all(torch.equal(first[name], second[name]) for name in parameters)
    for more in ([], ["--initial", files["initial"], "--parameters", files["initial"]]):
        message = driver.cuttle(*words, *more, "--gradient", files["first"], code=driver.USER_ERROR).stderr
        assert "needs --parameters, or --initial" in message


def test_tasks_without_support_are_minibatches_of_all_classes(config):
    """What a supervised classifier learns from; here of features that its model leaves alone."""
    generator = torch.Generator().manual_seed(6)
    x, labels = torch.randn(TASKS, 12, 5, generator=generator), torch.arange(12).remainder(4).repeat(TASKS, 1)
    save_file({"query.x": x, "query.labels": labels}, config.parent / "tasks.safetensors")
    p = {"learner.weight": torch.randn(4, 5, generator=generator), "learner.bias": torch.zeros(4)}
    save_file(p, config.parent / "parameters.safetensors")
    config.write_text("{data: {shards: [unused.h5]}, episode: {source: minibatches}, adapt: {algorithm: pretrain},"
                      " model: {encoders: {x: {type: mlp, depth: 0}}}}", encoding="utf-8")
    driver.cuttle("bench", config, *(word for name in ("tasks", "parameters", "gradient")
                                     for word in (f"--{name}", config.parent / f"{name}.safetensors")))
    ours = load_file(config.parent / "gradient.safetensors")
    for value in p.values():
        value.requires_grad_()
    outputs = torch.nn.functional.linear(x, *p.values())
    torch.nn.functional.cross_entropy(outputs.flatten(0, 1), labels.flatten()).backward()
    assert relative(ours, {name: value.grad for name, value in p.items()}) < 1e-5


def test_tasks_that_do_not_fit_are_refused(config):
    model, (arrays, _) = conv4(WAY), random_tasks()
    for name, value, word in (("query.labels", arrays["query.labels"] + 1, "query.labels"),
                              ("support.image", arrays["support.image"][:, 1:], "support.image"),
                              ("support.labels", arrays["support.labels"].float(), "support.labels")):
        save_file({**arrays, name: value.contiguous()}, config.parent / "wrong.safetensors")
        save_file({name: value.detach() for name, value in model.named_parameters()}, config.parent / "p.safetensors")
        words = ["--tasks", config.parent / "wrong.safetensors", "--parameters", config.parent / "p.safetensors"]
        result = driver.cuttle("bench", config, *words, "--gradient", config.parent / "g", code=driver.USER_ERROR)
        assert word in result.stderr and not (config.parent / "g").exists()


@pytest.fixture(scope="module", name="run")
def trained_conv4(tmp_path_factory):
    """A run of a whole Conv4 on images alone; its shards; a shard of new classes, alone."""
    folder = tmp_path_factory.mktemp("conv4")
    shards = driver.make_shards(folder / "shards", "--missing", "0", "--size", str(SIDE))
    driver.make_shards(folder / "new", "--missing", "0", "--size", str(SIDE), "--classes", "3", "--splits", "1,0,0",
                       "--seed", "9", "--shards", "1")
    config = folder / "config.yaml"
    config.write_text(f"data: {{shards: [{shards}/*.h5], modalities: [image]}}\n"
                      "episode: {way: 3, query: 2, meta_batch_size: 2}\n"
                      f"model: {{encoders: {{image: {{type: conv4, width: {WIDTH}, depth: 4, norm: batch}}}}}}\n"
                      "train: {steps: 3, validate_every: 0}\n", encoding="utf-8")
    driver.train(config, folder / "run")
    return folder


def read_images(folder, normalised_as):
    """Images [n, C, H, W], labels and names of the only shard of a folder, normalised as that of another folder."""
    shard, like = (reader.Shard(str(next(path.glob("*.h5")))) for path in (folder, normalised_as))
    count = len(shard.sample_names)
    images = torch.from_numpy(np.stack([shard.read(row, "image") for row in range(count)])).float() / 255.0
    (spec, ) = (modality for modality in like.modalities if modality.name == "image")
    images = (images - torch.tensor(spec.mean)) / torch.tensor(spec.stddev)
    return images.permute(0, 3, 1, 2), torch.tensor(np.asarray(shard.sample_class)).long(), shard.sample_names


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_exported_parameters_give_the_same_logits_in_plain_torch(steps, run):
    exported = load_file(f"{driver.inspect(run / 'run')['last_checkpoint']}/parameters.safetensors")
    model = plain_torch.Conv4(3, WIDTH, WIDTH, 3)
    model.load_state_dict(exported)  # strict: the same names and shapes
    (shard, ) = (run / "new").glob("*.h5")
    driver.cuttle("adapt", run / "run", "--support", shard, "--out", run / "adapted", "--calibrate", "0",
                  f"adapt.inner_steps={steps}", f"adapt.inner_lr={RATE}",
                  "evaluation.query=100")  # all samples in one batch
    lines = driver.cuttle("predict", run / "adapted", shard, "--json").stdout.splitlines()
    ours = [json.loads(line) for line in lines]
    images, labels, names = read_images(run / "new", run / "shards")
    theta = plain_torch.adapt(model, dict(model.named_parameters()), images, labels, steps, RATE, False)
    probability = torch.softmax(torch.func.functional_call(model, theta, (images, )), 1)
    assert [record["sample"] for record in ours] == list(names)
    best = probability.max(1).values.detach().numpy()
    assert np.allclose([record["probability"] for record in ours], best, rtol=1e-5 if steps < 5 else 1e-4)
