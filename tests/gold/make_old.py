"""Makes the files of tests/gold/old with a program, which should be an old one: python3 make_old.py PROGRAM [CASE...]

Each case has config.yaml, as a person would write it; run/, what the program left of the run's newest checkpoint;
`adapted`, made of it; and expected.json: what the same program makes of them, in the portable setting of make_gold.py.
The files stay as they are: they stand for those that people have.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from cases import BOTH, CONCAT, GATED, LATE, MEL, TRAIN, case, config_of, gradient, protonet, regression, shard
from make_gold import HERE, Program, trained

OLD = HERE / "old"
LEFT_OUT = ("heartbeat.json", "timing.jsonl", "ranks.jsonl", "run.lock")  # when and where, not what
REFUSED = {("audio", "resume"): "on audio without the level of each recording"}  # by today's program, and why
MORE_STEPS = "train.steps=30"  # of a resumed run
SMALL = {"image": BOTH["image"], "text": {**BOTH["text"], "width": 2}}
ONCE = {"train": {**TRAIN, "validate_every": 20, "checkpoint_every": 20}}
CASES = {
    "maml_late": case(gradient("maml"), {**LATE, "modality_dropout": 0.2}, SMALL, **ONCE),
    "protonet_gated": case(protonet(refine=1), GATED, SMALL, step={"optimizer": "adam", "outer_lr": 0.005}, **ONCE),
    "regression": regression(gradient("maml", 3, 0.05), **ONCE),
    "audio": case(protonet(), CONCAT, {"audio": MEL}, data="senses", **ONCE),
}


def resume(program, name, run):
    program("train", OLD / name / "config.yaml", MORE_STEPS, "--run-dir", run, "--resume")
    return trained(run)


# What can be done with the files of a case, in a copy of its run.
USES = {
    "eval": lambda program, name, run: program.evaluate(run),
    "adapt": lambda program, name, run: program.adapt(run, shard(CASES[name], "_support"), run / "adapted"),
    "predict": lambda program, name, run: program.predict(OLD / name / "adapted", shard(CASES[name], "_query")),
    "resume": resume,
}


def use(program, name, what):
    with tempfile.TemporaryDirectory() as scratch:
        return USES[what](program, name, Path(shutil.copytree(OLD / name / "run", Path(scratch) / "run")))


def make(program, name):
    folder = OLD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = [f"{key}: {json.dumps(value)}" for key, value in config_of(name, CASES[name], "portable").items()]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        program("train", folder / "config.yaml", "--run-dir", run)
        shutil.copytree(run, folder / "run", ignore=lambda _, names: [name for name in names if name in LEFT_OUT])
    program.adapt(folder / "run", shard(CASES[name], "_support"), folder / "adapted")
    expected = {what: use(program, name, what) for what in USES}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in expected.items()]
    (folder / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    for each in sys.argv[2:] or CASES:
        make(Program(sys.argv[1], "portable"), each)
