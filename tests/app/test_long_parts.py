"""P1 and P3 in full: every case on more ranks and read otherwise, every learner with every fusion, every encoder with
every norm."""

import json

import driver
import part_cases
import pytest
from part_cases import CASES
from test_parts import HALF, Finished, data_sets, left_by, same  # noqa: F401, pylint: disable=unused-import

OTHERWISE = ("data.prefetch=0", "episode.micro_batch=2")


@pytest.fixture(scope="module", params=CASES, name="finished")
def finished_case(request, sets, tmp_path_factory):
    return Finished(request.param, sets, tmp_path_factory.mktemp(request.param))


def first_by(kind):
    """{name of a part: the first case that shows it}."""
    shown = {}
    for case in CASES:
        for name in part_cases.names_in(CASES[case])[kind]:
            shown.setdefault(name, case)
    return shown


def encoders_with_norms():
    """{type of an encoder that can have a norm: the first case that shows it, the sense that it encodes there}."""
    shown = {}
    for name, case in CASES.items():
        for sense, encoder in case["model"]["encoders"].items():
            if encoder["type"] not in ("columns", "gru", "mlp", "raw", "table", "transformer"):
                shown.setdefault(encoder["type"], (name, sense))
    return shown


LEARNERS, FUSIONS, NORMS = (first_by(kind) for kind in ("learner", "fusion", "norm"))
ENCODERS = encoders_with_norms()
# Keys of `model` that do not go with the fusion.
ANY_FUSION = ("encoders", "head", "modality_dropout")


@pytest.mark.parametrize("ranks", [2, 4, 6])
def test_every_world_size_computes_the_same(finished, ranks):  # noqa: F811
    same(finished.train(f"on {ranks}", ranks=ranks), finished.outcome)


def test_how_tasks_are_read_changes_nothing(finished):  # noqa: F811
    memory = () if CASES[finished.name]["data"] is None else ("data.in_memory=true", )
    same(finished.train("otherwise", *OTHERWISE, *memory, ranks=2), finished.outcome)


def test_a_run_that_came_back_to_one_rank(finished):  # noqa: F811
    finished.train("back", f"train.steps={HALF}", ranks=4)
    same(finished.train("back", "--resume"), finished.outcome)


def proven(config, folder):
    """One rank from end to end, and three that stop half way and go on as two, give the same."""
    path = driver.write_config(folder / "config.yaml", "", json.dumps(config))
    driver.train(path, folder / "alone")
    driver.train(path, folder / "parted", f"train.steps={HALF}", ranks=3)
    driver.train(path, folder / "parted", "--resume", ranks=2)
    alone, parted = ((driver.inspect(folder / run)["parameters_sha256"], *left_by(folder / run))
                     for run in ("alone", "parted"))
    same(parted, alone)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_with_every_fusion(learner, fusion, sets, tmp_path):  # noqa: F811
    config = part_cases.config_of(LEARNERS[learner], sets)
    model = {key: value for key, value in CASES[FUSIONS[fusion]]["model"].items() if key not in ANY_FUSION}
    kept = {key: value for key, value in config["model"].items() if key in ANY_FUSION}
    adapt = {key: value for key, value in config["adapt"].items() if fusion == "late" or key != "part_loss"}
    proven({**config, "adapt": adapt, "model": {**kept, **model}}, tmp_path)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_with_every_norm(encoder, norm, sets, tmp_path):  # noqa: F811
    case, sense = ENCODERS[encoder]
    config = part_cases.config_of(case, sets)
    options = {key: value for key, value in config["model"]["encoders"][sense].items() if key != "norm_momentum"}
    options["norm"] = norm
    config["model"] = {**config["model"], "encoders": {**config["model"]["encoders"], sense: options}}
    proven(config, tmp_path)
