"""An exception, or a loss that is not a number, on one rank: all ranks end, or go on, together."""

import conftest
import driver
import pytest
from conftest import attempt, faulty, interposed, outcome, recovers, train


# Call numbers: some steps after the start, in the midst of a checkpoint for the last.
@pytest.mark.parametrize("point, call", [("plan", 6), ("read", 6), ("adapt", 7), ("reduce", 4), ("checkpoint", 2)])
def test_an_exception_on_one_rank_ends_all_of_them(point, call, config, gold, tmp_path):
    rank = 0 if point == "checkpoint" else 1  # rank 0 alone writes
    program, environment = faulty(f"{point}:{rank}:{call}")
    result = attempt(config, tmp_path / "run", ranks=3, program=program, environment=environment)
    said = [line for line in result.stderr.splitlines() if f"fault point '{point}'" in line]
    assert result.returncode == driver.FAILURE and len(said) == 1 and f"rank {rank}" in said[0], result.stderr
    assert result.seconds < 20 and "terminate called" not in result.stderr
    assert not driver.leftovers(tmp_path / "run")
    told = driver.inspect(tmp_path / "run")
    assert told["step"] >= 2 and (told["state"] == "failed" or point == "reduce")
    recovers(config, tmp_path / "run", gold, ranks=2)


def test_mpi_refuses_on_one_rank(config, gold, tmp_path):
    environment = interposed(reduce=20, rank=1)
    result = attempt(config, tmp_path / "run", ranks=3, environment=environment)
    said = [line for line in result.stderr.splitlines() if "MPI failed" in line]
    assert result.returncode == driver.FAILURE and len(said) == 1, result.stderr
    assert "rank 1" in said[0] and "MPI_Iallreduce" in said[0] and result.seconds < 20
    assert not driver.leftovers(tmp_path / "run")
    recovers(config, tmp_path / "run", gold, ranks=2)


NAN_CALL = 3  # on rank 1 of 2, which computes two or three of the five tasks of each step


@pytest.mark.parametrize("policy", ["skip_task", "skip_step"])
def test_every_rank_decides_alike_about_a_loss_that_is_not_a_number(policy, config, gold, tmp_path):
    program, environment = faulty(f"adapt:1:{NAN_CALL}:nan")
    train(config, tmp_path / "run", f"reduce.on_nonfinite={policy}", ranks=2, program=program, environment=environment)
    records = driver.metrics(tmp_path / "run", "train")
    (bad, ) = [record for record in records if record["skipped"]]
    assert bad["skipped"] == 1 and bad["tasks"] == 4 and bad["applied"] == (policy == "skip_task")
    told = driver.inspect(tmp_path / "run")
    assert told["skipped_tasks"] == 1 and told["skipped_steps"] == (policy == "skip_step") and told["step"] == 8
    assert outcome(tmp_path / "run") != gold


def test_the_other_ranks_fail_with_it_where_that_is_the_policy(config, gold, tmp_path):
    program, environment = faulty(f"adapt:1:{NAN_CALL}:nan")
    result = attempt(config, tmp_path / "run", ranks=2, program=program, environment=environment)
    (said, ) = [line for line in result.stderr.splitlines() if "the loss is nan" in line]
    assert result.returncode == driver.FAILURE and "rank 1" in said and "skip_task" in said
    recovers(config, tmp_path / "run", gold)


def test_without_a_fault_the_program_is_the_real_one(config, gold, tmp_path):
    assert outcome(train(config, tmp_path / "run", program=conftest.BUILT / "faulty_cuttle")) == gold
