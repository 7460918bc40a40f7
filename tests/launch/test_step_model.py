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
LINK = Link(latency_s=1.0, s_per_byte=0.01, eager_bytes=1000)
NOW, SCATTERED, BY_NODE, FLOAT32, BITS16 = step_model.SCHEMES
WORK = Work(parameters=1000, task_s=2.0, spread=0.1)


def flat(ranks, link=LINK):
    """The levels of ranks on as many nodes."""
    return Machine(link, link).levels(ranks)


def constant(file, pattern):
    return re.search(pattern, (SOURCE / file).read_text(encoding="utf-8")).group(1)


def test_sizes_are_those_of_the_source():
    assert step_model.WIDE_BYTES == 8 * int(constant("reduce/fixed_point.hpp", r"kFixedLimbs = (\d+);"))
    assert step_model.WIDE_BLOCK == 1 << int(constant("reduce/column_sums.cpp", r"kWideBlock = 1 << (\d+);"))
    assert step_model.PIECE == 1 << int(constant("reduce/column_sums.cpp", r"kPieceColumns = 1 << (\d+);"))
    assert step_model.BLOCK == int(constant("reduce/block_units.hpp", r"kBlockColumns = (\d+);"))
    numbers = constant("comm/mpi_engine.hpp", r"std::array<std::uint64_t, (\d)> meeting")
    assert step_model.MEETING_BYTES == 8 * int(numbers)
    sums = constant("reduce/column_sums.cpp", r"std::vector<(std::int\d+_t)> sums;")
    assert (sums, step_model.SUM_BYTES) == ("std::int64_t", 8)
    assert constant("reduce/block_units.hpp", r"bits <= (63) \? Width::kInteger : Width::kWide") == "63"
    assert constant("reduce/block_units.hpp", r"const int bits = (24) \+") == "24"


def test_only_large_sums_are_out_of_place():
    """In place Open MPI would take the tree for them as well, and `as it is` would have to change."""
    source = (SOURCE / "comm/mpi_communicator.cpp").read_text(encoding="utf-8")
    assert f"kOutOfPlaceBytes = {step_model.SCATTERED_BYTES};" in source
    assert "in_place = values.size() * sizeof(T) < kOutOfPlaceBytes" in source
    assert not step_model.in_scattered_form(65535, 4) and not step_model.in_scattered_form(65536, 3)
    assert step_model.in_scattered_form(65536, 4)


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


def test_a_small_step_is_latency():
    """2 ranks, no bytes: three meetings, a vote, exponents and a sum, each a tree up and down."""
    machine = Machine(Link(1.0, 0.0), Link(1.0, 0.0))
    assert step_model.network_s(machine, Work(10, 1.0), 2, 4) == pytest.approx(6 * 2)


def test_a_large_step_is_bytes():
    """An int64 a parameter, in halves there and back; on 3 ranks up and down a tree of two rounds."""
    machine = Machine(Link(0.0, 1e-9), Link(0.0, 1e-9), sum_s_per_byte=0.0)
    work = Work(10**8, 1.0)
    exponents = 2 / 16
    assert step_model.network_s(machine, work, 3, 4) == pytest.approx(2 * 2 * (8 + exponents) * 0.1, rel=1e-3)
    assert step_model.network_s(machine, work, 4, 4) == pytest.approx(1.5 * (8 + exponents) * 0.1, rel=1e-3)
    assert step_model.network_s(machine, work, 2, 4) == pytest.approx(2 * (8 + exponents) * 0.1, rel=1e-3)
    assert step_model.network_s(machine, work, 2, 4, SCATTERED) == pytest.approx((8 + exponents) * 0.1, rel=1e-3)
    assert step_model.network_s(machine, work, 4, 4, FLOAT32) == pytest.approx(1.5 * 0.4, rel=1e-3)
    assert step_model.network_s(machine, work, 4, 4, BITS16) == pytest.approx(1.5 * 0.2, rel=1e-3)


def test_all_reduces_of_a_step():
    assert step_model.all_reduces(100, 4, NOW) == [(2 * 7, 1), (808, 1)]
    assert step_model.all_reduces(100, 4, FLOAT32) == [(400, 1)]
    piece = 8 * step_model.PIECE
    assert step_model.all_reduces(4 * step_model.PIECE + 5, 1, NOW)[1:4] == [(piece + 8, 1), (piece, 3), (40, 1)]
    narrow_sum, (wide, blocks) = step_model.all_reduces(10**6, 1 << 15, NOW)[1:]
    assert narrow_sum == (8 * 10**6 + 8, 1) and 72 * 40000 < wide <= 72 * step_model.WIDE_BLOCK
    assert wide * blocks == pytest.approx(72 * int(10**6 * step_model.wide_fraction(1 << 15)))


def test_traffic_by_hand():
    """2 ranks: the tree has one edge, used both ways for three meetings, the vote, a block's exponents, 7 sums and the
    number of tasks. 4 ranks with enough to scatter: each sends halves and quarters, there and back."""
    assert step_model.traffic(columns=7, ranks=2) == (2 * (72 + 56 + 2 + 64), 2 * 6)
    assert step_model.traffic(columns=7, ranks=1) == (0, 0)
    columns = 16 * 1000
    assert step_model.traffic(columns, ranks=4) == (6 * (72 + 56 + 2000 + 8 * (columns + 1)), 6 * 5 + 4 * 4)


@pytest.mark.parametrize("power", [15, 16])
def test_wide_blocks_of_normal_values(power):
    """The exponents of random blocks, as block_units.hpp compares them."""
    generator, wide, blocks = np.random.default_rng(1), 0, 150
    for _ in range(blocks):
        exponents = np.frexp(generator.standard_normal(step_model.BLOCK << power, dtype=np.float32))[1]
        wide += int(exponents.max()) - int(exponents.min()) > 63 - 24 - power
    assert wide / blocks == pytest.approx(step_model.wide_fraction(1 << power), abs=0.1)


def test_wide_blocks_are_rare_until_thousands_of_tasks():
    assert step_model.wide_fraction(4096) < 0.002
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
    assert step.local_s == pytest.approx(1000 * (WORK.settle_s + 4 * WORK.convert_s + 7e-9), rel=1e-4)
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


def test_inexact_sums_convert_less():
    assert step_model.local_s(WORK, 4, 1, FLOAT32) < step_model.local_s(WORK, 4, 1, NOW)
    assert step_model.local_s(WORK, 4, 1, Scheme("free", value_bytes=4, plain_s=0.0)) == pytest.approx(1000 * 7e-9)
    assert statistics.fmean(step_model.local_s(WORK, 4, 1, scheme) for scheme in (NOW, SCATTERED)) == pytest.approx(
        step_model.local_s(WORK, 4, 1, BY_NODE))  # another way to send converts as much
