"""`cuttle predict`: an inductive model's answer is its sample's own, and what is told of others; files of answers."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import driver
import hand_shard
import numpy as np
import part_cases
import part_data
import pytest
from driver import cuttle, cuttle_json

sys.path.insert(0, str(driver.ROOT / "data_tools"))

from cuttle_data.reader import Shard  # noqa: E402
from cuttle_data.schema import SPLITS, DatasetInfo  # noqa: E402
from cuttle_data.shard_file import Loaded, write_shard  # noqa: E402

# One case of each learner that adapts to samples, with norms that make it inductive; and one of values.
ACTING = ("maml_rl", "rl2")
FIRST = {case["adapt"]["algorithm"]: name for name, case in reversed(part_cases.CASES.items())}
CASES = (*(name for algorithm, name in FIRST.items() if algorithm not in ACTING), "values_r2d2")
NORMS = ("running", "support", "none")
NORMED = ("auto", "char_conv", "conv4", "mel_conv", "resnet12", "series_conv")


@pytest.fixture(scope="module", name="sets")
def data_sets(tmp_path_factory):
    return part_data.make(tmp_path_factory.mktemp("sets"))


def config_of(name, sets, norms=NORMS, **adapt):
    """The case's config, its encoders having these norms in turn."""
    config = json.loads(json.dumps(part_cases.config_of(name, sets)))
    turn = 0
    for encoder in config["model"]["encoders"].values():
        if encoder["type"] in NORMED:
            encoder["norm"] = norms[turn % len(norms)]
            for key in ("norm_momentum", "norm_groups"):
                encoder.pop(key, None)
            turn += 1
    config["adapt"].update(adapt)
    return config


def adapted_to(use, config, folder):
    """(the adapted file, what `adapt` said): after one step."""
    path = driver.write_config(folder / "config.yaml", "", json.dumps(config))
    driver.train(path, folder / "run", "train.steps=1", "train.validate_every=0")
    said = cuttle("adapt", folder / "run", "--support", use, "--out", folder / "adapted", "--calibrate", "8").stderr
    return folder / "adapted", said


def part_of(shard, samples, path, renamed=None):
    """A shard of these samples of another, in this order; `renamed`: their class names by old name."""
    with Shard(shard) as whole:
        chosen = []
        for i in samples:
            arrays = {name: np.asarray(whole.read(i, name)) for name in whole.rows if whole.rows[name][i] >= 0}
            name = whole.class_names[whole.sample_class[i]]
            chosen.append(Loaded(whole.sample_names[i], (renamed or {}).get(name, name),
                                 whole.group_names[whole.sample_group[i]], SPLITS[whole.sample_split[i]], arrays,
                                 whole.targets[i] if whole.target_names else None))
        info = DatasetInfo("part", "made by a test", "CC0-1.0", "a test", targets=whole.target_names)
        there = {name for sample in chosen for name in sample.arrays}
        write_shard(path, info, [modality for modality in whole.modalities if modality.name in there], chosen)
    return path


def samples_by_class(path):
    """The samples of each test class that have picture and text."""
    of_class = {}
    with Shard(path) as shard:
        for i, (name, where) in enumerate(zip(shard.sample_class, shard.sample_split)):
            if where == 2 and all(shard.rows[sense][i] >= 0 for sense in ("image", "text")):
                of_class.setdefault(int(name), []).append(i)
    return list(of_class.values())


def answers(adapted, shard):
    return cuttle("predict", adapted, shard, "--json").stdout.splitlines()


def count_of(shard):
    with Shard(shard) as whole:
        return len(whole.sample_class)


@pytest.mark.parametrize("name", CASES)
def test_an_inductive_answer_is_the_same_bits_alone_together_and_in_any_order(name, sets, tmp_path):
    use, config = sets[part_cases.CASES[name]["use"]]["use"], config_of(name, sets)
    if name == "protonet":
        config["adapt"]["refine"] = 0
    adapted, said = adapted_to(use, config, tmp_path)
    assert "is transductive" not in said
    assert cuttle_json("eval", tmp_path / "run", "--episodes", "2")["batch_norm"] == "inductive"
    result = cuttle("predict", adapted, use, "--json")
    whole, count = result.stdout.splitlines(), count_of(use)
    assert len(whole) == count and "is transductive" not in result.stderr
    order = [(5 * i + 3) % count for i in range(count)]
    assert sorted(order) == list(range(count)) != order
    assert answers(adapted, part_of(use, order, tmp_path / "order.h5")) == [whole[i] for i in order]
    with Shard(use) as shard:  # a shard without any sense of the model is refused
        seen = [i for i in range(count) if any(shard.rows[sense][i] >= 0 for sense in config["model"]["encoders"])]
    for i in (seen[0], seen[-1]):
        assert answers(adapted, part_of(use, [i], tmp_path / f"{i}.h5")) == [whole[i]]


def test_a_transductive_model_says_what_it_is_and_looks_at_as_many_as_eval_did(sets, tmp_path):
    use = sets["senses"]["use"]
    adapted, said = adapted_to(use, config_of("anil", sets, ("batch", )), tmp_path)
    for told in (said, cuttle("predict", adapted, use).stderr):
        (line, ) = [line for line in told.splitlines() if "is transductive" in line]
        assert "batch at hand" in line and "--queries one" in line and "running or support" in line
    twice = part_of(use, [*range(6), *range(6)], tmp_path / "twice.h5")
    once = answers(adapted, use)
    assert len(once) == 6 and answers(adapted, twice) == once * 2  # 3 classes with 2 queries each were measured
    alone = answers(adapted, part_of(use, [0], tmp_path / "alone.h5"))
    assert json.loads(alone[0])["probability"] != json.loads(once[0])["probability"]


def test_samples_teach_each_other_where_that_is_asked_for(sets, tmp_path):
    use = sets["senses"]["use"]
    adapted, said = adapted_to(use, config_of("protonet", sets, refine=1), tmp_path)
    result = cuttle("predict", adapted, use, "--json")
    for told in (said, result.stderr):
        assert "is transductive" not in told and "adapt.refine: 1 is left out" in told
    alone = answers(adapted, part_of(use, [0], tmp_path / "alone.h5"))
    assert alone == result.stdout.splitlines()[:1]
    together = cuttle("predict", adapted, use, "--json", "--together")
    assert "--together is transductive" in together.stderr and "about as many" in together.stderr
    assert together.stdout != result.stdout and len(together.stdout.splitlines()) == 6
    assert cuttle_json("eval", tmp_path / "run")["batch_norm"] == "transductive"
    asked = ("eval", tmp_path / "run", "evaluation.way=2", "--episodes", "5", "--outside")
    assert "--queries one" in cuttle(*asked, code=driver.USER_ERROR).stderr
    assert "outside" in cuttle_json(*asked, "--queries", "one")
    assert cuttle_json("eval", tmp_path / "run", "adapt.refine=0")["batch_norm"] == "inductive"


def test_eval_asks_as_it_is_told(sets, tmp_path):
    words = ("eval", tmp_path / "run", "--episodes", "12")
    adapted_to(sets["senses"]["use"], config_of("protonet", sets, refine=0), tmp_path)
    whole = cuttle_json(*words)
    for how in ("one", "class"):
        told = cuttle_json(*words, "--queries", how)
        assert told.pop("queries") == how and told.pop("loss") == pytest.approx(whole["loss"], abs=1e-5)
        assert told.pop("calibration_error") == pytest.approx(whole["calibration_error"], abs=1e-5)
        assert told == {key: value for key, value in whole.items() if key not in ("loss", "calibration_error")}
    unequal = cuttle_json(*words, "--unbalanced", "--queries", "one")
    assert unequal["unbalanced"] and unequal == cuttle_json(*words, "--unbalanced", "--queries", "one", ranks=3)
    assert unequal["loss"] != whole["loss"]
    refined = cuttle_json(*words, "adapt.refine=2")
    assert cuttle_json(*words, "adapt.refine=2", "--queries", "one")["loss"] != pytest.approx(refined["loss"], abs=1e-3)
    shown = cuttle(*words, "--unbalanced", "--queries", "class").stdout
    assert "inductive, queries a class at a time, classes unbalanced" in shown
    for wrong in (("--queries", "two"), ("--queries", "one", "--diagnostics")):
        cuttle(*words, *wrong, code=driver.USER_ERROR)


def test_eval_of_values_has_no_classes_to_share_out(sets, tmp_path):
    adapted_to(sets["values"]["use"], config_of("values_r2d2", sets), tmp_path)
    words = ("eval", tmp_path / "run")
    assert cuttle_json(*words, "--queries", "one")["loss"] == pytest.approx(cuttle_json(*words)["loss"], rel=1e-4)
    for wrong in (("--queries", "class"), ("--unbalanced", )):
        assert "have none" in cuttle(*words, *wrong, code=driver.USER_ERROR).stderr


NAMES = ('a "b", c', "tab\tand \\ and\nline")


@pytest.fixture(scope="module", name="named")
def named_model(sets, tmp_path_factory):
    """(adapted file, shard): two classes with names that need quotes."""
    folder = tmp_path_factory.mktemp("named")
    with Shard(sets["users"]["use"]) as whole:
        old = whole.class_names
    use = part_of(sets["users"]["use"], range(8), folder / "use.h5", dict(zip(old, NAMES)))
    config = config_of("protonet", {**sets, "senses": sets["users"]}, refine=0)
    config["data"]["modalities"], config["model"]["encoders"] = ["v"], {"v": part_cases.MLP}
    config.pop("objectives")
    config["episode"]["way"] = 2
    return adapted_to(use, config, folder)[0], use


def test_files_of_answers_quote_names(named, tmp_path):
    told = [json.loads(line) for line in answers(*named)]
    assert {record["class"] for record in told} == {*NAMES, None}  # some samples lack the sense
    result = cuttle("predict", *named, "--out", tmp_path / "answers.csv")
    assert result.stdout == "" and "answers to 8 samples" in result.stderr
    text = (tmp_path / "answers.csv").read_bytes().decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["sample", "class", "probability", "known"]
    assert [(row[0], row[1] or None, np.float32(row[2]) if row[2] else None) for row in rows[1:]] == [
        (record["sample"], record["class"], record["probability"] and np.float32(record["probability"]))
        for record in told]
    cuttle("predict", *named, "--out", tmp_path / "answers.jsonl")
    assert (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines() == answers(*named)
    lines = cuttle("predict", *named).stdout.split("\n")
    assert len(lines) == 9 and lines[8] == ""
    plain = [line.split("\t") for line in lines[:8]]
    told = [record if record["class"] else {"class": "-", "probability": None} for record in told]
    assert [row[1] for row in plain] == [
        record["class"].replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for record in told]
    assert all(row[2] == "-" if record["probability"] is None else abs(float(row[2]) - record["probability"]) < 1e-4
               for row, record in zip(plain, told))


def test_values_have_columns(sets, tmp_path):
    adapted, _ = adapted_to(sets["values"]["use"], config_of("values_r2d2", sets), tmp_path)
    cuttle("predict", adapted, sets["values"]["use"], "--out", tmp_path / "answers.csv")
    rows = list(csv.reader((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()))
    told = [json.loads(line) for line in answers(adapted, sets["values"]["use"])]
    with Shard(sets["values"]["use"]) as shard:
        assert rows[0] == ["sample", *shard.target_names]
    assert [[row[0], *map(np.float32, row[1:])] for row in rows[1:]] == [
        [record["sample"], *map(np.float32, record["values"])] for record in told]


def test_values_with_deviations_have_two_columns_each(sets, tmp_path):
    use = sets["values"]["use"]
    adapted, _ = adapted_to(use, config_of("gaussian", sets), tmp_path)
    said = cuttle("predict", adapted, use, "--out", tmp_path / "answers.csv").stderr
    rows = list(csv.reader((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["sample", "y", "y_deviation", "z", "z_deviation"]
    told = [json.loads(line) for line in answers(adapted, use)]
    both = [[number for pair in zip(record["values"], record["deviations"]) for number in pair] for record in told]
    assert [[row[0], *map(np.float32, row[1:])] for row in rows[1:]] == [
        [record["sample"], *map(np.float32, numbers)] for record, numbers in zip(told, both)]
    with Shard(use) as shard:
        targets = np.array(shard.targets, np.float64)
    mean, deviation = (np.array([record[key] for record in told]) for key in ("values", "deviations"))
    assert (deviation > 0.05).all()
    off = np.abs(targets - mean) / deviation
    density = np.mean(-off**2 / 2 - np.log(deviation) - np.log(2 * np.pi) / 2)
    covered = 100 * np.mean(off < 1.6449)
    assert re.search(f"log-likelihood {density:.3g}.*, {covered:.1f} % in their 90 % intervals", said)
    named, plain = (line.split("\t") for line in cuttle("predict", adapted, use).stdout.splitlines()[:2])
    assert named[:3] == ["sample", "y", "y_deviation"] and len(plain) == len(named) == 5
    assert abs(float(plain[2]) - deviation[0, 0]) < 1e-4


def test_eval_tells_all_measures_of_values_with_deviations(sets, tmp_path):
    adapted_to(sets["values"]["use"], config_of("gaussian", sets), tmp_path)
    told = cuttle_json("eval", tmp_path / "run", "--episodes", 7)
    assert abs(told["log_likelihood"] + told["loss"]) < 1e-5 and told["mean_squared_error"] > 0
    assert 0 <= told["coverage_90"] <= 1
    said = cuttle("eval", tmp_path / "run", "--episodes", 7).stdout
    assert said.startswith(f"log-likelihood {told['log_likelihood']:.4f} +- ")
    for name in ("mean_squared_error", "coverage_90"):
        assert f"\n{name} {told[name]:.4f} +- {told[f'{name}_ci95']:.4f}\n" in said


def test_a_file_of_answers_is_whole_or_as_before(named, tmp_path):
    out = tmp_path / "answers.csv"
    out.write_text("of yesterday", encoding="utf-8")
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(named[1].read_bytes())
    with Shard(named[1]) as whole:
        last = np.ascontiguousarray(whole.read(7, "v")).tobytes()
    content = damaged.read_bytes()
    assert content.count(last) == 1
    damaged.write_bytes(content.replace(last, last[:-1] + bytes([last[-1] ^ 1])))
    message = cuttle("predict", named[0], damaged, "--out", out, code=driver.USER_ERROR).stderr
    assert "damaged.h5" in message and out.read_text(encoding="utf-8") == "of yesterday"
    assert not driver.leftovers(tmp_path)
    for wrong, said in ((tmp_path / "answers.txt", "end it in .csv or .jsonl"), (tmp_path / "no/answers.csv", "no/")):
        assert said in cuttle("predict", *named, "--out", wrong, code=driver.USER_ERROR).stderr
    cuttle("predict", *named, "--json", "--out", out, code=driver.USER_ERROR)
    with open("/dev/full", "wb") as full:
        words = [str(word) for word in (driver.PROGRAM, "predict", *named)]
        failed = subprocess.run(words, env=driver.ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert failed.returncode == driver.FAILURE and b"standard output" in failed.stderr


def test_an_output_takes_the_place_of_nothing_else(named, tmp_path):
    adapted, use = named
    before = use.read_bytes(), adapted.read_bytes()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(before[1])
    assert "would be overwritten" in cuttle("predict", copy, use, "--out", copy, code=driver.USER_ERROR).stderr
    run = adapted.parent / "run"
    assert "would be overwritten" in cuttle("adapt", run, "--support", use, "--out", use, code=driver.USER_ERROR).stderr
    assert (use.read_bytes(), copy.read_bytes()) == (before[0], before[1])
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "to_pipe.csv").symlink_to("pipe.csv")
    for name in ("folder.csv", "pipe.csv", "to_pipe.csv"):
        for words in (("predict", *named, "--out"), ("eval", run, "--per-episode"), ("eval", run, "--confusion")):
            assert f"'{tmp_path / name}' is" in cuttle(*words, tmp_path / name, code=driver.USER_ERROR).stderr
    assert (tmp_path / "pipe.csv").is_fifo() and (tmp_path / "to_pipe.csv").is_symlink()
    (tmp_path / "link.csv").symlink_to("behind.csv")
    cuttle("predict", *named, "--out", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "behind.csv").read_text(encoding="utf-8")
    assert not driver.leftovers(tmp_path)


def test_a_damaged_adapted_file_is_refused(named, tmp_path):
    content = named[0].read_bytes()
    for place in (len(content) - 3, len(content) // 2, content.index(b"seed") + 1):
        damaged = tmp_path / "damaged"
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1:])
        assert "damaged" in cuttle("predict", damaged, named[1], code=driver.USER_ERROR).stderr


def test_they_are_the_work_of_one_process(named, tmp_path):
    adapt = ("adapt", named[0].parent / "run", "--support", named[1], "--out", tmp_path / "a")
    for words in (("predict", *named), adapt):
        failed = cuttle(*words, ranks=2, code=driver.USER_ERROR)
        assert "is the work of one process, and 2 were started" in failed.stderr and not failed.stdout
    assert not any(tmp_path.iterdir())


def test_an_interruption_leaves_nothing_half(named, tmp_path):
    shard = part_of(named[1], [*range(8)] * 2500, tmp_path / "many.h5")
    words = [str(word) for word in (driver.PROGRAM, "predict", named[0], shard, "--out", tmp_path / "answers.csv")]
    with subprocess.Popen(words, env=driver.ENVIRONMENT, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(tmp_path.glob("answers.csv.tmp.*")):
            time.sleep(0.01)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
    assert process.returncode == driver.FAILURE and re.search(r"interrupted after \d+ of 20000 samples", said), said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.h5"]


def test_what_standard_output_lost_is_said(named):
    run = named[0].parent / "run"
    for words in (("eval", run, "--json"), ("inspect", run), ("list",), ("dump-default",)):
        with open("/dev/full", "wb") as full:
            failed = subprocess.run([str(word) for word in (driver.PROGRAM, *words)], env=driver.ENVIRONMENT,
                                    stdout=full, stderr=subprocess.PIPE, check=False)
        assert failed.returncode == driver.FAILURE and b"standard output" in failed.stderr, words


def test_values_of_several_functions_are_named(sets, tmp_path):
    use = sets["values"]["use"]
    adapted_to(use, config_of("values_r2d2", sets), tmp_path)
    with Shard(use) as whole:
        arrays = [{name: np.asarray(whole.read(i, name)) for name in whole.rows if whole.rows[name][i] >= 0}
                  for i in range(4)]
        samples = [Loaded(f"s{i}", f"patient {i % 2}", "all", "test", arrays[i], whole.targets[i]) for i in range(4)]
        info = DatasetInfo("two", "made by a test", "CC0-1.0", "a test", targets=whole.target_names)
        there = {name for sample in samples for name in sample.arrays}
        write_shard(tmp_path / "two.h5", info, [m for m in whole.modalities if m.name in there], samples)
    told = cuttle("adapt", tmp_path / "run", "--support", tmp_path / "two.h5", "--out", tmp_path / "a")
    assert "samples are of 2 classes, such as 'patient 0' and 'patient 1'" in told.stderr


def test_what_nothing_tells_apart_is_said_to_be_of_no_class(sets, tmp_path):
    config = config_of("protonet", sets)
    config["model"].update(fusion="late", encoders={sense: {"width": 4, "depth": 1} for sense in ("image", "text")})
    use, given = sets["senses"]["use"], []
    for sense in ("image", "text"):
        with Shard(use) as whole:
            chosen = [Loaded(name, whole.class_names[whole.sample_class[i]], "all", "test",
                             {sense: whole.read(i, sense)})
                      for i, name in enumerate(whole.sample_names) if whole.rows[sense][i] >= 0]
            info = DatasetInfo("part", "made by a test", "CC0-1.0", "a test")
            given.append(tmp_path / f"{sense}.h5")
            write_shard(given[-1], info, [m for m in whole.modalities if m.name == sense], chosen)
    images, texts = given
    adapted, _ = adapted_to(images, config, tmp_path)  # of texts nothing is known
    for line in map(json.loads, cuttle("predict", adapted, texts, "--json", "--reject", "1e-6").stdout.splitlines()):
        assert line["known"] == 0 and line["rejected"] and line["class"] is None
        assert len(set(line["probabilities"].values())) == 1
    assert all(json.loads(line)["known"] > 0 for line in answers(adapted, images))


def test_a_sample_without_any_known_sense_has_no_answer(sets, tmp_path):
    use = sets["users"]["use"]
    config = config_of("r2d2", {**sets, "senses": sets["users"]})
    config["data"]["modalities"] = ["v", "series"]
    config["model"] = {"fusion": "concat", "encoders": {"v": part_cases.MLP,
                                                        "series": part_cases.conv("series_conv", "support")}}
    config["episode"].update({"way": 2, "way_min": 0})
    adapted, _ = adapted_to(use, config, tmp_path)
    with Shard(use) as whole:
        info = DatasetInfo("part", "made by a test", "CC0-1.0", "a test")
        samples = [Loaded(f"sample {i}", "x", "all", "test",
                          {"v": np.ones(3, "<f4")} if i == 1 else {}) for i in range(3)]
        write_shard(tmp_path / "blind.h5", info, [m for m in whole.modalities if m.name == "v"], samples)
    told = [json.loads(line) for line in answers(adapted, tmp_path / "blind.h5")]
    assert [record["probability"] is None for record in told] == [True, False, True]
    assert told[0]["class"] is None and 0 < told[1]["probability"] <= 1
    result = cuttle("predict", adapted, tmp_path / "blind.h5", "--out", tmp_path / "answers.csv")
    assert "2 of 3 samples have none of the model's senses (v, series)" in result.stderr
    assert (tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()[1] == "sample 0,,,"
    assert cuttle("predict", adapted, tmp_path / "blind.h5").stdout.startswith("sample 0\t-\t-\t-\n")
    # Nor is anything learned of them.
    failed = cuttle("adapt", tmp_path / "run", "--support", tmp_path / "blind.h5", "--out", tmp_path / "b",
                    code=driver.USER_ERROR)
    assert "classes or more" in failed.stderr
    with Shard(use) as whole:
        samples = [Loaded(f"sample {i}", "seen" if i == 1 else "unseen", "all", "test",
                          {"v": np.ones(3, "<f4")} if i == 1 else {}) for i in range(3)]
        write_shard(tmp_path / "blind.h5", info, [m for m in whole.modalities if m.name == "v"], samples)
    failed = cuttle("adapt", tmp_path / "run", "--support", tmp_path / "blind.h5", "--out", tmp_path / "b",
                    code=driver.USER_ERROR)
    assert "no sample of class 'unseen' has any of the model's senses" in failed.stderr


MEASURE = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def peak_kb(*words):
    """The most memory that the command took. Started by a small process: a child's peak counts its parent's memory."""
    words = [sys.executable, "-c", MEASURE, *(str(word) for word in words)]
    return int(subprocess.run(words, env=driver.ENVIRONMENT, check=True, capture_output=True, text=True).stdout)


def test_memory_is_flat_in_the_number_of_samples(tmp_path):
    """20,000 samples of 4 KB are 80 MB as they are, and the same again as tensors."""
    draw = np.random.default_rng(1)

    def shard(count, classes, splits):
        path = tmp_path / f"{count}.h5"
        hand_shard.write(path, draw.normal(size=(count, 1000)), np.arange(count) % classes, splits)
        return path

    config = {"data": {"shards": [str(shard(90, 9, np.arange(90) % 9 // 3))]},
              "model": {"encoders": {"vector": part_cases.MLP}}, "adapt": {"algorithm": "protonet"},
              "episode": {"way": 3, "shot": 1, "query": 2, "meta_batch_size": 1}}
    adapted, _ = adapted_to(shard(6, 3, [2] * 6), config, tmp_path)
    few, many = (peak_kb(driver.PROGRAM, "predict", adapted, shard(count, 3, [2] * count), "--out", tmp_path / "a.csv")
                 for count in (200, 20000))
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()) == 20001
    assert many - few < 16 * 1024, (few, many)


def test_progress_is_told_to_a_terminal_alone(named, tmp_path):
    shard = part_of(named[1], [*range(8)] * 5000, tmp_path / "many.h5")
    words = ("predict", named[0], shard, "--out", tmp_path / "answers.csv")
    quiet = cuttle(*words).stderr
    assert " a second" not in quiet and "\x1b" not in quiet
    shown = driver.on_terminal(*words)
    assert re.search(r"\r\x1b\[K\d+ of 40000 samples \(\d+ %\), [\d.]+ a second, .* left", shown)
    assert shown.rpartition("\x1b[K")[2].strip().endswith("answers.csv")  # the line is gone at the end
