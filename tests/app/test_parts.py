"""P1 and P3 for every part that configs can name, by a tiny run of each; a part without one is an error."""

import json
import math

import driver
import part_cases
import part_data
import pytest
from part_cases import CASES, QUICK

SCORES = {"accuracy", "mean_squared_error", "return", "average_precision", "huber_loss", "quantile_loss",
          "quadratic_kappa", "ndcg_at_2"}
HALF = 3  # of the steps of a case; it validates then, as every run does at its end


@pytest.fixture(scope="session", name="sets")
def data_sets(tmp_path_factory):
    return part_data.make(tmp_path_factory.mktemp("sets"))


class Finished:
    """A case, and its run on one rank."""

    def __init__(self, name, sets, folder):
        self.name, self.folder = name, folder
        self.use = sets[CASES[name]["use"]]["use"]
        self.config = driver.write_config(folder / "config.yaml", "", json.dumps(part_cases.config_of(name, sets)))
        self.outcome = self.train("alone")

    def train(self, run, *words, ranks=None):
        """What the run `run` ends with."""
        said = driver.train(self.config, self.folder / run, *words, ranks=ranks).stderr
        return said.partition("parameters sha256 ")[2].split()[0], *left_by(self.folder / run)


def left_by(run):
    """Records, and tensors of the last checkpoint."""
    last = max((run / "checkpoints").glob("step-*"))
    tensors = {file.name: file.read_bytes() for file in last.glob("*.safetensors")}
    return (run / "metrics.jsonl").read_text(encoding="utf-8"), last.name, tensors


@pytest.fixture(scope="module", params=QUICK, name="finished")
def finished_case(request, sets, tmp_path_factory):
    return Finished(request.param, sets, tmp_path_factory.mktemp(request.param))


def same(one, other):
    """Whether two outcomes are the same; fails with what differs first."""
    assert one[1].splitlines() == other[1].splitlines()
    assert one[0] == other[0] and one[1:3] == other[1:3]
    assert one[3].keys() == other[3].keys()
    assert [name for name in one[3] if one[3][name] != other[3][name]] == []


def numbers(told):
    """Every number in what a command told as JSON; null stands for one that is not finite."""
    if isinstance(told, dict):
        return [number for value in told.values() for number in numbers(value)]
    if isinstance(told, list):
        return [number for value in told for number in numbers(value)]
    return [math.nan] if told is None else [told] if isinstance(told, (int, float)) else []


def finite(told):
    return all(map(math.isfinite, numbers(told)))


def test_every_part_has_a_case():
    listed = json.loads(driver.cuttle("list", "--json").stdout)
    assert not part_cases.without_a_case(listed), "add a case to tests/app/part_cases.py (for a new kind also names_in)"


def test_a_part_without_a_case_is_named():
    listed = {"learner": {"maml": {}, "telepathy": {}}, "smell": {"nose": {}}}
    assert part_cases.without_a_case(listed) == ["learner telepathy", "smell nose"]


def test_three_ranks_compute_what_one_does(finished):
    same(finished.train("three", ranks=3), finished.outcome)


def test_a_run_goes_on_with_other_ranks(finished):
    half = finished.train("parted", f"train.steps={HALF}")
    assert half[0] != finished.outcome[0] and half[2].endswith(f"-{HALF:08d}")
    same(finished.train("parted", "--resume", ranks=2), finished.outcome)


def test_the_run_learned_something_finite(finished):
    records = [json.loads(line) for line in finished.outcome[1].splitlines()]
    steps = [record for record in records if record["kind"] == "train"]
    assert len(steps) == 6 and len(records) == 8
    learns = CASES[finished.name]["adapt"]["algorithm"] != "floor"  # which has a running average alone
    assert all((record["gradient_norm"] > 0) == learns for record in steps if record["applied"])
    skips = CASES[finished.name].get("reduce", {}).get("on_nonfinite", "fail")
    assert finite(records) or skips != "fail"
    if CASES[finished.name]["data"] == "poisoned":
        assert 0 < sum(record["skipped"] > 0 for record in steps) < 6
        assert all(record["applied"] == (skips == "skip_task" or not record["skipped"]) for record in steps)


def test_evaluation_is_finite_and_the_same_on_two_ranks(finished):
    alone = driver.cuttle("eval", finished.folder / "alone", "--json").stdout
    assert driver.cuttle("eval", finished.folder / "alone", "--json", ranks=2).stdout == alone
    told = json.loads(alone)
    assert finite(told) and told["episodes"] == 6
    assert SCORES & set(told)


@pytest.mark.parametrize("finished", [name for name in CASES if "sources" in CASES[name]], indirect=True)
def test_one_of_several_sources_is_evaluated_by_its_weight(finished):
    sources, told = CASES[finished.name]["sources"], {}
    for name in sources:
        others = [f"sources.{other}.weight=0" for other in sources if other != name]
        told[name] = json.loads(driver.cuttle("eval", finished.folder / "alone", "--json", *others).stdout)
        assert finite(told[name]) and told[name]["sources"][name] > 0
        runs = [finished.folder / "alone"] * 2
        sets = [word for other in others for word in ("--set", other)]
        assert json.loads(driver.cuttle("compare", *runs, "--json", *sets).stdout)["runs"][1]["lead"]["mean"] == 0
    assert "weight 0" in driver.cuttle("compare", *runs, code=driver.USER_ERROR).stderr
    assert told["inside"]["accuracy"] != told["unnamed"]["accuracy"]


@pytest.mark.parametrize("finished", ["maml", "protonet"], indirect=True)
def test_augmentation_is_for_training_alone(finished):
    assert finished.train("other", "augment.tasks=support")[0] != finished.outcome[0]
    alone = driver.cuttle("eval", finished.folder / "alone", "--json").stdout
    assert driver.cuttle("eval", finished.folder / "alone", "--json", "augment.tasks=support").stdout == alone


def test_adapted_models_give_finite_answers(finished, tmp_path):
    words = ("adapt", finished.folder / "alone", "--support", finished.use, "--out", tmp_path / "adapted",
             "--calibrate", "5")
    if CASES[finished.name]["episode"]["target"] == "return":
        driver.cuttle(*words, code=driver.USER_ERROR)  # nobody can act in a shard
        return
    driver.cuttle(*words)
    lines = driver.cuttle("predict", tmp_path / "adapted", finished.use, "--json").stdout.splitlines()
    answers = [record for record in map(json.loads, lines)
               if record.get("class", "") is not None]  # null: it has none of the model's senses
    assert len(answers) >= 4 and all(numbers(answer) and finite(answer) for answer in answers)
    assert all("values" in answer or "labels" in answer or 0 < answer["probability"] <= 1 for answer in answers)
