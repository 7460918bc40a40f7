"""Every subcommand once, end to end, on a tiny data set."""

import csv
import json
import math
import re
import shutil
import time
from pathlib import Path

import driver
import numpy as np
import pytest
from driver import cuttle, cuttle_json
from safetensors.numpy import load_file

# Every subcommand and what it needs.
SUBCOMMANDS = {"train": ["x"], "eval": ["x"], "adapt": ["x", "--support", "y", "--out", "z"], "predict": ["x", "y"],
               "embed": ["x", "y", "--out", "z"],
               "compare": ["x", "y"], "map": ["x"], "inspect": ["x"], "suggest": ["x"], "probe": ["x"],
               "bench": [], "validate": ["x"], "dump-default": []}


def test_help_names_every_subcommand():
    text = cuttle("--help").stdout
    assert all(name in text for name in SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_subcommand_has_help_and_refuses_unknown_options(name):
    assert "Usage" in cuttle(name, "--help").stdout
    words = [name, *SUBCOMMANDS[name], "--no-such-option"]
    assert "--no-such-option" in cuttle(*words, code=driver.USER_ERROR).stderr


def test_no_subcommand_and_an_unknown_one_are_user_errors():
    cuttle(code=driver.USER_ERROR)
    cuttle("trian", code=driver.USER_ERROR)


def test_validate(config, tmp_path):
    assert "is fine" in cuttle("validate", config).stdout
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("adapt: {inner_stps: 3}\nepisode: {way: none}\n", encoding="utf-8")
    message = cuttle("validate", wrong, code=driver.USER_ERROR).stderr
    assert "inner_steps" in message and "episode.way" in message and "wrong.yaml" in message
    assert "seeed" in cuttle("validate", config, "seeed=3", code=driver.USER_ERROR).stderr


def test_the_default_config_is_valid(shards, tmp_path):
    path = tmp_path / "default.yaml"
    path.write_text(cuttle("dump-default").stdout, encoding="utf-8")
    cuttle("validate", path, f"data.shards=[{shards}/*.h5]", "episode.query=2")


def test_sinks_are_listed_and_those_that_do_not_go_together_refused(config, tmp_path):
    listed = cuttle_json("list", "sinks", "--keys")["sink"]
    assert set(listed) == {"console", "jsonl", "tensorboard"}
    assert listed["console"]["keys"]["every_s"]["default"] == "10.0"
    cuttle("validate", config, "sinks.board.type=tensorboard")
    for command in (("validate", config), ("train", config, "--run-dir", tmp_path / "run")):
        message = cuttle(*command, "sinks.more.type=jsonl", code=driver.USER_ERROR).stderr
        assert "sinks.records" in message and "metrics.jsonl" in message
        assert "type: jsonl" in cuttle(*command, "sinks={records: {type: tensorboard}}", code=driver.USER_ERROR).stderr
    assert not (tmp_path / "run").exists()


def test_list_names_types_with_their_keys():
    optimizers = json.loads(cuttle("list", "optimizers", "--keys", "--json").stdout)["optimizer"]
    assert {name: list(type["keys"]) for name, type in optimizers.items()} == {
        "adam": ["beta1", "beta2", "epsilon"], "lion": ["beta1", "beta2"], "sgd": ["momentum"]}
    assert optimizers["lion"]["keys"]["beta2"]["default"] == "0.99"
    assert "Kingma" in cuttle("list", "optimizer").stdout
    assert "optimizer" in json.loads(cuttle("list", "--json").stdout)
    assert "did you mean 'optimizer'" in cuttle("list", "optimiser", code=driver.USER_ERROR).stderr


def test_keys_of_another_optimizer_are_refused_with_their_owner(config):
    answer = cuttle("validate", config, "step.optimizer=sgd", "step.beta1=0.5", code=driver.USER_ERROR)
    assert "step.beta1: unknown key; it belongs to step.optimizer: adam or lion, not to sgd" in answer.stderr


def test_a_run_folder_is_described(trained):
    told = driver.inspect(trained)
    assert told["step"] == told["steps"] == 20 and told["complete"] and not told["stopped_early"]
    assert told["algorithm"] == "maml" and told["world_sizes"] == [1] and told["tasks"] == 100
    assert len(told["parameters_sha256"]) == 64
    assert told["last_checkpoint"].endswith("step-00000020") and told["best_step"] in (10, 20)
    assert "parameters_sha256" in cuttle("inspect", trained).stdout


def test_records_of_a_run(trained):
    train = driver.metrics(trained, "train")
    assert [record["step"] for record in train] == list(range(1, 21))
    assert all(record["tasks"] == 5 and record["applied"] and record["skipped"] == 0 for record in train)
    assert all(math.isfinite(record["loss"]) and 0 <= record["accuracy"] <= 1 for record in train)
    validation = driver.metrics(trained, "validation")
    assert [record["step"] for record in validation] == [10, 20]
    assert all({"accuracy", "accuracy_ci95", "loss"} <= set(record) for record in validation)
    assert not driver.leftovers(trained) and (trained / "config.yaml").is_file()


def test_a_shard_is_described(shards):
    told = cuttle_json("inspect", next(shards.glob("*.h5")))
    assert told["samples"] == 80 and told["classes_of"] == {"train": 10, "validation": 5, "test": 5}
    assert told["target_width"] == 0
    assert [modality["name"] for modality in told["modalities"]] == ["image", "text", "audio", "series", "vector"]


def test_a_data_set_is_described_with_its_classes(shards, trained):
    told = cuttle_json("inspect", shards)
    assert told["classes_of"] == {"train": 10, "validation": 5, "test": 5} and told["shards"] == 2
    sizes = told["class_samples"]
    assert {split: len(classes) for split, classes in sizes.items()} == told["classes_of"]
    assert sum(sum(classes.values()) for classes in sizes.values()) == told["samples"]
    text = cuttle("inspect", shards).stdout
    first = ", ".join(f"{name} ({size})" for name, size in list(sizes["train"].items())[:5])
    assert f"first: {first} and 5 more (--json has all)\n" in text
    assert told["samples_per_class"]["test"]["median"] == sorted(sizes["test"].values())[2]
    (trained / "beside.h5").write_text("")  # a run stays a run
    assert "best_checkpoint" in cuttle_json("inspect", trained)
    (trained / "beside.h5").unlink()


def test_training_learns(config, tmp_path):
    driver.train(config, tmp_path / "run", "train.steps=150", "train.validate_every=0", "adapt.algorithm=protonet")
    accuracy = [record["accuracy"] for record in driver.metrics(tmp_path / "run", "train")]
    assert sum(accuracy[-30:]) / 30 > 0.7  # chance: 1/3


def test_minutes_become_steps_and_the_run_is_that_of_the_steps(config, tmp_path):
    minutes = 0.05
    while True:  # a busy machine may need more
        code = driver.run(["sh", "-c", '"$@"; test $? -le 2', "-", *driver.command(
            "train", config, "--run-dir", tmp_path / "run", f"train.minutes={minutes}")])
        if "is too little for one step" not in code.stderr:
            break
        minutes *= 2
    first = json.loads((tmp_path / "run" / "timing.jsonl").read_text(encoding="utf-8").splitlines()[0])
    steps = first["steps"]
    assert first["minutes"] == minutes and 1 <= steps <= 60 * minutes / first["measured_step_s"]
    assert re.search(rf"{steps} steps, from [0-9.e-]+ s a step measured, for {minutes} minutes", code.stderr)
    told = driver.inspect(tmp_path / "run")
    assert told["step"] == told["steps"] == steps and told["complete"]
    driver.train(config, tmp_path / "given", f"train.steps={steps}", ranks=2)
    assert driver.inspect(tmp_path / "given")["parameters_sha256"] == told["parameters_sha256"]
    assert (tmp_path / "given" / "metrics.jsonl").read_bytes() == (tmp_path / "run" / "metrics.jsonl").read_bytes()


def test_long_work_says_on_a_terminal_how_far_it_is(trained, config, tmp_path):
    for words in (("eval", trained), ("compare", trained, trained)):
        shown = driver.on_terminal(*words, "--episodes", 400)
        assert re.search(r"\r\x1b\[K\d+ of 400 episodes \(\d+ %\), [\d.]+ a second, .* left", shown)
    assert "\x1b" not in cuttle("eval", trained, "--episodes", 400).stderr
    shown = driver.on_terminal("train", config, "--run-dir", tmp_path / "run", "train.validation_episodes=200")
    assert re.search(r" of 200 validation episodes .* left", shown)
    assert re.search(r"step 20/20  loss [\d.]+  query accuracy \d+\.\d\d % \(means of 20 steps\)", shown)


def test_eval_is_the_same_on_one_and_three_ranks(trained, tmp_path):
    def evaluate(ranks):
        table = tmp_path / f"{ranks}.csv"
        told = cuttle_json("eval", trained, "--per-episode", table, "--confusion", tmp_path / f"c{ranks}.csv",
                           ranks=ranks)
        return told, table.read_text(encoding="utf-8"), (tmp_path / f"c{ranks}.csv").read_text(encoding="utf-8")

    alone, three = evaluate(None), evaluate(3)
    assert alone == three
    told, episodes, confusion = alone
    assert told["split"] == "test" and told["episodes"] == 20 and told["way"] == 3 and told["inner_steps"] == 2
    rows = list(csv.reader(confusion.splitlines()))
    counts = [[int(value) for value in row[1:]] for row in rows[1:]]
    assert len(counts) == 5 and sum(map(sum, counts)) == 20 * 3 * 2  # test classes; episodes x way x query
    hits = sum(counts[i][i] for i in range(5))
    accuracy = [float(line.split(",")[1]) for line in episodes.splitlines()[1:]]
    mean = sum(accuracy) / 20
    deviation = math.sqrt(sum((value - mean) ** 2 for value in accuracy) / 19)
    assert told["accuracy"] == pytest.approx(mean, abs=1e-6) == pytest.approx(hits / 120, abs=1e-6)
    assert told["ci95"] == pytest.approx(2.0930 * deviation / math.sqrt(20), rel=1e-4)  # Student's t of 19
    recalls = [counts[i][i] / sum(counts[i]) for i in range(5)]
    worst = recalls.index(min(recalls))
    assert told["worst_class"] == {"name": rows[1 + worst][0], "accuracy": pytest.approx(recalls[worst]),
                                   "queries": sum(counts[worst])}
    assert told["worst_class"]["accuracy"] < told["accuracy"]


def test_eval_options(trained):
    few = cuttle_json("eval", trained, "--episodes", "8", "--split", "validation", "--diagnostics",
                      "adapt.eval_inner_steps=3")
    assert few["episodes"] == 8 and few["split"] == "validation" and few["inner_steps"] == 3
    assert [line["step"] for line in few["trace"]] == [0, 1, 2, 3]
    assert few["trace"][3]["support_loss"] < few["trace"][0]["support_loss"]
    said = cuttle("eval", trained, "--episodes", "8").stdout
    assert "95 % interval: 2.36 standard errors, Student's t" in said and "worst class " in said
    assert "95 % interval: 1.96 standard errors)" in cuttle("eval", trained, "--episodes", "30").stdout
    assert cuttle_json("eval", trained, "evaluation.shot=2")["shot"] == 2
    assert "tset" in cuttle("eval", trained, "--split", "tset", code=driver.USER_ERROR).stderr


def test_a_memory_is_traced_by_instances(config, tmp_path):
    """What mann says of a class's first, second, third sample; also where a rank has no task."""
    words = ("train", config, "--run-dir", tmp_path / "run", "adapt={algorithm: mann, hidden: 8, slots: 4, reads: 1}",
             "train.steps=1", "train.validate_every=1")
    cuttle(*words)
    evaluated = ("eval", tmp_path / "run", "--episodes", "1", "--diagnostics", "--json")
    told = cuttle(*evaluated, "episode.shot=3").stdout
    assert [line["step"] for line in json.loads(told)["trace"]] == [0, 1, 2]
    assert all(0 <= line["support_accuracy"] <= 1 for line in json.loads(told)["trace"])
    assert json.loads(cuttle(*evaluated, "episode.shot=3", ranks=2).stdout)["trace"] == json.loads(told)["trace"]


def test_a_memory_is_traced_where_classes_are_uneven(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "name: uneven\nepisode: {source: causal_tables, features: 3, target: class, way: 3, shot: 4, query: 2}\n"
        "model: {encoders: {x: {type: mlp, width: 8}}}\nadapt: {algorithm: mann, hidden: 8, slots: 4, reads: 1}\n"
        "train: {steps: 1, validate_every: 0}\n", encoding="utf-8")
    driver.train(tmp_path / "c.yaml", tmp_path / "run")
    told = cuttle_json("eval", tmp_path / "run", "--episodes", "20", "--diagnostics")
    assert len(told["trace"]) == 4


def test_the_list_has_a_seed_of_its_own(trained):
    usual, other = (cuttle_json("eval", trained, *words) for words in ((), ("evaluation.seed=9", )))
    assert usual["seed"] == 1 and other["seed"] == 9 and usual["loss"] != other["loss"]
    assert cuttle_json("eval", trained, "seed=9") == other
    assert cuttle_json("eval", trained, "seed=9", "evaluation.seed=1") == usual


def in_section(text, section, key, value):
    """The text of a config with another value for this key."""
    pattern = rf"(^{section}:\n(?:  .*\n)*?  {key}: )\S+"
    assert re.search(pattern, text, re.M)
    return re.sub(pattern, rf"\g<1>{value}", text, count=1, flags=re.M)


def test_a_run_whose_evaluation_had_more_classes_and_steps_than_training(config, tmp_path):
    """Older programs made room for them: heads and norms have rows that never moved. Here they did, under a config that
    says otherwise, so what the first rows answer can be compared."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    driver.train(config, whole, "episode.way=5", "train.steps=4", "train.validate_every=0", "adapt.inner_steps=4",
                 "model.encoders.image.norm=batch_per_step")
    shutil.copytree(whole, run)
    checkpoint = Path(driver.inspect(run)["last_checkpoint"])
    text = (checkpoint / "config.yaml").read_text(encoding="utf-8")
    for section, key, value in (("episode", "way", 3), ("evaluation", "way", 5), ("adapt", "inner_steps", 2),
                                ("adapt", "eval_inner_steps", 4)):
        text = in_section(text, section, key, value)
    driver.rewrite_in_checkpoint(checkpoint, "config.yaml", text)
    assert driver.inspect(run)["step"] == 4
    said = cuttle("eval", run, code=driver.USER_ERROR).stderr
    assert "evaluation.way: episodes of 5 classes" in said and "give evaluation.way=3 or less" in said
    fewer = cuttle("eval", run, "evaluation.way=3", "adapt.eval_inner_steps=2", "--json")
    assert "rows, and no training task used more than 3; those serve" in fewer.stderr
    loss = cuttle_json("eval", whole, "evaluation.way=3", "adapt.eval_inner_steps=2")["loss"]
    assert json.loads(fewer.stdout)["loss"] == loss
    assert cuttle_json("eval", run, "evaluation.way=3")["inner_steps"] == 4
    for classes, code in (("3", driver.DONE), ("4", driver.USER_ERROR)):
        small = driver.make_shards(tmp_path / classes, "--classes", classes, "--splits", "1,0,0", "--shards", "1")
        (shard, ) = small.glob("*.h5")
        said = cuttle("adapt", run, "--support", shard, "--out", tmp_path / "adapted", code=code).stderr
        assert (code == driver.DONE) == ("trained for 3 at most" not in said)
    assert len(cuttle("predict", tmp_path / "adapted", shard).stdout.splitlines()) == 32


def test_eval_with_fewer_senses(trained):
    whole = cuttle_json("eval", trained, "--missing-rate", "0")
    hidden = cuttle_json("eval", trained, "--missing-rate", "0.9")
    assert whole["missing_rate_in_effect"] == 0 and 0.2 < hidden["missing_rate_in_effect"] < 0.5  # of two one stays
    said = cuttle("eval", trained, "--missing-rate", "0.9").stdout
    assert f"missing rate 0.90 as asked for, {hidden['missing_rate_in_effect']:.2f} in effect" in said
    for splits, told in (("test", True), ("train", False)):
        words = ("data.missing=[text=0.9]", f"data.missing_splits=[{splits}]")
        assert ("data.missing text=0.9 of samples" in cuttle("eval", trained, *words).stdout) == told
        assert ("data_missing" in cuttle_json("eval", trained, *words)) == told
    by_task = cuttle_json("eval", trained, "data.missing=[text=0.5, image=0.5]", "data.missing_by=task")
    assert by_task["data_missing"] == "text=0.5, image=0.5 of tasks" and by_task["loss"] > whole["loss"]
    image = cuttle_json("eval", trained, "--modalities", "image", "data.in_memory=true")
    assert len({whole["loss"], hidden["loss"], image["loss"]}) == 3
    assert cuttle_json("eval", trained, "--modalities", "image,text")["loss"] == whole["loss"]
    message = cuttle("eval", trained, "--modalities", "smell", code=driver.USER_ERROR).stderr
    assert "smell" in message and "image, text" in message
    cuttle("eval", trained, "--missing-rate", "1.5", code=driver.USER_ERROR)


def train_on_one_sense(config, folder, sense):
    """A run of a few steps that knows nothing of the other senses."""
    alone = driver.one_sense_config(folder / f"{sense}.yaml", config, sense)
    driver.train(alone, folder / sense, "train.steps=3", "train.validate_every=0")
    return folder / sense


def test_compare_pairs_runs_with_other_senses_over_complete_samples(config, trained, tmp_path):
    image = train_on_one_sense(config, tmp_path, "image")
    words = ("compare", trained, image, trained, "--complete", "--episodes", "12")
    told = cuttle_json(*words)
    assert told == cuttle_json(*words, ranks=3)
    first, other, itself = told["runs"]
    assert itself["lead"] == {"mean": 0, "ci95": 0} and other["lead"]["ci95"] > 0
    assert other["lead"]["mean"] == pytest.approx(first["accuracy"]["mean"] - other["accuracy"]["mean"], abs=1e-6)
    whole = cuttle_json("eval", trained, "episode.complete=true", "--episodes", "12")
    assert first["accuracy"]["mean"] == whole["accuracy"]
    averaged = told["averaged_logits"]
    assert averaged["lead"]["mean"] == pytest.approx(whole["accuracy"] - averaged["accuracy"]["mean"], abs=1e-6)
    assert f"{trained} minus this one, paired" in cuttle(*words).stdout


def test_compare_refuses_runs_that_see_other_samples(config, trained, tmp_path):
    text = train_on_one_sense(config, tmp_path, "text")
    message = cuttle("compare", trained, text, code=driver.USER_ERROR).stderr
    assert "other samples" in message and "complete" in message
    cuttle("compare", trained, code=driver.USER_ERROR)


def test_eval_falls_back_from_a_damaged_best_checkpoint(config, tmp_path):
    run = tmp_path / "run"
    driver.train(config, run, "step.outer_lr=0.5", "train.validate_every=2", "train.checkpoint_every=2")
    told = driver.inspect(run)
    with open(f"{told['best_checkpoint']}/parameters.safetensors", "r+b") as file:
        file.truncate(100)
    result = cuttle("eval", run, "--episodes", "5", "--json")
    newest_other = 18 if told["best_step"] == 20 else 20
    assert json.loads(result.stdout)["step"] == newest_other and "parameters.safetensors" in result.stderr


def test_eval_uses_the_best_checkpoint(config, tmp_path):
    run = tmp_path / "run"
    # A learning rate that ruins the model: the first validation stays the best.
    driver.train(config, run, "step.outer_lr=0.5", "train.validate_every=2", "train.checkpoint_every=2")
    told = driver.inspect(run)
    best = max(driver.metrics(run, "validation"), key=lambda record: record["accuracy"])
    assert told["best_accuracy"] == best["accuracy"] and told["best_step"] == best["step"]
    assert cuttle_json("eval", run, "--episodes", "5")["step"] == best["step"]
    assert cuttle_json("eval", run, "--episodes", "5", "--last")["step"] == 20
    assert cuttle_json("eval", told["best_checkpoint"], "--episodes", "5")["step"] == best["step"]
    again = cuttle_json("eval", run, "--episodes", "7", "--split", "validation")
    assert again["accuracy"] == best["accuracy"]


def test_early_stopping(config, tmp_path):
    run = tmp_path / "run"
    words = ("step.outer_lr=1.0e-30", "train.validate_every=2", "train.patience=2")
    driver.train(config, run, *words)
    told = driver.inspect(run)
    # Nothing is learned: the first validation is the best, two more without improvement end the run.
    assert told["complete"] and told["stopped_early"] and told["step"] == 6 and told["best_step"] == 2
    driver.train(config, run, *words, "--resume")
    assert driver.inspect(run)["step"] == 6


def test_a_run_goes_on_by_its_folder_alone(config, shards, trained, tmp_path, monkeypatch):
    text = config.read_text(encoding="utf-8").replace(str(shards), "data")
    (tmp_path / "data").symlink_to(shards)
    (tmp_path / "tiny.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    driver.train("tiny.yaml", "run", "train.steps=10")
    cuttle("train", "run", "--resume", "train.steps=20", ranks=2)
    assert driver.inspect("run")["parameters_sha256"] == driver.inspect(trained)["parameters_sha256"]
    monkeypatch.chdir(shards)
    said = cuttle("train", tmp_path / "run", "--resume", code=driver.USER_ERROR).stderr
    assert "no file matches 'data/*.h5' from this folder; go to the folder that the run was started from" in said
    cuttle("train", tmp_path / "run", "--resume", f"data.shards=[{shards}/*.h5]")


def test_what_a_finished_run_of_a_cosine_may_do(config, tmp_path):
    words = ("step.schedule=cosine", "train.validate_every=0")
    driver.train(config, tmp_path / "run", *words, "train.steps=2")
    said = cuttle("train", tmp_path / "run", "--resume", "train.steps=4", code=driver.USER_ERROR).stderr
    assert "train.steps: was 2, is 4 (the cosine schedule spans it" in said and "may change name, data.shards" in said
    (start, ) = re.findall(r"train\.init_from=\S+", said)
    driver.train(config, tmp_path / "more", *words, "train.steps=4", start, "--strict-init")


def test_init_from_starts_with_the_parameters_of_another_run(config, trained, tmp_path):
    run = tmp_path / "run"
    driver.train(config, run, f"train.init_from={trained}", "step.outer_lr=1.0e-30", "train.steps=1", ranks=2)
    best = cuttle_json("eval", trained, "--episodes", "1")["checkpoint"]
    ours, theirs = (load_file(f"{folder}/parameters.safetensors")
                    for folder in (driver.inspect(run)["last_checkpoint"], best))
    assert set(ours) == set(theirs) and all(np.allclose(ours[name], theirs[name], atol=1e-20) for name in ours)


def test_a_run_folder_is_made_up_if_none_is_given(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cuttle("train", config, "train.steps=1", ranks=2)
    (folder, ) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("tiny-") and driver.inspect(folder)["world_sizes"] == [2]
    for second in range(120):  # those of runs that began in the same second
        name = time.strftime("tiny-%Y%m%d-%H%M%S", time.localtime(time.time() + second))
        (tmp_path / "runs" / name).mkdir(exist_ok=True)
    cuttle("train", config, "train.steps=1")
    (folder, ) = (tmp_path / "runs").glob("tiny-*-2")
    assert driver.inspect(folder)["world_sizes"] == [1]


@pytest.mark.parametrize("algorithm, training, use", [("maml", ["adapt.inner_lr=0.5"], ["adapt.eval_inner_steps=10"]),
                                                      ("protonet", [], [])])
def test_adapt_and_predict(algorithm, training, use, config, shards, tmp_path):
    run, adapted = tmp_path / "run", tmp_path / "adapted"
    driver.train(config, run, f"adapt.algorithm={algorithm}", "train.steps=60", "train.validate_every=0", *training)
    small = driver.make_shards(tmp_path / "small", "--classes", "3", "--splits", "1,0,0", "--noise", "0.3", "--seed",
                               "7", "--shards", "1")
    (shard, ) = small.glob("*.h5")
    cuttle("adapt", run, "--support", shard, "--out", adapted, *use)
    lines = cuttle("predict", adapted, shard, "--json").stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert len(told) == 24 and all(0 < record["probability"] <= 1 for record in told)
    right = sum(record["sample"].startswith(record["class"] + "/") for record in told)
    assert right >= 20  # the support itself
    assert len(cuttle("predict", adapted, shard).stdout.splitlines()) == 24
    weights = f"{driver.inspect(run)['last_checkpoint']}/parameters.safetensors"
    assert "not an adapted model" in cuttle("predict", weights, shard, code=driver.USER_ERROR).stderr


def test_bench(config):
    told = cuttle_json("bench", config, "train.validate_every=0")
    assert told["tasks_per_second"] > 0 and told["ms_per_task"] > 0 and told["ranks"] == 1
    assert told["peak_rss_mb"] > told["idle_rss_mb"] > 10
    assert 0 < told["tensor_mb"] < told["peak_rss_mb"]
    assert set(told["ms"]) == {"plan_per_task", "read", "adapt", "reduce", "reduce_without_waiting", "step"}
    two = cuttle_json("bench", config, ranks=2)
    assert two["ranks"] == 2 and two["parameters_sha256"] == told["parameters_sha256"]
    assert "tasks/s" in cuttle("bench", config, "--steps", "1", "--warmup", "0").stdout
