"""Features of encoders with weights of others: computed once by all ranks, shared by runs, whatever happens to them."""

import json
import os
import signal
import subprocess
import time

import driver
import part_weights
import pytest


@pytest.fixture(scope="module", name="texts")
def texts_config(config, tmp_path_factory):
    """Texts through a small BERT; 1,600 samples, so four parts."""
    folder = tmp_path_factory.mktemp("texts")
    shards = driver.make_shards(folder / "shards", "--classes", "20", "--samples-per-class", "80", "--missing", "0")
    files = part_weights.make(folder / "weights", 8000)
    path = driver.one_sense_config(folder / "texts.yaml", config, "text",
                                   f"{{type: bert, weights: {files / 'bert.safetensors'}}}")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(text[text.index("shards: ["):text.index("]") + 1], f"shards: [{shards}/*.h5]"),
                    encoding="utf-8")
    return path


def bank(folder):
    return f"data.feature_bank={folder}"


def told(folder, *words):
    return json.loads(driver.cuttle("features", "--bank", folder, "--json", *words).stdout)


def files_of(folder):
    """The finished parts."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("*/part-*")
            if ".tmp." not in path.name}


@pytest.fixture(scope="module", name="alone")
def without_a_bank(texts, tmp_path_factory):
    """The hash of the parameters of a run that keeps nothing."""
    return trained(texts, tmp_path_factory.mktemp("alone") / "run", bank("none"))


def trained(texts, run, *words, ranks=None):
    driver.train(texts, run, "train.steps=6", "train.validate_every=3", *words, ranks=ranks)
    return driver.inspect(run)["parameters_sha256"]


def test_runs_share_what_one_computed(texts, alone, tmp_path):
    folder = tmp_path / "bank"
    assert trained(texts, tmp_path / "one", bank(folder)) == alone
    kept = files_of(folder)
    assert len(kept) == 4
    assert trained(texts, tmp_path / "two", bank(folder), "adapt.inner_steps=2", ranks=2) == alone
    assert "reading" not in driver.cuttle("eval", tmp_path / "one").stderr
    assert files_of(folder) == kept


def test_ranks_share_the_work(texts, alone, tmp_path):
    one, three = tmp_path / "one", tmp_path / "three"
    driver.cuttle("features", texts, bank(one))
    said = driver.cuttle("features", texts, bank(three), ranks=3).stderr
    assert "computing 4 of 4 parts" in said
    assert ([content for content, _ in files_of(one).values()].sort() ==
            [content for content, _ in files_of(three).values()].sort())
    assert trained(texts, tmp_path / "run", bank(three), ranks=3) == alone


def test_a_damaged_part_is_computed_again(texts, alone, tmp_path):
    folder = tmp_path / "bank"
    driver.cuttle("features", texts, bank(folder))
    first, second = sorted(files_of(folder))[:2]
    good = first.read_bytes()
    first.write_bytes(good[:-8] + bytes(8))
    second.write_bytes(good[:100])
    said = driver.cuttle("features", texts, bank(folder)).stderr
    assert said.count("computed again") == 2 and "computing 2 of 4" in said
    assert first.read_bytes() == good
    assert trained(texts, tmp_path / "run", bank(folder)) == alone


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_done_stays_done(texts, tmp_path, blow):
    folder = tmp_path / "bank"
    words = driver.command("train", texts, "--run-dir", tmp_path / "run", bank(folder))
    with subprocess.Popen(words, env=driver.ENVIRONMENT, stderr=subprocess.DEVNULL) as process:
        for _ in range(3000):
            if files_of(folder) or process.poll() is not None:
                break
            time.sleep(0.01)
        process.send_signal(blow)
        process.wait(60)
    assert files_of(folder)
    left = len(files_of(folder))
    said = driver.cuttle("features", texts, bank(folder)).stderr
    assert left == 4 or f"computing {4 - left} of 4" in said
    assert not list(folder.glob("*/*.tmp*"))  # but for what a later write replaced


def test_other_weights_or_words_have_features_of_their_own(texts, tmp_path):
    folder = tmp_path / "bank"
    driver.cuttle("features", texts, bank(folder))
    driver.cuttle("features", texts, bank(folder), "train.steps=3", "episode.way=2")
    assert len(told(folder)["features"]) == 1
    other = part_weights.make(tmp_path / "other", 8000) / "bert.safetensors"
    content = other.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    other.write_bytes(content[:start] + bytes(4) + content[start + 4:])  # a value of its first tensor
    driver.cuttle("features", texts, bank(folder), f"model.encoders.text.weights={other}")
    assert len({entry["facts"]["weights"] for entry in told(folder)["features"]}) == 2


def test_copies_are_kept_by_number_strength_and_seed(texts, tmp_path):
    folder = tmp_path / "bank"
    words = ["augment.tasks=query", "augment.copies=2", "augment.text.words=0.3"]
    alone = trained(texts, tmp_path / "alone", bank("none"), *words)
    assert trained(texts, tmp_path / "one", bank(folder), *words) == alone
    kept = files_of(folder)
    facts = [entry["facts"] for entry in told(folder)["features"]]
    assert sorted(fact.get("copy", "") for fact in facts) == ["", "1 of seed 1", "2 of seed 1"]
    assert trained(texts, tmp_path / "two", bank(folder), *words, ranks=2) == alone
    said = driver.cuttle("features", texts, bank(folder), *words, "augment.copies=3").stderr
    assert "features of text, copy 3: computing" in said and "copy 2" not in said
    driver.cuttle("eval", tmp_path / "one", bank(tmp_path / "other"))
    assert len(told(tmp_path / "other")["features"]) == 1  # of what is recorded
    driver.cuttle("features", texts, bank(folder), *words, "augment.text.words=0.2")
    driver.cuttle("features", texts, bank(folder), *words, "seed=2")
    assert len(told(folder)["features"]) == 1 + 3 + 2 + 2
    assert kept.items() <= files_of(folder).items()


def test_they_are_removed_by_command(texts, tmp_path):
    folder = tmp_path / "bank"
    driver.cuttle("features", texts, bank(folder))
    (entry, ) = told(folder, "--clear", "--unused", "1")["features"] or told(folder)["features"]
    assert entry["megabytes"] > 0 and files_of(folder)
    old = time.time() - 3 * 86400
    os.utime(f"{entry['folder']}/about.json", (old, old))
    assert len(told(folder, "--clear", "--unused", "2")["features"]) == 1
    assert told(folder)["features"] == [] and not files_of(folder)


def test_a_folder_that_cannot_be_written_is_no_obstacle(texts, alone, tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    run = tmp_path / "run"
    said = driver.train(texts, run, "train.steps=6", "train.validate_every=3", bank(tmp_path / "file")).stderr
    assert "features are not kept" in said and "give data.feature_bank a folder" in said
    assert driver.inspect(run)["parameters_sha256"] == alone


def test_nothing_to_compute_is_said(config, texts):
    assert "none holds weights of others" in driver.cuttle("features", config, code=driver.USER_ERROR).stderr
    assert "there is no folder" in driver.cuttle("features", texts, bank("none"), code=driver.USER_ERROR).stderr
