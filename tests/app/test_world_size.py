"""P1: the same bits at every world size, on MPI ranks."""

import driver
import pytest

ALGORITHMS = ("maml", "fomaml", "anil", "reptile", "protonet")


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory):
    """What one rank computes, by algorithm."""
    told = {}

    def result(algorithm):
        if algorithm not in told:
            told[algorithm] = outcome(config, tmp_path_factory.mktemp("alone") / "run", algorithm, None)
        return told[algorithm]

    return result


def outcome(config, folder, algorithm, ranks):
    """Hash of the parameters and records of a run of 20 steps with 5 tasks each."""
    driver.train(config, folder, f"adapt.algorithm={algorithm}", ranks=ranks)
    told = driver.inspect(folder)
    assert told["step"] == 20 and told["world_sizes"] == [ranks or 1]
    return told["parameters_sha256"], (folder / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_three_ranks_compute_what_one_does(algorithm, alone, config, tmp_path):
    assert outcome(config, tmp_path / "run", algorithm, 3) == alone(algorithm)


@pytest.mark.parametrize("ranks", [1, 2, 4, 6])
def test_every_world_size_computes_the_same(ranks, alone, config, tmp_path):
    assert outcome(config, tmp_path / "run", "maml", ranks) == alone("maml")


def test_algorithms_compute_different_things(alone):
    assert len({alone(algorithm)[0] for algorithm in ALGORITHMS}) == len(ALGORITHMS)
