"""Which encoder to bring: `cuttle probe` ranks raw, pretrained and trained encoders sense by sense."""

import json

import driver
import part_data
import part_weights
import pytest

WORDS = ("--way", "3", "--query", "2", "--episodes", "40", "--split", "test", "--bank", "none", "--json")


@pytest.fixture(scope="module", name="weights")
def files_of_weights(tmp_path_factory):
    return part_weights.make(tmp_path_factory.mktemp("weights") / "files", 8000)


def probe(*words):
    return json.loads(driver.cuttle("probe", *words, *WORDS).stdout)


def test_every_encoder_of_every_sense_is_ranked(shards, weights):
    words = (shards, "--weights", weights / "*.safetensors")
    told = probe(*words)
    assert told["centre"] == "training" and told["episodes"] == 40
    encoders = {sense: {entry["encoder"].split(",")[0].strip("{}") for entry in entries}
                for sense, entries in told["senses"].items()}
    raw, pictures = "type: raw", {"type: efficientnet_lite", "type: resnet", "type: vit"}
    assert encoders == {"image": {raw, *pictures}, "text": {raw, "type: bert", "type: token_table"},
                        "audio": {raw, "type: lstm_speaker", "type: wav2vec2"}, "series": {raw}, "vector": {raw}}
    steps = "{type: raw, fitted: [standardise]}"
    assert {sense for sense, entries in told["senses"].items() if steps in [entry["encoder"] for entry in entries]} \
        == {"series", "vector"}
    for entries in told["senses"].values():
        means = [entry["accuracy"]["mean"] for entry in entries]
        assert means == sorted(means, reverse=True)
        for entry, mean in zip(entries, means):
            assert abs(entry["minus_best"]["mean"] - (mean - means[0])) < 1e-6
    assert 0.5 < told["together"]["mean"] <= 1
    assert probe(*words) == told
    two = driver.cuttle("probe", *words, *WORDS, ranks=2).stdout
    assert json.loads(two) == told


def test_it_is_the_floor_of_a_run(shards, tmp_path):
    """The score of the learner `floor` on the same episodes, centred by the support set where nobody trains."""
    folder = driver.make_shards(tmp_path / "new", "--classes", "10", "--splits", "0,0,1", "--samples-per-class", "6",
                                "--missing", "0")
    config = driver.write_config(tmp_path / "config.yaml", shards, """
name: floor
data: {shards: [SHARDS/*.h5], modalities: [image]}
model: {encoders: {image: {type: raw}}}
episode: {way: 3, shot: 1, query: 2}
adapt: {algorithm: floor, head: cosine, centre: support}
""")
    driver.train(config, tmp_path / "run")
    told = probe(folder)
    assert told["centre"] == "support"
    floor = driver.cuttle_json("eval", tmp_path / "run", "--shards", *sorted(folder.glob("*.h5")), "--episodes", "40",
                               "--split", "test")["accuracy"]
    assert abs(told["senses"]["image"][0]["accuracy"]["mean"] - floor) < 1e-6


def test_encoders_of_runs_are_taken_as_they_were_trained(shards, trained):
    told = probe(shards, "--run", trained)["senses"]
    entries = {entry["encoder"]: entry["accuracy"]["mean"] for entry in told["image"]}
    own = f"{{frozen_from: {trained}}}"
    assert set(entries) == {"{type: raw}", own} and entries[own] > 0.6
    assert all(entry["encoder"].startswith("{type: raw") for entry in told["vector"])  # not a sense of the run
    assert probe(shards, "--run", str(trained)[:-1] + "?")["senses"] == told


def test_runs_that_cannot_be_had_are_left_out(shards, trained, tmp_path):
    (tmp_path / "crashed/checkpoints").mkdir(parents=True)
    other = driver.make_shards(tmp_path / "other", "--classes", "12", "--size", "24", "--missing", "0")
    said = driver.cuttle("probe", other, "--run", trained, "--run", tmp_path / "crashed", *WORDS)
    assert "its image have another kind, shape or sample rate" in said.stderr and "crashed: not probed" in said.stderr
    assert [entry["encoder"] for entry in json.loads(said.stdout)["senses"]["image"]] == ["{type: raw}"]
    said = driver.cuttle("probe", shards, trained, *WORDS, code=driver.USER_ERROR).stderr
    assert "is taken for shards, and is a run" in said


def test_what_does_not_fit_the_data_is_left_out_and_told(shards, tmp_path):
    files = part_weights.make(tmp_path / "files", 16000)  # of another sample rate than the sounds
    said = driver.cuttle("probe", shards, "--weights", files / "lstm_speaker.safetensors", *WORDS)
    assert "audio: left out: {type: lstm_speaker" in said.stderr and "16000" in said.stderr
    assert [entry["encoder"] for entry in json.loads(said.stdout)["senses"]["audio"]] == ["{type: raw}"]
    senses = [part_data.Modality("vector", "vector", (4, ))]
    vectors = part_data.write(tmp_path / "v.h5", ["train"] * 4 + ["test"] * 4, senses, count=6)
    said = driver.cuttle("probe", vectors, "--weights", files / "bert.safetensors", *WORDS)
    assert "not probed, the data have no sense of the kind text" in said.stderr


def test_a_pattern_that_the_shell_took_apart_is_told(shards, weights):
    said = driver.cuttle("probe", shards, "--weights", *sorted(weights.glob("*.safetensors")), *WORDS,
                         code=driver.USER_ERROR).stderr
    assert "is taken for a shard" in said and "put the pattern in quotes" in said


def test_people_read_a_table_and_what_to_write(shards, weights):
    words = [word for word in WORDS if word != "--json"]
    said = driver.cuttle("probe", shards, "--weights", weights / "bert.safetensors", *words).stdout
    assert "40 test episodes of" in said and "3-way 1-shot, 2 queries per class" in said
    assert "minus the best, paired" in said and "in a config:\nmodel:\n  encoders:\n    image: {type: raw}" in said
    assert "weights/bert.safetensors}" in said.replace("files/", "weights/")


@pytest.mark.parametrize("words, said", [
    (("--weights", "nowhere.safetensors"), "there is no nowhere.safetensors"),
    (("--weights", __file__), "test_probe.py"),
    (("--run", "nowhere"), "nowhere"),
    (("--way", "50"), "way"),
    (("--split", "tets"), "split"),
])
def test_what_cannot_be_probed_is_said(shards, words, said):
    message = driver.cuttle("probe", shards, "--episodes", "2", "--bank", "none", *words, code=driver.USER_ERROR).stderr
    assert said in message and "error" in message
