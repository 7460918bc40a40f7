"""Two network namespaces of this machine and a link between them on which every packet takes a given time.

Each namespace has a TUN device; a thread of this process carries packets from one to the other and keeps each for the
delay (the kernel's own netem is often not there). So a rank in either believes to be on a machine of its own. Needs
root, /dev/net/tun and the program ip.
"""

import collections
import contextlib
import fcntl
import os
import select
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

SET_INTERFACE, TUN_WITHOUT_HEADER = 0x400454CA, 0x1001  # ioctl TUNSETIFF; IFF_TUN | IFF_NO_PI
ADDRESSES = ("10.77.0.1", "10.77.0.2")  # nobody else is in these namespaces
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
    """with DelayedLink(0.005) as link: subprocess.run(link.mpirun(["program"])) runs one rank at each end."""

    def __init__(self, delay_s):
        self.delay_s = delay_s
        self.names = [f"cuttle{os.getpid()}{end}" for end in "ab"]
        self.cleanup = contextlib.ExitStack()
        self.ended = threading.Event()

    def __enter__(self):
        with contextlib.ExitStack() as undo:  # also when it fails halfway
            folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="cuttle-link-")))
            ends = [self.make_end(undo, number) for number in (0, 1)]
            self.agent = folder / "agent"
            # mpirun calls it with a host, which it drops, and a command for a shell of the other end.
            self.agent.write_text("#!/bin/sh\nshift\n" + f"exec {' '.join(self.enter(1))} \"$*\"\n", encoding="utf-8")
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
        name, device = self.names[number], f"cut{os.getpid() % 10**8}{'ab'[number]}"
        ip("netns", "add", name)
        undo.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        undo.callback(os.close, end)
        fcntl.ioctl(end, SET_INTERFACE, struct.pack("16sH22x", device.encode(), TUN_WITHOUT_HEADER))
        ip("link", "set", device, "netns", name)
        ip("-n", name, "addr", "add", ADDRESSES[number], "peer", ADDRESSES[1 - number], "dev", device)
        ip("-n", name, "link", "set", device, "mtu", "9000", "up")
        ip("-n", name, "link", "set", "lo", "up")
        return end

    def enter(self, number):
        """Start of a command line whose last word a shell of that end runs. With one host name for both, Open MPI
        would take them for one machine."""
        return ["ip", "netns", "exec", self.names[number], "unshare", "--uts", "sh", "-c",
                f"'hostname {self.names[number]}; eval \"$0\"'"]

    def mpirun(self, words):
        """The command that runs `words` on a rank at each end."""
        network = "10.77.0.0/24"
        run = ["mpirun", "--allow-run-as-root", "--bind-to", "none", "-n", "2", "--host", ",".join(ADDRESSES),
               "--mca", "plm_rsh_agent", str(self.agent), "--mca", "pml", "ob1", "--mca", "btl", "tcp,self",
               "--mca", "btl_tcp_if_include", network, "--mca", "oob_tcp_if_include", network]
        return ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c",
                f'hostname {self.names[0]}; exec "$@"', "sh", *run, *map(str, words)]

    def carry(self, ends):
        """Until ended. A packet that finds its receiver's queue full is dropped, as in any network."""
        waiting = [collections.deque(), collections.deque()]  # (when due, packet) on the way to each end
        while not self.ended.is_set():
            due = min((queue[0][0] for queue in waiting if queue), default=time.monotonic() + 0.05)
            readable, _, _ = select.select(ends, [], [], max(0.0, due - time.monotonic()))
            for end in readable:
                self.take(end, waiting[1 - ends.index(end)])
            for end, queue in zip(ends, waiting):
                while queue and queue[0][0] <= time.monotonic():
                    with contextlib.suppress(BlockingIOError):
                        os.write(end, queue.popleft()[1])

    def take(self, end, queue):
        arrived = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            for _ in range(BURST):
                queue.append((arrived + self.delay_s, os.read(end, 65536)))


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
