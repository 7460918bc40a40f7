"""Times messages between two MPI ranks, by the MPI library that cuttle is linked with: mpirun -n 2 python ping_pong.py

usage: ping_pong.py LIBRARY BYTES

Rank 0 prints JSON with seconds: `small`, one way of an 8-byte message; `large`, one way of BYTES;
`sum_byte`, adding a byte of int64. Needs no MPI for Python, but Open MPI, whose handles are addresses of the library's
variables.
"""

import ctypes
import json
import sys
import time

BUDGET_S = 0.6  # for each kind of message


class Mpi:
    def __init__(self, library):
        self.library = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        self.world, self.byte, self.int64, self.sum = map(self.handle, ("comm_world", "byte", "int64_t", "op_sum"))
        self.call("Init", None, None)

    def handle(self, name):
        return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(self.library, f"ompi_mpi_{name}")))

    def call(self, name, *arguments):
        if getattr(self.library, f"MPI_{name}")(*arguments) != 0:
            raise OSError(f"MPI_{name} failed")

    def rank(self):
        rank = ctypes.c_int()
        self.call("Comm_rank", self.world, ctypes.byref(rank))
        return rank.value

    def send(self, data, size):
        self.call("Send", data, size, self.byte, 1 - self.me, 0, self.world)

    def receive(self, data, size):
        self.call("Recv", data, size, self.byte, 1 - self.me, 0, self.world, None)

    def agreed(self, number):
        """Rank 0's."""
        shared = ctypes.c_int64(number)
        self.call("Bcast", ctypes.byref(shared), 8, self.byte, 0, self.world)
        return shared.value


def quick_s(mpi, action):
    """Time of an action that both ranks take equally often: the shortest of many, because whoever else uses the
    processors only adds to it, and a time slice is a thousand messages long."""
    times = []

    def repeat(count):
        for _ in range(count):
            start = time.perf_counter()
            action()
            times.append(time.perf_counter() - start)

    repeat(3)
    repeat(mpi.agreed(min(5000, max(10, int(BUDGET_S / times[-1])))))
    return min(times[3:])


def one_way_s(mpi, size):
    data = ctypes.create_string_buffer(size)

    def there_and_back():
        first, second = (mpi.send, mpi.receive) if mpi.me == 0 else (mpi.receive, mpi.send)
        first(data, size)
        second(data, size)

    return quick_s(mpi, there_and_back) / 2


def sum_byte_s(mpi):
    count = 1 << 20
    ours, theirs = (ctypes.c_int64 * count)(), (ctypes.c_int64 * count)()
    return quick_s(mpi, lambda: mpi.call("Reduce_local", ours, theirs, count, mpi.int64, mpi.sum)) / (8 * count)


def main(library, size):
    mpi = Mpi(library)
    mpi.me = mpi.rank()
    result = {"small": one_way_s(mpi, 8), "large": one_way_s(mpi, size), "sum_byte": sum_byte_s(mpi),
              "bytes": size}
    if mpi.me == 0:
        print(json.dumps(result))
    mpi.call("Finalize")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
