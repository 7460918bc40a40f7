"""Videos: motion is learned by what looks at the order of frames, and by nothing else; from files to answers; what a
frozen encoder makes of frames is paid once."""

import json

import driver
import numpy as np
import part_weights
import pytest
from driver import cuttle, cuttle_json
from PIL import Image

CONFIG = """
name: motion
data: {shards: [SHARDS/*.h5], modalities: [video], in_memory: true, feature_bank: none}
episode: {way: 5, shot: 1, query: 3, meta_batch_size: 4}
model: {encoders: {video: {type: frames, frame: {type: conv4, width: 16, depth: 3, norm: layer}}}}
adapt: {algorithm: protonet}
step: {outer_lr: 3.0e-3}
train: {steps: 80, validate_every: 80, validation_episodes: 10, checkpoint_every: 80}
evaluation: {episodes: 100}
"""


@pytest.fixture(scope="module", name="motions")
def shards_of_motions(tmp_path_factory):
    """Classes that differ in nothing but the order in which a spot visits its places."""
    return driver.make_shards(tmp_path_factory.mktemp("motions") / "shards", "--frames", "5", "--classes", "60",
                              "--samples-per-class", "6", "--missing", "0", "--noise", "0.5", "--seed", "3")


def test_what_a_probe_says_of_a_run_is_a_config_that_works(motions, tmp_path):
    config = driver.write_config(tmp_path / "config.yaml", motions, CONFIG)
    driver.train(config, tmp_path / "run", "model.encoders.video.over_time={type: gru, width: 32}")
    said = cuttle("probe", motions, "--run", tmp_path / "run", "--way", "3", "--query", "2", "--episodes", "20",
                  "--split", "test", "--bank", "none").stdout
    encoder = said.splitlines()[-1].strip().removeprefix("video: ")
    assert f"frozen_from: {tmp_path}/run" in encoder and "over_time: {" in encoder
    text = CONFIG.replace("{type: frames, frame: {type: conv4, width: 16, depth: 3, norm: layer}}", encoder)
    config = driver.write_config(tmp_path / "frozen.yaml", motions, text.replace("protonet", "r2d2"))
    driver.train(config, tmp_path / "frozen", "train.steps=1", "train.validate_every=0")


def test_features_of_frames_have_no_holes(motions, tmp_path):
    config = driver.write_config(tmp_path / "config.yaml", motions, CONFIG)
    for over_time in ("gru", "series_conv", "transformer", "auto"):
        said = cuttle("validate", config, f"model.encoders.video.over_time={{type: {over_time}, irregular: true}}",
                      code=driver.USER_ERROR)
        assert "over_time.irregular: is about series with holes" in said.stdout + said.stderr


@pytest.mark.parametrize("over_time, learns", [
    ("{type: gru, width: 32}", True), ("{type: series_conv, width: 32, depth: 2, norm: layer}", True),
    ("{type: average}", False), ("{type: gru, width: 32, max_length: 1}", False)])
def test_motion_is_in_the_order_of_frames(motions, tmp_path, over_time, learns):
    config = driver.write_config(tmp_path / "config.yaml", motions, CONFIG)
    driver.train(config, tmp_path / "run", f"model.encoders.video.over_time={over_time}")
    accuracy = cuttle_json("eval", tmp_path / "run", "--split", "test")["accuracy"]
    assert accuracy > 0.7 if learns else accuracy < 0.3, accuracy  # chance is 0.2


def clip(path, way, seed):
    """An animation of a bar that goes left or right from anywhere, and round the edge."""
    random = np.random.default_rng(seed)
    start, colour, pictures = random.integers(12), random.integers(100, 255, 3), []
    for moment in range(random.integers(6, 10)):
        pixels = random.integers(0, 40, (12, 12, 3))
        pixels[:, (start + way * moment) % 12] = colour
        pictures.append(Image.fromarray(pixels.astype(np.uint8)))
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(path, save_all=True, append_images=pictures[1:])


def clips(folder, ways, count, seed):
    for way in ways:
        for i in range(count):
            clip(folder / f"by {way}" / f"{i}.gif", way, [seed, way % 12, i])
    return folder


def test_from_files_to_answers(tmp_path):
    files = clips(tmp_path / "mine", (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6), 6, 1)
    driver.run([str(driver.ROOT / "data_tools/cuttle-data"), "folder", str(files), "--out", str(tmp_path / "shards"),
                "--size", "12", "--frames", "6", "--seed", "1"])
    suggested = cuttle("suggest", tmp_path / "shards").stdout
    assert "video: video 12 x 12 x 3, 6 pictures" in suggested
    assert "video: {type: frames, frame: {type: conv4, width: 32, depth: 3, norm: layer}, over_time: {type: gru, " \
        "width: 64}}" in suggested
    config = tmp_path / "my.yaml"
    config.write_text(suggested, encoding="utf-8")
    cuttle("validate", config)
    driver.train(config, tmp_path / "run", "train.minutes=0", "train.steps=60", "train.validate_every=0",
                 "augment.tasks=support", "augment.image.flip=false")
    assert "video" in cuttle("inspect", tmp_path / "run").stdout
    cuttle("adapt", tmp_path / "run", "--support", clips(tmp_path / "support", (-1, 1), 4, 2), "--out",
           tmp_path / "mine.adapted")
    new = clips(tmp_path / "new", (-1, 1), 6, 3)
    Image.new("RGB", (40, 40)).save(new / "by 1/still.png")  # a video of one frame
    (new / "by 1/words.txt").write_text("go right", encoding="utf-8")
    result = cuttle("predict", tmp_path / "mine.adapted", new, "--json")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == 13 and "the model has no sense for texts" in result.stderr
    right = [answer["class"] == max(answer["probabilities"], key=answer["probabilities"].get) for answer in answers
             if "still" not in answer["sample"]]
    assert len(right) == 12 and sum(right) > 8
    alone = cuttle("predict", tmp_path / "mine.adapted", new / "by 1/0.gif", "--json").stdout
    by_name = {answer["sample"]: answer["probabilities"] for answer in answers}
    assert by_name[str(new / "by 1/0.gif")] == json.loads(alone)["probabilities"]


FROZEN = """
name: frozen
data: {shards: [SHARDS/*.h5], modalities: [video], feature_bank: BANK}
episode: {way: 3, shot: 1, query: 2, meta_batch_size: 2}
model: {encoders: {video: {type: frames, frame: {type: resnet, weights: WEIGHTS}, over_time: {type: average}}}}
adapt: {algorithm: maml, inner_steps: 1}
train: {steps: 2, validate_every: 2, validation_episodes: 2, checkpoint_every: 2}
evaluation: {episodes: 10}
"""


@pytest.fixture(scope="module", name="weights")
def files_of_weights(tmp_path_factory):
    return part_weights.make(tmp_path_factory.mktemp("weights") / "files", 8000)


def test_features_of_a_wholly_frozen_encoder_are_kept(motions, weights, tmp_path):
    text = FROZEN.replace("BANK", str(tmp_path / "bank")).replace("WEIGHTS", str(weights / "resnet.safetensors"))
    config = driver.write_config(tmp_path / "config.yaml", motions, text)
    assert "features of video: computing 1 of 1 parts" in driver.train(config, tmp_path / "one").stderr
    again = driver.train(config, tmp_path / "two", ranks=2).stderr
    assert "computing" not in again
    driver.train(config, tmp_path / "three", "data.feature_bank=none")
    hashes = {driver.inspect(tmp_path / run)["parameters_sha256"] for run in ("one", "two", "three")}
    scores = {cuttle_json("eval", tmp_path / run)["accuracy"] for run in ("one", "two", "three")}
    assert len(hashes) == 1 and len(scores) == 1


def test_adapted_files_have_the_weights_of_frames_inside(motions, weights, tmp_path):
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((weights / "resnet.safetensors").read_bytes())
    config = driver.write_config(tmp_path / "config.yaml", motions, FROZEN.replace("BANK", "none").replace(
        "WEIGHTS", str(moved)).replace("{type: average}", "{type: gru, width: 4}"))
    driver.train(config, tmp_path / "run")
    clips(tmp_path / "support", (1, 2), 2, 1)
    cuttle("adapt", tmp_path / "run", "--support", tmp_path / "support", "--out", tmp_path / "mine.adapted",
           "--stand-alone")
    asked = tmp_path / "support/by 1/0.gif"
    said = cuttle("predict", tmp_path / "mine.adapted", asked).stdout
    moved.unlink()
    assert cuttle("predict", tmp_path / "mine.adapted", asked).stdout == said


def test_encoders_of_pictures_are_probed_on_frames(motions, weights):
    told = json.loads(cuttle("probe", motions, "--weights", weights / "vit.safetensors", "--way", "3", "--query", "2",
                             "--episodes", "20", "--bank", "none", "--json").stdout)
    found = {entry["encoder"] for entry in told["senses"]["video"]}
    assert found == {"{type: raw}", "{type: frames, frame: {type: vit, weights: " +
                     f"{weights / 'vit.safetensors'}}}, over_time: {{type: average}}}}"}
