"""Predicts the time of an outer step: what a rank computes, and what the ranks send each other.

The messages are those of src/reduce (meta_reducer.cpp, column_sums.cpp) over src/comm (mpi_engine.cpp,
mpi_communicator.cpp), moved by the algorithms that Open MPI 4.1 picks for them
(ompi/mca/coll/libnbc/nbc_iallreduce.c); tests/launch compares bytes and messages with what MPI counts in a real run.
All times are in seconds, sizes in bytes.
"""

import dataclasses
import functools
import math

import numpy as np

# src/reduce: two exponent bytes for a block of columns and one int64 for every column; nine int64 for every column of a
# block whose values lie too far apart.
BLOCK, EXPONENT_BYTES, SUM_BYTES, WIDE_BYTES = 16, 2, 8, 9 * 8
PIECE = 1 << 20  # columns in one collective
WIDE_BLOCK = 1 << 16  # wide columns in one collective
SCALARS = 2  # loss and accuracy travel as two more columns
VOTE_BYTES, MEETING_BYTES = 7 * 8, 3 * 8
# Open MPI scatters sums of at least so many bytes on at least so many ranks; smaller ones go through a tree.
SCATTERED_BYTES, SCATTERED_RANKS = 65536, 4
WIDE_TASK_S = 12e-9  # a wide element of one task, by reduce_benchmark ("wide" less the line above) on an AMD EPYC


@dataclasses.dataclass(frozen=True)
class Link:
    """A message of n bytes takes latency + n * s_per_byte; above eager_bytes sender and receiver agree first."""
    latency_s: float
    s_per_byte: float
    eager_bytes: int = 65536  # Open MPI: 64 KiB over TCP, 4 KiB through shared memory

    def trip(self, size):
        """Latency alone: request, answer and data are three trips where the message waits for its receiver."""
        return self.latency_s * (3 if size > self.eager_bytes else 1)

    def message(self, size):
        return self.trip(size) + size * self.s_per_byte


@dataclasses.dataclass(frozen=True)
class Machine:
    """Nodes of equally many ranks, numbered node by node; the ranks of a node share its link to the others."""
    node: Link
    between: Link
    ranks_per_node: int = 1
    cores: int = 0  # of a node; 0: one or more for each rank
    sum_s_per_byte: float = 0.1e-9  # adding two buffers

    def levels(self, ranks):
        """(how many meet, over which link, how many at once share it): within a node, then between nodes."""
        inside = min(ranks, self.ranks_per_node)
        return [(inside, self.node, 1), (math.ceil(ranks / inside), self.between, inside)]

    def sharing(self, ranks):
        """How much slower a rank computes because others run on its core."""
        return max(1.0, min(ranks, self.ranks_per_node) / self.cores) if self.cores else 1.0


@dataclasses.dataclass(frozen=True)
class Work:
    """What a rank does with one task and with the sum. The last three are per parameter."""
    parameters: int
    task_s: float
    spread: float = 0.05  # standard deviation of the time of a task, relative to its mean
    convert_s: float = 0.5e-9  # column_sums.cpp: adding one task's value
    settle_s: float = 2.5e-9  # column_sums.cpp: to integers and back, and what else does not grow with the tasks
    apply_s: float = 7e-9  # the outer optimizer


@dataclasses.dataclass(frozen=True)
class Scheme:
    """A way to add up. Only `as it is` exists in cuttle; the others say what they would save."""
    name: str
    scattered: bool = True  # Rabenseifner's all-reduce wherever there are bytes, not only where Open MPI takes it
    by_node: bool = False  # within the node first, then one rank of each node
    value_bytes: int = 0  # of inexact values sent in place of the exact sum; 0: exact
    plain_s: float = 0.45e-9  # adding a task's value in floats: the float64 loop of reduce_benchmark


SCHEMES = (Scheme("as it is", scattered=False), Scheme("scattered"), Scheme("by node", by_node=True),
           Scheme("float32", value_bytes=4), Scheme("16 bit", value_bytes=2))


def rounds(count):
    """ceil(log2(count)): of a tree over this many."""
    return (count - 1).bit_length()


def binomial(levels, size, sum_s):
    """What Open MPI does for a small MPI_Iallreduce, and for any in place: a tree up, a tree down, all of the data in
    each round. 2 log2(p) (alpha + n beta) + log2(p) n gamma."""
    return sum(rounds(count) * (2 * link.message(size) + size * sum_s) for count, link, _ in levels)


def rabenseifner(levels, size, sum_s):
    """Reduce-scatter by halves, then all-gather: 2 log2(p) alpha + 2 (p-1)/p n beta + (p-1)/p n gamma (Thakur,
    Rabenseifner, Gropp 2005, section 4.5). Neighbours exchange the large halves first, so that of n bytes a rank takes
    n / ranks_per_node out of its node, and all ranks of the node together n."""
    total = 0.0
    for count, link, sharers in levels:
        for step in range(1, rounds(count) + 1):
            part = size / 2**step  # all that the link carries; each sharer sends its slice of it
            total += 2 * (link.trip(part / sharers) + part * link.s_per_byte) + part / sharers * sum_s
    return total


def through_leaders(levels, size, sum_s):
    """Tree to one rank of each node, Rabenseifner between these, tree back."""
    inside, (nodes, link, _) = levels
    return binomial([inside], size, sum_s) + rabenseifner([(nodes, link, 1)], size, sum_s)


def meeting(levels):
    """MpiEngine::start: before any data moves all ranks compare 24 bytes, which is an all-reduce in place."""
    return binomial(levels, MEETING_BYTES, 0.0)


def wide_fraction(tasks):
    """The part of the blocks whose exponents lie further apart than 63 bits allow (block_units.hpp: Width): more values
    come closer to zero, and their sum leaves fewer bits. For normally distributed values, which have the density 0.8 /
    sigma at zero on either side taken together and a largest one of 4 to 8 sigma."""
    allowed = 63 - 24 - rounds(tasks)
    return -math.expm1(-3.2 * BLOCK * tasks * 2.0**-allowed)


def all_reduces(columns, tasks, scheme):
    """[(bytes, how many such)] of a step's all-reduces of data: exponents, sums in pieces, wide columns. The number of
    tasks travels as one more column of the first piece."""
    if scheme.value_bytes:
        return [(columns * scheme.value_bytes, 1)]
    whole, rest = divmod(max(0, columns - PIECE), PIECE)
    wide = int(columns * wide_fraction(tasks))
    blocks = math.ceil(wide / WIDE_BLOCK)
    sizes = [(EXPONENT_BYTES * math.ceil(columns / BLOCK), 1), ((min(PIECE, columns) + 1) * SUM_BYTES, 1),
             (PIECE * SUM_BYTES, whole), (rest * SUM_BYTES, 1), (wide * WIDE_BYTES / max(1, blocks), blocks)]
    return [(size, number) for size, number in sizes if size and number]


def in_scattered_form(size, ranks):
    return size >= SCATTERED_BYTES and ranks >= SCATTERED_RANKS


def network_s(machine, work, ranks, tasks, scheme=SCHEMES[0]):
    """All collectives of one step."""
    if ranks == 1:
        return 0.0
    levels = machine.levels(ranks)

    def move(size):
        if scheme.by_node:
            return through_leaders(levels, size, machine.sum_s_per_byte)
        scattered = scheme.scattered or in_scattered_form(size, ranks)
        return (rabenseifner if scattered else binomial)(levels, size, machine.sum_s_per_byte)

    vote = meeting(levels) + binomial(levels, VOTE_BYTES, 0.0)
    return vote + sum(number * (meeting(levels) + move(size))
                      for size, number in all_reduces(work.parameters + SCALARS, tasks, scheme))


def traffic(columns, ranks):
    """(bytes, messages) that all ranks together send in one step without wide columns, on 2, 3 or a power of two ranks.
    A tree has ranks - 1 edges, used both ways; halves there and back are as many bytes in more messages."""
    edges, sizes = ranks - 1, all_reduces(columns, 1, SCHEMES[0])
    scattered = sum(number for size, number in sizes if in_scattered_form(size, ranks))
    meetings = 1 + sum(number for _, number in sizes)
    trees = 2 * meetings - scattered
    sent = 2 * edges * (sum(size * number for size, number in sizes) + VOTE_BYTES + meetings * MEETING_BYTES)
    return sent, 2 * edges * trees + scattered * ranks * 2 * rounds(ranks)


@functools.lru_cache(maxsize=None)
def expected_maximum(count):
    """Of `count` standard normal numbers: the integral of 1 - F^n over x > 0 less that of F^n over x < 0 (David and
    Nagaraja, Order Statistics, section 3.1), by the trapezoidal rule."""
    points = np.linspace(-9.0, 9.0, 3601)
    below = np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in points])**count
    return max(0.0, float(np.trapezoid(np.heaviside(points, 0.5) - below, points)))


def busiest(tasks, ranks):
    """(tasks of the ranks that have most, how many have so many), as micro_batches_of deals slots of one task."""
    share, longer = divmod(tasks, ranks)
    return (share + 1, longer) if longer else (share, ranks)


def compute_s(work, tasks, ranks):
    """(mean, expected wait for the slowest): the time of a rank's tasks is taken as normal, by the central limit."""
    most, how_many = busiest(tasks, ranks)
    return most * work.task_s, math.sqrt(most) * work.spread * work.task_s * expected_maximum(how_many)


def local_s(work, tasks, ranks, scheme=SCHEMES[0]):
    """What a rank does for the reduction and the update beside sending."""
    most, _ = busiest(tasks, ranks)
    if scheme.value_bytes:
        reduction = most * scheme.plain_s + (scheme.value_bytes < 4) * 2e-9  # there and back from 16 bits
    else:
        reduction = work.settle_s + most * (work.convert_s + wide_fraction(tasks) * WIDE_TASK_S)
    return work.parameters * (reduction + work.apply_s)


@dataclasses.dataclass(frozen=True)
class Step:
    compute_s: float
    wait_s: float
    local_s: float
    network_s: float

    @property
    def total_s(self):
        return self.compute_s + self.wait_s + self.local_s + self.network_s


def step(machine, work, tasks, ranks, scheme=SCHEMES[0]):
    """One outer step of `tasks` tasks over all ranks."""
    slower = machine.sharing(ranks)
    compute, wait = compute_s(work, tasks, ranks)
    return Step(slower * compute, slower * wait, slower * local_s(work, tasks, ranks, scheme),
                network_s(machine, work, ranks, tasks, scheme))


def efficiency(machine, work, tasks_of, ranks, scheme=SCHEMES[0]):
    """Tasks per second and rank, relative to one rank alone as cuttle is. tasks_of(ranks): tasks in a step."""
    alone = step(machine, work, tasks_of(1), 1).total_s / tasks_of(1)
    return alone * tasks_of(ranks) / (ranks * step(machine, work, tasks_of(ranks), ranks, scheme).total_s)
