"""launch/simulate.py as people call it, with nothing measured, and launch/lib/predictions.py."""

import json
import subprocess
import sys

import measurements
import predictions
import pytest
import step_model
from conftest import ROOT

RECORD = {"ranks": 1, "parameters": 5000, "ms_per_task": 10.5, "ms_per_step": 42.0,
          "ms": {"plan_per_task": 0.01, "read": 0.4, "adapt": 39.6, "reduce": 1.5, "step": 0.5}}
FEW = {**RECORD, "ms_per_task": 11.0, "ms_per_step": 11.0, "ms": {**RECORD["ms"], "reduce": 0.6}}
LINK = step_model.Link(20e-6, 1 / 3e9)
MACHINE = step_model.Machine(LINK, LINK)
PLAN = predictions.Plan()


def write(path, *records, indent=None):
    path.write_text("\n".join(json.dumps(record, indent=indent) for record in records), encoding="utf-8")
    return path


def test_the_three_models_and_all_ranks(simulate):
    output = simulate().stdout
    for start in ("Conv4: 112,261 parameters", "ResNet-12: 12,424,320", "100 million: 100,000,000"):
        assert f"\n{start}" in output
    assert [line.split()[0] for line in output.split("ResNet-12:")[0].splitlines() if line[:1].isdigit()] == [
        f"{2**power:,}" for power in range(1, 13)]
    assert "Predictions" in output and "cuttle does not have" in output and "against scattered" in output


def test_json_holds_what_is_shown(simulate, tmp_path):
    out = tmp_path / "results.json"
    shown = simulate("--ranks", "2,64", "--json", out).stdout
    results = json.loads(out.read_text(encoding="utf-8"))
    for model in results["models"]:
        work = step_model.Work(**model["work"])
        links = {name: step_model.Link(**results["machine"][name]) for name in ("node", "between")}
        machine = step_model.Machine(**{**results["machine"], **links})
        for row in model["rows"]:
            again = predictions.predict(machine, work, PLAN, row["ranks"])
            assert again == row
            now = row["schemes"]["as it is"]
            assert now["total_s"] == pytest.approx(sum(now[part] for part in ("compute_s", "wait_s", "local_s",
                                                                              "network_s")))
            assert predictions.duration(now["total_s"]) in shown and f"{now['efficiency']:.3f}" in shown
    assert len(results["crossovers"]) == 3 * 4 and len(results["size_crossovers"]) == 2 * 4


def test_a_reader_that_leaves_is_no_traceback():
    words = f"{sys.executable} {ROOT}/launch/simulate.py --ranks 2 | head -n 1"
    result = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False)
    assert result.stdout.startswith("Predictions") and not result.stderr


def test_plot(simulate, tmp_path):
    simulate("--plot", tmp_path / "efficiency.png")
    assert (tmp_path / "efficiency.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_by_hand(simulate, tmp_path):
    out = tmp_path / "results.json"
    simulate("--parameters", 10**6, "--task-ms", 100, "--task-spread", 0, "--speedup", 10, "--tasks-per-step", 64,
             "--json", out)
    (model, ) = json.loads(out.read_text(encoding="utf-8"))["models"]
    assert model["work"]["parameters"] == 10**6 and model["work"]["task_s"] == pytest.approx(0.01)
    compute = {row["ranks"]: row["schemes"]["as it is"]["compute_s"] for row in model["rows"]}
    assert compute[2] == pytest.approx(0.32) and compute[4096] == pytest.approx(0.01)


def test_flags_reach_the_model(simulate, tmp_path):
    out = tmp_path / "results.json"
    simulate("--latency-us", 7, "--bandwidth-gbs", 2, "--node-latency-us", 0.5, "--node-bandwidth-gbs", 20,
             "--ranks-per-node", 8, "--cores", 4, "--ranks", 2, "--json", out)
    machine = json.loads(out.read_text(encoding="utf-8"))["machine"]
    assert machine["between"]["latency_s"] == pytest.approx(7e-6) and machine["ranks_per_node"] == 8
    assert machine["between"]["s_per_byte"] == pytest.approx(0.5e-9) and machine["cores"] == 4
    assert machine["node"]["latency_s"] == pytest.approx(0.5e-6)
    assert machine["node"]["s_per_byte"] == pytest.approx(0.05e-9)


@pytest.mark.parametrize("indent", [None, 2])
def test_records(simulate, tmp_path, indent):
    """Four tasks in 40 ms; 1.5 ms to convert four of them and 0.6 ms one: 0.3 ms each and 0.3 ms in any case."""
    records = write(tmp_path / "bench.json", RECORD, FEW, indent=indent)
    work = measurements.fit(measurements.read_records(records))
    assert work.task_s == pytest.approx(0.010) and work.parameters == 5000
    assert work.convert_s == pytest.approx(0.3e-3 / 5000) and work.settle_s == pytest.approx(0.3e-3 / 5000)
    assert work.apply_s == pytest.approx(0.5e-3 / 5000)
    assert "\nmeasured: 5,000 parameters, 10.0 ms a task" in simulate(records).stdout


def test_one_record_fits_too():
    work = measurements.fit([RECORD])
    assert 5000 * (4 * work.convert_s + work.settle_s) == pytest.approx(1.5e-3) and work.settle_s >= 0
    tasks = measurements.tasks_of(RECORD)
    step = step_model.step(MACHINE, work, tasks, 1)
    assert tasks == 4 and step.total_s == pytest.approx(RECORD["ms_per_step"] / 1e3)


def test_a_measured_conv4_takes_its_place(simulate, tmp_path):
    output = simulate(write(tmp_path / "bench.json", {**RECORD, "parameters": 112_261})).stdout
    assert "Conv4: 112,261 parameters, 10.0 ms a task" in output and "measured" not in output


@pytest.mark.parametrize("words,told", [
    (["--ranks", "4,2"], "rising"), (["--latency-us", "-1"], "-1"), (["--bandwidth-gbs", "much"], "much"),
    (["--parameters", "5"], "--task-ms"), (["--check", "a", "--measure", "b"], "exclude"), (["--fast"], "--fast"),
    (["--set", "a=1"], "--measure"), (["/nowhere.json"], "/nowhere.json"),
    (["--measure", "/nowhere.yaml", "--cuttle", "/bin/true"], "/nowhere.yaml"),
    (["--check", "/nowhere.yaml", "--cuttle", "/no/cuttle"], "/no/cuttle"),
    (["--json", "/no/folder/x", "--ranks", "2"], "/no/folder/x"),
    (["--plot", "/no/folder/x.png", "--ranks", "2"], "/no/folder/x.png"),
    (["--plot", "x.what", "--ranks", "2"], "what"),
])
def test_wrong_arguments(simulate, words, told):
    result = simulate(*words, code=2)
    assert told in result.stderr and len(result.stderr.splitlines()) == 1 and ";" in result.stderr


@pytest.mark.parametrize("text,told", [
    ("", "empty"), ("{", "not JSON"), ("[1]", "without ranks"), ('{"ranks": 1}', "without parameters"),
    (json.dumps({**RECORD, "ms_per_step": float("nan")}), "cannot be"),
    (json.dumps({**RECORD, "ranks": 0}), "cannot be"),
    (json.dumps({**RECORD, "ms": {}}), "each part"), (json.dumps({**RECORD, "ranks": 2}), "no record of one rank"),
    (json.dumps(RECORD) + json.dumps({**RECORD, "parameters": 6}), "different models"),
])
def test_wrong_records(simulate, tmp_path, text, told):
    path = tmp_path / "bench.json"
    path.write_text(text, encoding="utf-8")
    result = simulate(path, code=2)
    assert told in result.stderr and len(result.stderr.splitlines()) == 1


def test_crossover_in_ranks():
    """Quick tasks and many bytes: fewer of them pay from the second rank on; scattering, where it is not done yet."""
    work = step_model.Work(10**7, 1e-3, spread=0.0, convert_s=0.0, settle_s=0.0, apply_s=0.0)
    scattered = step_model.SCHEMES[1]
    half = step_model.SCHEMES[-2]
    assert predictions.saving(MACHINE, work, PLAN, 2, scattered) > 0.4
    assert predictions.pays_from_ranks(MACHINE, work, PLAN, [4, 64], scattered) is None
    assert predictions.pays_from_ranks(MACHINE, work, PLAN, [2, 64], half) == 2
    slow = step_model.Work(10**7, 1e6)
    assert predictions.pays_from_ranks(MACHINE, slow, PLAN, [2, 64], half) is None


def test_crossover_in_parameters():
    """At the size found the scheme saves 5 %, a little below it does not."""
    work, half = step_model.Work(1, 0.03), step_model.SCHEMES[-2]
    size = predictions.pays_from_parameters(MACHINE, work, PLAN, 64, half)
    at, below = (predictions.saving(MACHINE, step_model.Work(number, 0.03), PLAN, 64, half)
                 for number in (size, round(size / 1.03)))
    assert at > predictions.PAYS >= below
    assert predictions.pays_from_parameters(MACHINE, step_model.Work(1, 1e9), PLAN, 64, half) is None


@pytest.mark.parametrize("seconds,text", [(0.0, "0"), (1.0, "1.00 s"), (0.02345, "23.4 ms"), (123.4, "123 s"),
                                          (4567.0, "4567 s"), (9.9996e-4, "1.00 ms"), (2.5e-6, "2.50 us")])
def test_durations(seconds, text):
    assert predictions.duration(seconds) == text
