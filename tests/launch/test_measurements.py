"""launch/simulate.py beside real runs on a tiny data set. Times are hardly compared: tests share a machine."""

import json
import re

import delayed_link
import driver
import measurements
import pytest
import step_model

STEPS = (1, 3)
SHORT = ("--rounds", 1, "--cuttle", driver.PROGRAM)


@pytest.fixture(scope="module", name="config")
def tiny_config(tmp_path_factory):
    shards = driver.make_shards(tmp_path_factory.mktemp("data") / "shards", "--name", "tiny")
    return driver.write_config(shards.parent / "tiny.yaml", shards)


def sent_in_a_step(config, folder, ranks):
    """(bytes, messages) that Open MPI itself counts: runs of different lengths, less each other."""
    totals = []
    for steps in STEPS:
        flags = ["--mca", "pml_monitoring_enable", "2", "--mca", "pml_monitoring_enable_output", "3", "--mca",
                 "pml_monitoring_filename", str(folder / f"steps{steps}")]
        words = driver.command("bench", config, "--warmup", 0, "--steps", steps)
        driver.run(driver.mpirun(ranks, words)[:1] + flags + driver.mpirun(ranks, words)[1:])
        files = list(folder.glob(f"steps{steps}.*.prof"))
        if not files:
            pytest.skip("this Open MPI was built without its monitoring component")
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        found = [re.search(r"(\d+) bytes\s+(\d+) msgs", line).groups() for line in lines if line.startswith("I")]
        totals.append([sum(int(pair[column]) for pair in found) for column in (0, 1)])
    return [(long - short) / (STEPS[1] - STEPS[0]) for short, long in zip(*totals)]


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_bytes_and_messages_are_those_of_the_model(config, tmp_path, ranks):
    """The gradient is the flat buffer, where every tensor begins at a multiple of 16 floats."""
    sent, messages = sent_in_a_step(config, tmp_path, ranks)
    parameters = driver.cuttle_json("bench", config, "--steps", 1)["parameters"]
    flat = range(-(-parameters // 16) * 16, parameters + 16 * 40, 16)
    (columns, ) = [size + step_model.SCALARS for size in flat
                   if step_model.traffic(size + step_model.SCALARS, ranks)[0] == sent]
    assert messages == step_model.traffic(columns, ranks)[1]


def test_measure(simulate, config, tmp_path):
    out = tmp_path / "results.json"
    shown = simulate("--measure", config, "--cuttle", driver.PROGRAM, "--json", out).stdout
    results = json.loads(out.read_text(encoding="utf-8"))
    work = results["models"][-1]["work"]
    assert results["models"][-1]["name"] == "measured" and "\nmeasured: " in shown
    assert 1e-4 < work["task_s"] < 10 and 0 <= work["spread"] < 10 and work["parameters"] > 1000
    assert 1e-8 < results["machine"]["node"]["latency_s"] < 1
    assert results["machine"]["between"]["latency_s"] == pytest.approx(20e-6)


def test_check(simulate, config, tmp_path):
    out = tmp_path / "results.json"
    shown = simulate("--check", config, *SHORT, "--delay-ms", 0, "--cores", 2, "--json", out).stdout
    results = json.loads(out.read_text(encoding="utf-8"))
    assert [row["ranks"] for row in results["checks"]] == [1, 2, 4]
    for row in results["checks"]:
        assert row["where"] in shown and f"{row['predicted_s'] / row['measured_s']:.2f}" in shown
        assert 0 < row["predicted_rest_s"] < row["predicted_s"] and 0 < row["measured_rest_s"] < row["measured_s"] * 1.5
    assert 0.2 < results["checks"][0]["predicted_s"] / results["checks"][0]["measured_s"] < 5
    assert "namespaces" not in shown


@pytest.mark.skipif(bool(delayed_link.obstacle()), reason=f"no delayed link: {delayed_link.obstacle()}")
def test_a_delay_between_namespaces_is_felt(config):
    """Of 20 ms a way: the ping-pong finds it, and a step takes at least the twelve trips that follow one another."""
    runner = measurements.Runner(driver.PROGRAM, config)
    with delayed_link.DelayedLink(0.02) as far:
        link, _ = runner.link(far.mpirun)
        record = runner.bench(2, 3, wrap=far.mpirun)
    assert 0.019 < link.latency_s < 0.1 and record["ranks"] == 2
    assert record["ms"]["reduce"] > 12 * 20
    namespaces = driver.run(["ip", "netns"]).stdout
    assert not any(name in namespaces for name in far.names)


@pytest.mark.skipif(bool(delayed_link.obstacle()), reason=f"no delayed link: {delayed_link.obstacle()}")
def test_a_slow_link_is_as_slow_as_it_was_told(config):
    with delayed_link.DelayedLink(0.002, bytes_per_s=4e6) as far:
        link, _ = measurements.Runner(driver.PROGRAM, config).link(far.mpirun)
    assert 2e6 < 1 / link.s_per_byte < 4.4e6 and 0.0019 < link.latency_s < 0.05


def test_an_error_of_cuttle_is_passed_on(simulate, config):
    result = simulate("--measure", config, "--set", "episode.wey=3", "--cuttle", driver.PROGRAM, code=2)
    assert "episode.wey" in result.stderr and len(result.stderr.splitlines()) == 1


def test_a_run_that_takes_too_long(simulate, config):
    result = simulate("--measure", config, "--set", "episode.meta_batch_size=4000", "--limit", 1, "--cuttle",
                      driver.PROGRAM, code=2)
    assert "--limit" in result.stderr
