"""Every learner, fusion and encoder computes the recorded bits, and files of an old program serve as they did."""

import json
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import make_old  # noqa: E402
from cases import NAMES  # noqa: E402
from make_gold import GOLD, Gold, Program  # noqa: E402

PROGRAM = Path(os.environ.get("CUTTLE_BINARY_DIR", HERE.parents[1] / "build/release")) / "cuttle"
MAX_LINES = 30  # of a difference


def differences(was, now, place=""):
    """A line for each place where two results differ: for a list of numbers, the first one. What a program tells now
    and did not when it was recorded, is no difference."""
    if isinstance(was, dict) and isinstance(now, dict):
        return [line for key, value in was.items()
                for line in differences(value, now.get(key, "nothing"), f"{place}.{key}".strip("."))]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, pair in enumerate(zip(was, now)):
            if found := differences(*pair, f"{place}[{index}]"):
                return found
        return []
    return [] if was == now else [f"{place}: recorded {was}, now {now}"]


def test_differences_are_told():
    was = {"losses": [1.0, 2.0, 3.0], "eval": {"loss": 0.5}}
    assert not differences(was, was)
    assert differences(was, {"losses": [1.0, 2.5, 3.5], "eval": {"accuracy": 1}}) == [
        "losses[1]: recorded 2.0, now 2.5", "eval.loss: recorded 0.5, now nothing"]


def without_widths(what, told):
    """The old program's intervals of fewer than 30 episodes were 1.96 standard errors; Student's t reaches farther."""
    left_out = {"eval": "ci95", "resume": "metrics_sha256"}.get(what)
    return {key: value for key, value in told.items() if key != left_out} if isinstance(told, dict) else told


@pytest.fixture(scope="session")
def recorded():
    return json.loads(GOLD.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def golds(tmp_path_factory):
    """By setting; cases that others build on are trained once."""
    return {setting: Gold(PROGRAM, tmp_path_factory.mktemp("gold"), setting) for setting in NAMES}


def compare(was, now, libraries, gold):
    """Fails with the differences, unless other libraries computed."""
    lines = differences(was, now)
    if not lines:
        return
    if (here := gold.libraries()) != libraries:
        pytest.skip(f"other bits, as may be: recorded with {libraries}, here are {here}")
    pytest.fail("\n".join(lines[:MAX_LINES]), pytrace=False)


@pytest.mark.parametrize("setting, name", [(setting, name) for setting, names in NAMES.items() for name in names])
def test_bits_are_the_recorded_ones(setting, name, recorded, golds):
    gold = golds[setting]
    if (kept := recorded[setting].get(gold.key())) is None:
        pytest.skip(f"nothing is recorded for {gold.key()}; there is {', '.join(recorded[setting])}")
    compare(kept["cases"][name], gold.result(name), kept["libraries"], gold)


@pytest.mark.parametrize("name", make_old.CASES)
@pytest.mark.parametrize("what", make_old.USES)
def test_old_files_serve_as_they_did(what, name, recorded, golds):
    if (name, what) in make_old.REFUSED:
        with pytest.raises(AssertionError, match=make_old.REFUSED[name, what]):
            make_old.use(Program(PROGRAM, "portable"), name, what)
        return
    recorded_then = json.loads((make_old.OLD / name / "expected.json").read_text(encoding="utf-8"))
    expected = without_widths(what, recorded_then[what])
    now = make_old.use(Program(PROGRAM, "portable"), name, what)
    if what == "resume" and make_old.CASES[name]["sections"]["step"].get("optimizer") == "adam":
        assert now["losses"] == pytest.approx(expected["losses"], rel=1e-4)  # its roots are not portable (cases.py)
        return
    compare(expected, now, recorded["portable"]["any"]["libraries"], golds["portable"])
