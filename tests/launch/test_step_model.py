"""The formulas of launch/lib/step_model.py, against small cases worked out by hand."""

import math
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
import step_model
from step_model import Link, Machine, Scheme, Work

SOURCE = Path(__file__).resolve().parents[2] / "src"
LINK = Link(latency_s=1.0, s_per_byte=0.01, message_s=0.25, eager_bytes=1000)
NOW, SCATTERED, BY_NODE, FLOAT32, BITS16 = step_model.SCHEMES
WORK = Work(parameters=1000, task_s=2.0, spread=0.1)


def flat(ranks, link=LINK):
    """The levels of ranks on as many nodes."""
    return Machine(link, link).levels(ranks)


def constant(file, pattern):
    return re.search(pattern, (SOURCE / file).read_text(encoding="utf-8")).group(1)


def test_sizes_are_those_of_the_source():
    assert step_model.WIDE_BYTES == 8 * int(constant("reduce/fixed_point.hpp", r"kFixedLimbs = (\d+);"))
    assert step_model.WIDE_BLOCK == 1 << int(constant("reduce/exact_sum.cpp", r"kWideBlock = 1 << (\d+);"))
    names = constant("reduce/meta_reducer.cpp", r"enum Number \{([^}]*)\}").replace(" ", "").split()
    assert step_model.BALLOT_BYTES == 8 * (len(names) - 1)  # the last is their number
    numbers = constant("comm/mpi_engine.hpp", r"std::array<std::uint64_t, (\d)> meeting")
    assert step_model.MEETING_BYTES == 8 * int(numbers)
    sums = constant("reduce/exact_sum.cpp", r"std::vector<(std::int\d+_t)> sums\(columns_\)")
    assert (sums, step_model.SUM_BYTES) == ("std::int64_t", 8)
    assert int(constant("reduce/exact_sum.cpp", r"ranges_.assign\((\d) \* columns_")) == step_model.EXPONENT_BYTES
    assert constant("reduce/exact_sum.cpp", r"span_allowed_\((63 - 24) - bits_to_count") == "63 - 24"


def test_all_reduce_is_in_place_as_the_binomial_tree_supposes():
    """Without MPI_IN_PLACE Open MPI would take Rabenseifner's, and `as it is` would have to change."""
    assert "MPI_Iallreduce(MPI_IN_PLACE" in (SOURCE / "comm/mpi_engine.cpp").read_text(encoding="utf-8")


def test_a_message_pays_three_trips_above_the_eager_limit():
    assert LINK.message(1000) == pytest.approx(1 + 10)
    assert LINK.message(1001) == pytest.approx(3 + 10.01)


@pytest.mark.parametrize("ranks,depth", [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (4096, 12)])
def test_binomial(ranks, depth):
    assert step_model.rounds(ranks) == depth
    assert step_model.binomial(flat(ranks), 100, 0.001) == pytest.approx(depth * (2 * (1 + 1) + 0.1))


@pytest.mark.parametrize("ranks", [2, 4, 64, 4096])
def test_rabenseifner_has_its_closed_form(ranks):
    part = (ranks - 1) / ranks * 100
    assert step_model.rabenseifner(flat(ranks), 100, 0.001) == pytest.approx(
        2 * math.log2(ranks) + 2 * part * 0.01 + part * 0.001)


def test_rabenseifner_over_nodes_moves_as_much_within_as_between():
    """4 ranks on 2 nodes: halves within the node, then the two ranks' quarters share the link between the nodes."""
    near, far = Link(1.0, 0.01), Link(10.0, 0.1)
    levels = Machine(near, far, ranks_per_node=2).levels(4)
    assert step_model.rabenseifner(levels, 100, 0.0) == pytest.approx(2 * (1 + 0.5) + 2 * (10 + 5))
    all_at_once = Machine(near, near, ranks_per_node=2).levels(4)
    assert step_model.rabenseifner(all_at_once, 0, 1.0) == 4.0
    adding = step_model.rabenseifner(all_at_once, 100, 1.0) - step_model.rabenseifner(all_at_once, 100, 0.0)
    assert adding == pytest.approx(75)  # (p-1)/p n gamma, however the ranks lie


def test_leaders():
    """2 nodes of 2: up and down in the node with all of the data, halves between the nodes."""
    levels = Machine(Link(1.0, 0.01), Link(10.0, 0.1), ranks_per_node=2).levels(4)
    assert step_model.through_leaders(levels, 100, 0.0) == pytest.approx(2 * (1 + 1) + 2 * (10 + 5))


def test_levels():
    machine = Machine(LINK, LINK, ranks_per_node=16)
    assert [level[0] for level in machine.levels(8)] == [8, 1]
    assert [level[0] for level in machine.levels(64)] == [16, 4]
    assert [level[0] for level in machine.levels(17)] == [16, 2]  # the second node is not full


def test_gather_up_to_four_ranks():
    """2 ranks: a trip for the lengths, one for the ballots; a message sent and one received in each."""
    assert step_model.gather(flat(2), 56) == pytest.approx(2 + 2 * (2 * 0.25 + 64 * 0.01))
    assert step_model.gather(flat(4), 56) == pytest.approx(2 + 6 * (2 * 0.25 + 64 * 0.01))
    assert step_model.gather(flat(1), 56) == 0.0


def test_gather_grows_with_the_ranks():
    """Above four a tree for each ballot, but still every rank handles a message of every other."""
    link = Link(1.0, 0.0, message_s=0.25)
    assert step_model.gather(flat(16, link), 56) == pytest.approx(1 + 4 + 30 * 0.5)
    big, huge = (step_model.gather(flat(ranks, link), 56) for ranks in (2048, 4096))
    assert huge / big == pytest.approx(2.0, rel=0.01)


def test_a_small_step_is_latency():
    """2 ranks, no bytes, no overhead: three meetings of a tree up and down, two trips of the vote, two sums."""
    machine = Machine(Link(1.0, 0.0, 0.0), Link(1.0, 0.0, 0.0))
    assert step_model.network_s(machine, Work(10, 1.0), 2, 4) == pytest.approx(3 * 2 + 2 + 2 * 2)


def test_a_large_step_is_bytes():
    """10 bytes a parameter, up and down a tree of two rounds."""
    machine = Machine(Link(0.0, 1e-9, 0.0), Link(0.0, 1e-9, 0.0), sum_s_per_byte=0.0)
    work = Work(10**8, 1.0)
    assert step_model.network_s(machine, work, 4, 4) == pytest.approx(2 * 2 * 10 * 10**8 * 1e-9, rel=1e-4)
    assert step_model.network_s(machine, work, 4, 4, SCATTERED) == pytest.approx(1.5 * 1.0, rel=1e-4)
    assert step_model.network_s(machine, work, 4, 4, FLOAT32) == pytest.approx(1.5 * 0.4, rel=1e-4)
    assert step_model.network_s(machine, work, 4, 4, BITS16) == pytest.approx(1.5 * 0.2, rel=1e-4)


def test_all_reduces_of_a_step():
    assert step_model.all_reduces(100, 4, NOW) == [200, 800]
    assert step_model.all_reduces(100, 4, FLOAT32) == [400]
    narrow_sum, wide = step_model.all_reduces(10**6, 1 << 17, NOW)[1:3]
    assert narrow_sum == 8 * 10**6 and 72 * 40000 < wide <= 72 * step_model.WIDE_BLOCK
    blocks = step_model.all_reduces(10**6, 1 << 17, NOW)[2:]
    assert sum(blocks) == pytest.approx(72 * int(10**6 * step_model.wide_fraction(1 << 17)))


def test_traffic_by_hand():
    """2 ranks: the tree has one edge, used both ways for three meetings and two sums; 64 bytes of vote each way."""
    assert step_model.traffic(columns=7, ranks=2) == (2 * (70 + 72) + 2 * 64, 2 * 5 + 4)
    assert step_model.traffic(columns=7, ranks=1) == (0, 0)


@pytest.mark.parametrize("power", [17, 18])
def test_wide_columns_of_normal_values(power):
    """The exponents of random columns, as exact_sum.cpp compares them."""
    generator, wide, columns = np.random.default_rng(1), 0, 150
    for _ in range(columns):
        exponents = np.frexp(generator.standard_normal(1 << power, dtype=np.float32))[1]
        wide += int(exponents.max()) - int(exponents.min()) > 63 - 24 - power
    assert wide / columns == pytest.approx(step_model.wide_fraction(1 << power), abs=0.1)


def test_wide_columns_are_rare_until_tens_of_thousands_of_tasks():
    assert step_model.wide_fraction(16384) < 0.002
    assert step_model.wide_fraction(1 << 24) == pytest.approx(1.0)


@pytest.mark.parametrize("number,value", [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi)),
                                          (10, 1.53875), (1000, 3.24144)])
def test_expected_maximum(number, value):
    assert step_model.expected_maximum(number) == pytest.approx(value, abs=1e-5)


def test_waiting_beside_drawn_ranks():
    """The slowest of 8 ranks with 4 tasks each, drawn."""
    generator = np.random.default_rng(2)
    slowest = generator.normal(2.0, 0.2, (20000, 8, 4)).sum(2).max(1).mean()
    assert sum(step_model.compute_s(WORK, 32, 8)) == pytest.approx(slowest, rel=2e-3)


@pytest.mark.parametrize("tasks,ranks,expected", [(16, 1, (16, 1)), (16, 4, (4, 4)), (16, 3, (6, 1)), (5, 4, (2, 1)),
                                                  (14, 4, (4, 2)), (2, 4, (1, 2))])
def test_slots_that_do_not_divide(tasks, ranks, expected):
    assert step_model.busiest(tasks, ranks) == expected


def test_one_rank_is_its_own_work():
    machine = Machine(LINK, LINK)
    step = step_model.step(machine, WORK, 4, 1)
    assert (step.compute_s, step.wait_s, step.network_s) == (8.0, 0.0, 0.0)
    assert step.local_s == pytest.approx(1000 * (6e-9 + 4 * 2.5e-9 + 7e-9), rel=1e-4)
    assert step_model.efficiency(machine, WORK, lambda ranks: 4 * ranks, 1) == pytest.approx(1.0)


def test_ranks_that_share_cores_are_slower():
    machine = Machine(LINK, LINK, ranks_per_node=4, cores=2)
    assert [machine.sharing(ranks) for ranks in (1, 2, 3, 4, 8)] == [1, 1, 1.5, 2, 2]
    assert step_model.step(machine, WORK, 16, 4).compute_s == pytest.approx(2 * 4 * 2.0)


@pytest.mark.parametrize("scheme", step_model.SCHEMES, ids=lambda scheme: scheme.name)
def test_efficiency_falls_with_the_ranks(scheme):
    link = Link(20e-6, 1 / 3e9)
    machine, work = Machine(link, link, ranks_per_node=16), Work(112_261, 0.03)
    values = [step_model.efficiency(machine, work, lambda ranks: 4 * ranks, 2**power, scheme) for power in range(13)]
    assert all(later < earlier for earlier, later in zip(values, values[1:])) and values[-1] > 0.3


def test_strong_scaling_ends_where_tasks_do():
    machine = Machine(LINK, LINK)
    assert step_model.step(machine, WORK, 16, 32).compute_s == WORK.task_s
    assert step_model.efficiency(machine, WORK, lambda ranks: 16, 32) < 0.5


def test_by_node_votes_with_fewer_messages():
    machine = Machine(Link(1e-6, 1e-10), Link(20e-6, 3e-10, 1e-6), ranks_per_node=16)
    levels = machine.levels(4096)
    assert step_model.vote(levels, BY_NODE) < 0.3 * step_model.vote(levels, NOW)


def test_inexact_sums_convert_less():
    assert step_model.local_s(WORK, 4, 1, FLOAT32) < step_model.local_s(WORK, 4, 1, NOW)
    assert step_model.local_s(WORK, 4, 1, Scheme("free", value_bytes=4, plain_s=0.0)) == pytest.approx(1000 * 7e-9)
    assert statistics.fmean(step_model.local_s(WORK, 4, 1, scheme) for scheme in (NOW, SCATTERED)) == pytest.approx(
        step_model.local_s(WORK, 4, 1, BY_NODE))  # another way to send converts as much
