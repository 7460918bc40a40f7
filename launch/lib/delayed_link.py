"""Network namespaces of this machine and a network between them on which every packet takes a given time, and which
may be slow or cut.

Each namespace has a TUN device; a thread of this process carries packets from one to the other and keeps each for the
delay (the kernel's own netem is often not there). So a rank in each believes to be on a machine of its own. Needs
root, /dev/net/tun and the program ip.
"""

import collections
import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

SET_INTERFACE, TUN_WITHOUT_HEADER = 0x400454CA, 0x1001  # ioctl TUNSETIFF; IFF_TUN | IFF_NO_PI
ADDRESSES = ("10.77.0.1", "10.77.0.2", "10.77.0.3")  # nobody else is in these namespaces
LONGEST_QUEUE_S = 0.5  # what would have to wait longer for a slow link is dropped, as in any network
BURST = 64  # packets taken from one side before the other has its turn


def obstacle():
    """Why it cannot be had here, or an empty text."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [name for name in ("ip", "unshare", "mpirun") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not installed"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as problem:
        return f"/dev/net/tun: {problem.strerror}"
    probe = subprocess.run(["unshare", "--net", "--uts", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "the kernel refuses network namespaces"


class DelayedLink:
    """with DelayedLink(0.005) as link: subprocess.run(link.mpirun(["program"])) runs one rank at each end.

    bytes_per_s: no more reaches an end; 0: as fast as it can. Packets from and to the ends in `cut` are lost."""

    def __init__(self, delay_s, bytes_per_s=0, ends=2):
        self.delay_s = delay_s
        self.s_per_byte = 1 / bytes_per_s if bytes_per_s else 0.0
        self.cut = set()
        self.free_at = [0.0] * ends  # when the way to each end has carried what was sent before
        self.names = [f"cuttle{os.getpid()}{'abc'[end]}" for end in range(ends)]
        self.addresses = ADDRESSES[:ends]
        self.end_of = {socket.inet_aton(address): end for end, address in enumerate(self.addresses)}
        self.cleanup = contextlib.ExitStack()
        self.ended = threading.Event()

    def __enter__(self):
        with contextlib.ExitStack() as undo:  # also when it fails halfway
            folder = self.folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="cuttle-link-")))
            ends = [self.make_end(undo, number) for number in range(len(self.names))]
            self.agent = folder / "agent"
            # mpirun calls it with a host and a command for a shell of that host.
            cases = [f"{address}) shift; exec {' '.join(self.enter(number))} \"$*\" ;;"
                     for number, address in enumerate(self.addresses)]
            lines = ["#!/bin/sh", "case $1 in", *cases, "esac", "exit 1", ""]
            self.agent.write_text("\n".join(lines), encoding="utf-8")
            self.agent.chmod(0o755)
            carrier = threading.Thread(target=self.carry, args=(ends, ), daemon=True)
            carrier.start()
            undo.callback(carrier.join)
            undo.callback(self.ended.set)
            self.cleanup = undo.pop_all()
        return self

    def __exit__(self, *_):
        self.cleanup.close()

    def make_end(self, undo, number):
        name, device = self.names[number], f"cut{os.getpid() % 10**8}{number}"
        ip("netns", "add", name)
        undo.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        undo.callback(self.kill, number)
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        undo.callback(os.close, end)
        fcntl.ioctl(end, SET_INTERFACE, struct.pack("16sH22x", device.encode(), TUN_WITHOUT_HEADER))
        ip("link", "set", device, "netns", name)
        ip("-n", name, "addr", "add", f"{self.addresses[number]}/24", "dev", device)
        ip("-n", name, "link", "set", device, "mtu", "9000", "up")
        ip("-n", name, "link", "set", "lo", "up")
        return end

    def enter(self, number):
        """Start of a command line whose last word a shell of that end runs. With one host name for all, Open MPI
        would take them for one machine."""
        return ["ip", "netns", "exec", self.names[number], "unshare", "--uts", "sh", "-c",
                f"'hostname {self.names[number]}; eval \"$0\"'"]

    def processes(self, number):
        """Ids of all processes of an end."""
        return [int(word) for word in ip("netns", "pids", self.names[number]).split()]

    def kill(self, number):
        """Ends all processes of an end at once: the host dies."""
        for pid in self.processes(number):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def mpirun(self, words, ranks=1):
        """The command that runs `words` on so many ranks at each end."""
        network = "10.77.0.0/24"
        hosts = [f"{address}:{ranks}" for address in self.addresses]
        run = ["mpirun", "--allow-run-as-root", "--bind-to", "none", "-n", str(len(hosts) * ranks),
               "--host", ",".join(hosts), "--mca", "plm_rsh_agent", str(self.agent),
               "--mca", "pml", "ob1", "--mca", "btl", "tcp,self",
               "--mca", "btl_tcp_if_include", network, "--mca", "oob_tcp_if_include", network,
               "--mca", "orte_tmpdir_base", str(self.folder)]  # a killed daemon leaves its files
        return ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c",
                f'hostname {self.names[0]}; exec "$@"', "sh", *run, *map(str, words)]

    def carry(self, ends):
        """Until ended. A packet that finds its receiver's queue full is dropped, as in any network."""
        waiting = [collections.deque() for _ in ends]  # (when due, packet) on the way to each end
        while not self.ended.is_set():
            due = min((queue[0][0] for queue in waiting if queue), default=time.monotonic() + 0.05)
            readable, _, _ = select.select(ends, [], [], max(0.0, due - time.monotonic()))
            for number, end in enumerate(ends):
                if end in readable:
                    self.take(end, number, waiting)
            for end, queue in zip(ends, waiting):
                while queue and queue[0][0] <= time.monotonic():
                    with contextlib.suppress(BlockingIOError):
                        os.write(end, queue.popleft()[1])

    def take(self, end, number, waiting):
        with contextlib.suppress(BlockingIOError):
            for _ in range(BURST):
                packet = os.read(end, 65536)
                to = self.end_of.get(packet[16:20], number)  # as in IPv4's header
                if to == number or self.cut & {number, to}:
                    continue
                sent = max(time.monotonic(), self.free_at[to]) + self.s_per_byte * len(packet)
                if sent > time.monotonic() + LONGEST_QUEUE_S:
                    continue
                self.free_at[to] = sent
                waiting[to].append((sent + self.delay_s, packet))


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
