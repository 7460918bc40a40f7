"""The benchmark beside other programs, as small as it gets: PyTorch by hand alone, one round."""

import json
import subprocess
import sys

import driver
import pytest

RUN = driver.ROOT / "tests/benchmark/peers/run.py"
SMALL = ["--inner-steps", "1", "--rounds", "1", "--width", "4", "--tasks", "2", "--query", "2"]


@pytest.fixture(scope="module", name="benchmark", params=["W1", "W3"])
def small_benchmark(request, tmp_path_factory):
    """Standard output and the folder."""
    out = tmp_path_factory.mktemp("benchmark")
    words = [sys.executable, RUN, "--workload", request.param, *SMALL, "--peers", "plain,jax", "--norms", "support",
             "--cuttle", driver.PROGRAM, "--out", out]
    return driver.run([str(word) for word in words], timeout=300).stdout, out


def test_the_table_has_a_line_for_each(benchmark):
    lines = benchmark[0].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("contender"))
    assert lines[first].split("  ")[0] == "contender"
    for column in ("ms per task", "min", "max", "ratio to cuttle", "gradient error", "worst task", "MB above idle"):
        assert column in lines[first]
    names = ["cuttle", *(["cuttle, norm support"] if lines[first - 2].startswith("W1") else []), "plain"]
    rows = [line.split("  ")[0] for line in lines[first + 1:first + 1 + len(names)]]
    assert rows == names
    assert "without jax: not installed" in lines[first + 1 + len(names):]
    assert lines[first + 1].split()[4] == "1.00" and float(lines[first + len(names)].split()[1]) > 0


def test_the_gradients_agree(benchmark):
    (case, ) = json.loads((benchmark[1] / "results.json").read_text(encoding="utf-8"))["cases"]
    assert {"cuttle", "plain"} <= set(case["contenders"]) <= {"cuttle", "cuttle, norm support", "plain"}
    for name, one in case["contenders"].items():
        other_norm = name == "cuttle, norm support"
        assert (one["worst_error"] < 1e-4 and one["difference_from_cuttle"] < 1e-4) != other_norm
        assert len(one["errors"]) == 2 and one["mean_against_tasks"] < 1e-6
        assert len(one["rounds"]) == 1 and one["min"] <= one["ms_per_task"] <= one["max"] and one["mb_above_idle"] >= 0


def test_the_machine_is_named_and_plotted(benchmark):
    results = json.loads((benchmark[1] / "results.json").read_text(encoding="utf-8"))
    assert {"cpu", "instruction_set", "cores"} <= set(results["machine"]) and results["machine"]["cores"] > 0
    assert "torch" in results["versions"]["own"] and "commit" in results
    assert (benchmark[1] / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert (benchmark[1] / "table.txt").read_text(encoding="utf-8").splitlines()[0] == benchmark[0].splitlines()[0]


def test_every_learner_is_written_by_hand():
    code = """if True:
        import json, sys
        import learner_workloads, peer_hand
        print(json.dumps({"offered": learner_workloads.names(sys.argv[1]), "hand": sorted(peer_hand.LEARNERS)}))
    """
    words = ["env", f"PYTHONPATH={RUN.parent}", sys.executable, "-c", code, str(driver.PROGRAM)]
    told = json.loads(driver.run(words).stdout)
    assert told["hand"] == told["offered"]


@pytest.mark.parametrize("sense, names", [("images", "meta_curvature,caml"),
                                          ("vectors", "r2d2,pretrain"),
                                          ("vectors", "mann,maml_clusters")])
def test_learners_beside_pytorch(sense, names, tmp_path):
    """One of each family: an inner loop, readers of sequences, a solved classifier, minibatches, a start by task."""
    words = ["--learner", names, *(["--vectors"] if sense == "vectors" else []), "--rounds", "1", "--tasks", "2",
             "--width", "8", "--query", "2", "--peers", "plain,jax"]
    told = driver.run([sys.executable, str(RUN), *words, "--cuttle", str(driver.PROGRAM), "--out", str(tmp_path)],
                      timeout=300).stdout
    cases = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["cases"]
    assert [case["title"] for case in cases] == [f"{name}, {sense}" for name in names.split(",")]
    for case in cases:
        assert set(case["contenders"]) == {"cuttle", "plain"}
        assert max(one["worst_error"] for one in case["contenders"].values()) < 1e-4, case["title"]
    lines = told.splitlines()
    table = lines[next(number for number, line in enumerate(lines) if line.startswith("learner")):]
    rows = table[1:1 + len(cases)]
    assert [line.split(",")[0] for line in rows] == names.split(",")
    assert all(line.split()[3] == "plain" for line in rows)


@pytest.mark.parametrize("words, answer", [
    (["--learner", "maml_rl"], "no such learner: maml_rl; there are anil, caml"),
    (["--learner", "anil", "--memory"], "--learner goes with none of --workload"),
    (["--vectors", "--workload", "W1"], "--learner goes with none of --workload"),
    (["--vectors", "--side", "32"], "--side is no size of learners on vectors"),
])
def test_learners_that_cannot_be_timed_are_refused(words, answer):
    words = [sys.executable, RUN, *words, "--cuttle", driver.PROGRAM]
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert result.returncode == 2 and answer in result.stderr


def test_a_peer_that_nobody_knows_is_refused():
    words = [sys.executable, RUN, *SMALL, "--peers", "plain,keras", "--cuttle", sys.executable]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "no such peer: keras" in result.stderr
