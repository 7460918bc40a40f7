"""What a careless user does, and the words that the answer must have: exit code 2, one message, nothing half done."""

import os
import shutil

import driver
import h5py
import numpy as np
import pytest
from driver import USER_ERROR

# `{...}` in a command: c a good config, run a trained run, shard a good shard, here an empty folder of the test's own;
# other names are files made below. The words stand in the answer, in any order.
ONE_STEP = "train.steps=1 train.validate_every=0 --run-dir {here}/run"
TABLE = [
    # keys and values of the config
    ("train {c} adapt.iner_lr=1", "adapt.iner_lr unknown adapt.inner_lr"),
    ("train {c} train.steps=0", "train.steps must be 1 or more"),
    ("train {c} train.steps=many", "train.steps whole number"),
    ("train {c} train.steps=1.5", "train.steps whole number"),
    ("train {c} train.steps=99999999999999999999", "train.steps"),
    ("train {c} step.outer_lr=-1", "step.outer_lr must be above 0"),
    ("train {c} step.outer_lr=nan", "step.outer_lr finite"),
    ("train {c} adapt.inner_lr=0,1", "adapt.inner_lr number"),
    ("train {c} model.modality_dropout=20", "model.modality_dropout must be 0 to below 1"),  # per cent
    ("train {c} comm.deadline_s=300000", "comm.deadline_s must be 0.01 to 86400"),  # milliseconds
    ("train {c} device=cuda " + ONE_STEP, "no GPU can be used here set device: cpu"),
    ("train {c} device=gpu", "device must be cpu or cuda"),
    ("train {c} data.missing_by=tasks", "data.missing_by must be sample, class or task"),
    ("train {c} objectives.a.type=generative " + ONE_STEP, "model.completion none use generated remove"),
    ("train {c} model.completion=generated objectives.a.type=generative objectives.a.where=inner " + ONE_STEP,
     "objectives.a.where generative has two players use outer"),
    ("train {c} objectives.align.weight=0.3", "objectives.align.type is not given cuttle list objective"),
    ("train {c} step.schedule=cosin", "step.schedule cosine"),
    ("train {c} adapt.algorithm=mamel", "adapt.algorithm mamel is unknown maml"),
    ("train {c} model.encoders.image.type=conv5 " + ONE_STEP, "model.encoders.image.type conv5 conv4"),
    ("train {c} model.encoders.audio.width=8 " + ONE_STEP, "model.encoders.audio no such modality data.modalities"),
    ("train {c} model.encoders.image.depth=9 " + ONE_STEP, "model.encoders.image.depth at most"),
    ("train {c} data.modalities=[image,smell] " + ONE_STEP, "smell"),
    ("train {c} seed", "key=value"),
    ("train {c} =3", "key=value"),
    ("train {c} episode.way=1", "episode.way 2 or more"),
    ("validate {c} evaluation.way=4", "evaluation.way is 4 above episode.way 3 maml use 3 or less protonet"),
    ("train {c} evaluation.way=4 " + ONE_STEP, "evaluation.way is 4 above episode.way 3 maml use 3 or less protonet"),
    ("train {c} episode.way=11 " + ONE_STEP, "episode.way has 10 classes Lower way"),
    ("train {c} episode.shot=100 " + ONE_STEP, "100 + 2 samples Lower way, shot or query"),
    ("train {c} episode.target=value " + ONE_STEP, "target"),
    ("train {c} episode.sampling_weights={here}/gone.csv " + ONE_STEP, "gone.csv No such file check the path"),
    ("train {c} episode.sampling_weights={typo} " + ONE_STEP, "typo.yaml no column 'class' cuttle map --toward"),
    ("train {curve_config} episode.sampling_weights={c} " + ONE_STEP, "episode.sampling_weights unknown"),
    ("train {c} reduce.on_nonfinite=ignore", "reduce.on_nonfinite skip_task"),
    ("train {typo}", "typo.yaml:2 unknown adapt"),
    ("train {twice}", "given twice keep one"),
    ("train {flat}", "section of keys"),
    ("train {broken}", "broken.yaml"),
    ("train {tab}", "tab.yaml:2 tab in the indentation use spaces"),
    ("train {empty}", "holds no keys dump-default"),
    ("train {shard}", "{shard} is not UTF-8 text"),
    ("train {curve_config} episode.complete=true " + ONE_STEP, "episode.complete no effect sinusoids remove the key"),
    ("train {acting_config} episode.shot_min=1 " + ONE_STEP, "episode.shot_min no effect tabular_mdp remove the key"),
    # files and folders
    ("train {here}/none.yaml", "none.yaml No such file check the path"),
    ("train {here}", "{here}: is a folder add --resume or give a config file"),
    ("train {here} --resume", "{here}: holds no run config.yaml"),
    ("train {run} --resume --run-dir {here}", "--run-dir leave one of them out"),
    ("train {c} data.test_shards=[{here}/*.h5] " + ONE_STEP, "data.test_shards: no shard matches {here}/*.h5"),
    ("train {c} data.validation_shards=[{other_shape}] " + ONE_STEP, "data.validation_shards image another shape"),
    ("eval {acting} --shards {shard}", "data.shards tabular_mdp makes its tasks itself"),
    ("eval {run} --shards {c}", "not an HDF5 file"),
    ("eval {run} --shards {shard} seed=2", "--shards no shard matches 'seed=2' put it before --shards"),
    ("train {c} data.shards=[{here}/*.h5] " + ONE_STEP, "{here}/*.h5"),
    ("train {c} data.shards={shard}", "must be a list write [{shard}]"),
    ("train {c} data.shards=[{c}] " + ONE_STEP, "not an HDF5 file data_tools"),
    ("train {c} data.shards=[{shard},{other_shape}] " + ONE_STEP, "other_shape.h5 image"),
    ("train {c} --run-dir {run}", "holds a run already --resume"),
    ("train {c} --run-dir {c}/run", "{c}/run"),
    ("train {c} train.init_from={here}/gone " + ONE_STEP, "{here}/gone no such folder"),
    ("train {c} model.encoders.text.frozen_from={here}/gone " + ONE_STEP, "{here}/gone no such folder"),
    ("train {c} model.encoders.text.frozen_from={image_run} " + ONE_STEP, "has no encoder of that modality"),
    ("train {c} train.init_from={image_run} --strict-init " + ONE_STEP, "--strict-init not in that run encoder.text"),
    ("train {c} train.init_from={curve} " + ONE_STEP, "none of the parameters fit name a run of a like model"),
    ("train {c} --strict-init " + ONE_STEP, "--strict-init train.init_from names no run leave it out"),
    ("train {c} train.init_statistics=source", "train.init_statistics there is none train.init_from use own"),
    # going on
    ("train {c} --resume", "--resume needs --run-dir in place of the config"),
    ("train {run} --resume seed=2", "seed: was 1, is 2 may change train.steps (to more), init_from={run}/"),
    ("train {c} --take-over --run-dir {run}", "--take-over add --resume"),
    ("train {c} seed=2 --run-dir {run} --resume", "seed: was 1, is 2"),
    ("train {c} episode.way=2 --run-dir {run} --resume", "episode.way: was 3, is 2"),
    ("train {c} train.steps=5 --run-dir {run} --resume", "train.steps can only become larger"),
    # using a run
    ("train {c} train.init_from={c} " + ONE_STEP, "train.init_from: {c} is a file give a run folder"),
    ("train {c} model.encoders.text=null", "model.encoders.text found nothing model.encoders.text.KEY=VALUE"),
    ("eval {here}", "no checkpoint that can be used train it first name the folder of another run"),
    ("eval {here}/gone", "no such folder"),
    ("eval {run} --split tset", "tset did you mean 'test'"),
    ("eval {run} --outside {here}/*.h5", "no shard matches {here}/*.h5"),
    ("eval {run} --outside seed=2", "--outside no shard matches 'seed=2' put it before --outside"),
    ("eval {run} --outside {other_shape}", "--outside: modality image another shape"),
    ("eval {acting} --outside", "--outside is about samples of no class leave it out"),
    ("eval {run} --modalities imge", "imge it has image, text"),
    ("eval {run} data.modalities=[image,text,audio]", "data.modalities takes image, text --modalities"),
    ("eval {run} --missing-rate 50", "--missing-rate 50"),
    ("eval {run} --episodes -5", "--episodes -5 not in range 1 to 1000000000"),
    ("eval {run} evaluation.way=4", "evaluation.way larger than in training way 3 larger episode.way"),
    ("eval {run} episode.way=4", "evaluation.way 4 classes larger than in training episode.way was 3 evaluation.way=3"),
    ("eval {curve} evaluation.shot=9", "evaluation.shot larger than in training shot 2 snail larger episode.shot"),
    ("eval {curve} data.shards=[{shard}]", "data.shards sinusoids makes its tasks itself remove the key"),
    ("eval {run} --per-episode {here}/a.txt", "--per-episode says no format end it in .csv or .jsonl"),
    ("eval {curve} --per-episode {here}/a.jsonl", "--per-episode not of samples of one data set a .csv file"),
    ("train {curve_config} episode.units=training " + ONE_STEP, "sinusoids draws its values itself use own"),
    ("train {c} episode.units=training " + ONE_STEP, "episode.units unknown belongs to gaussian, quantile or value"),
    ("eval {curve} episode.groups=apart", "episode.groups no effect sinusoids remove the key"),
    ("eval {acting} episode.actions=4", "episode.source tabular_mdp 4 outputs gives 3 as in training"),
    ("eval {image_run} --missing-rate 0.5", "--missing-rate image is the only sense leave it out"),
    ("eval {run} --modalities text --missing-rate 0.5", "--missing-rate text is the only sense leave it out"),
    ("eval {run} data.shards=[{other_shape}]", "image"),
    ("compare {run}", "two runs or more"),
    ("compare {run} {image_run} --episodes 2", "{image_run} draws other samples than {run} same shards"),
    ("compare {run} {here}/gone", "{here}/gone"),
    ("compare {curve} {curve}", "{curve} not scored by accuracy use cuttle eval --per-episode"),
    ("map {acting}", "{acting} environments no support set samples"),
    ("map {run} --by mean", "--by mean not in statistics fisher"),
    ("map {run} --tasks 1", "--tasks 1 not in range 2"),
    ("map {run} --toward {shard}", "--toward requires --out"),
    ("map {run} --out {here}/w.csv", "--out requires --toward"),
    ("map {run} --toward {shard} --out {here}/w.csv --tasks 9", "--toward excludes --tasks"),
    ("map {run} --toward {shard} --out {here}/w.csv --by fisher", "--by fisher --toward use statistics"),
    ("map {run} --toward {shard} --out {here}/w.csv --floor 0", "--floor 0 not in range"),
    ("map {run} --toward {here}/gone --out {here}/w.csv", "{here}/gone no such file or folder could not be packed"),
    ("map {run} --toward {shard} --out {shard}", "{shard} is read and would be overwritten"),
    ("map {curve} --toward {shard} --out {here}/w.csv", "{curve} not come from the classes of one data set"),
    ("adapt {acting} --support {shard} --out {here}/a", "{acting} environments use cuttle eval"),
    ("adapt {run} --support {c} --out {here}/a", "{c} unknown file type .yaml could not be packed see above"),
    ("adapt {run} --support {here}/gone --out {here}/a", "{here}/gone no such file or folder could not be packed"),
    ("adapt {run} --support {shard} --support {c} --out {here}/a", "some are shards, others are not"),
    ("adapt {run} --support {shard} {shard} --out {here}/a", "'{shard}' is no key=value write --support {shard}"),
    ("adapt {run} --support a={here} b={here} --out {here}/a", "'b={here}' is no key=value --support b={here}"),
    ("adapt {run} --support {shard} --calibrate -1 --out {here}/a", "--calibrate -1 not in range"),
    ("adapt {run} --support {shard} --out {here}/a", "20 classes trained for 3 at most larger episode.way protonet"),
    ("predict {c} {shard}", "{c}: not an adapted model a file of another kind give what cuttle adapt wrote"),
    ("predict {shard} {shard}", "{shard}: is a shard give what cuttle adapt wrote"),
    ("predict {run} {shard}", "is a folder make a file cuttle adapt"),
    ("predict {here}/none.adapted {shard}", "none.adapted No such file"),
    ("predict {here}/none.adapted", "inputs (files, folders, a table or shards) is required"),
    ("predict {here}/none.adapted {shard} --reject 5", "--reject 5 not in range"),
    ("predict {here}/none.adapted {shard} --top 0", "--top 0 not in range"),
    ("predict {here}/none.adapted {shard} --out {here}/a.txt", "says no format end it in .csv or .jsonl"),
    ("inspect {c}", "is a file, and not one of adapt give a run folder, shards"),
    ("inspect {here}/gone", "{here}/gone: no such file or folder give a run folder, shards or what adapt wrote"),
    ("inspect {shard} --deterministic", "--deterministic is about runs"),
    ("bench", "needs a config"),
    ("validate /dev/null", "not a regular file"),
    # the command line
    ("tran {c}", "'tran' did you mean 'train'"),
    ("train {c} --rundir x", "--rundir"),
    ("train", "config is required"),
    ("adapt {run} --support {shard}", "--out is required"),
]
FILES = {"typo": "seed: 1\nadpt: {inner_lr: 0.1}\n", "twice": "seed: 1\nseed: 2\n", "flat": "adapt: 5\n",
         "broken": "adapt: {inner_lr: 0.1\n", "tab": "adapt:\n\tinner_lr: 0.1\n", "empty": "",
         "curve_config": "episode: {source: sinusoids, target: value, way: 1, shot: 2, query: 2}\n"
                         "adapt: {algorithm: snail, filters: 4, attention: 4}\n"
                         "model: {fusion: concat, encoders: {x: {width: 8, depth: 1}}}\n",
         "acting_config": "episode: {source: tabular_mdp, target: return, way: 1, shot: 3, query: 4, actions: 3}\n"
                          "adapt: {algorithm: maml_rl}\n"
                          "model: {encoders: {state: {width: 8, depth: 1}}}\n"}


@pytest.fixture(scope="module")
def places(shards, config, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("careless")
    found = {"c": config, "run": trained, "shard": sorted(shards.glob("*.h5"))[0], "image_run": folder / "image_run"}
    images = driver.one_sense_config(folder / "images.yaml", config, "image")
    driver.train(images, found["image_run"], "train.steps=1", "train.validate_every=0")
    for name, text in FILES.items():
        found[name] = folder / f"{name}.yaml"
        found[name].write_text(text, encoding="utf-8")
    for name in ("curve", "acting"):
        found[name] = folder / name
        driver.train(found[f"{name}_config"], found[name], "train.steps=1", "train.validate_every=0")
    wide = driver.make_shards(folder / "wide", "--size", "9", "--name", "wide")
    found["other_shape"] = shutil.copy(sorted(wide.glob("*.h5"))[0], folder / "other_shape.h5")
    return found


@pytest.mark.parametrize("words, expected", TABLE, ids=[words for words, _ in TABLE])
def test_a_mistake_gets_its_answer(words, expected, places, tmp_path):
    before = sorted(path for path in places["run"].rglob("*") if path.name != "run.lock")
    names = {**places, "here": tmp_path}
    said = driver.cuttle(*[word.format(**names) for word in words.split()], code=USER_ERROR, timeout=30).stderr
    missing = [word for word in expected.format(**names).split() if word not in said]
    assert not missing, f"{missing} not in:\n{said}"
    assert said.count(" error: ") <= 1
    written = [path.name for path in (tmp_path / "run").rglob("*")]
    assert written in ([], ["run.lock"]) and not driver.leftovers(tmp_path)  # the next attempt can use the folder
    assert sorted(path for path in places["run"].rglob("*") if path.name != "run.lock") == before


def test_what_eval_cannot_show_is_said(places):
    said = driver.cuttle("eval", places["curve"], "--diagnostics", "--episodes", "2").stderr
    assert "--diagnostics: snail takes no inner steps" in said
    words = ("eval", places["run"], "--diagnostics", "--episodes", "2")
    assert "--diagnostics" not in driver.cuttle(*words).stderr


def test_what_a_policy_earns_by_steps_of_adaptation_is_told(places):
    words = ("eval", places["acting"], "adapt.eval_inner_steps=2", "--episodes", "3")
    told = driver.cuttle_json(*words, "--diagnostics")
    assert [line["step"] for line in told["trace"]] == [0, 1, 2]
    assert told["trace"][2]["query_return"] == told["return"] == -told["trace"][2]["query_loss"]
    assert told["trace"][0]["query_return"] != told["return"] and told["trace"][0]["support_return"] > 0
    assert told["return"] == driver.cuttle_json(*words)["return"]  # looking changes nothing


def test_environments_are_described_as_such(places):
    assert "3 episodes to adapt to, 4 to score" in driver.cuttle("eval", places["acting"], "--episodes", "2").stdout


def test_the_table_is_long_enough():
    assert len(TABLE) >= 60 and len({words for words, _ in TABLE}) == len(TABLE)


def test_two_data_sets_in_one_config(shards, config, tmp_path):
    other = driver.make_shards(tmp_path / "other", "--name", "other", "--classes", "9", "--splits", "0,1,0")
    said = driver.train(config, tmp_path / "run", f"data.shards=[{shards}/*.h5,{other}/*.h5]", code=USER_ERROR).stderr
    assert "name the shards of one data set" in said and str(other) in said


def test_more_ranks_than_tasks_and_more_threads_than_cores_are_said(config, tmp_path):
    words = ("train.steps=1", "train.validate_every=0")
    said = driver.train(config, tmp_path / "1", *words, "threads=64").stderr
    assert "1 rank of 64 threads share the" in said and "start fewer" in said
    said = driver.train(config, tmp_path / "2", *words, "episode.meta_batch_size=1", ranks=2).stderr
    assert "1 of 2 ranks have no task in a step of 1" in said and "start fewer" in said


def test_a_folder_without_permission(config, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (tmp_path / "closed").mkdir(mode=0o555)
    assert "Permission denied" in driver.train(config, tmp_path / "closed/run", code=USER_ERROR).stderr


def test_a_shard_without_data(config, tmp_path):
    with h5py.File(tmp_path / "hollow.h5", "w") as file:
        file["x"] = np.zeros(3)
    said = driver.train(config, tmp_path / "run", f"data.shards=[{tmp_path}/hollow.h5]", code=USER_ERROR).stderr
    assert "hollow.h5" in said
