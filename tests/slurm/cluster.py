"""A Slurm cluster of our own on this machine: munge, slurmctld and two emulated nodes, without systemd, as root.

Everything lives in one temporary folder and on free ports, so that it disturbs no other Slurm, and ends with the tests.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
NODES = ("n0", "n1")
# A requeued job waits for cred_expire + 1 seconds, and 5 is the least that Slurm takes. The nodes share the cores, so
# each may be filled several times over.
CONFIG = """
ClusterName=cuttle
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=1
ReturnToService=2
JobRequeue=1
KillWait=15
OverTimeLimit=0
NodeName={nodes} NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs={cores} RealMemory=1000
PartitionName=all Nodes={nodes} Default=YES OverSubscribe=FORCE:4 MaxTime=INFINITE
"""


def obstacle():
    """Why there can be none here, or an empty text."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [name for name in DAEMONS if not shutil.which(name, path=path)]
    if missing:
        return f"{', '.join(missing)} not installed"
    return "" if os.geteuid() == 0 else "only root may run the daemons of several nodes"


def free_ports(count):
    """The first of `count` ports in a row that nobody listens on."""
    for first in range(20000 + os.getpid() % 5000, 32000, count):
        with contextlib.ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
                return first
            except OSError:
                continue
    raise RuntimeError("no free ports")


class Cluster:
    """with Cluster(folder) as slurm: slurm.sbatch(...)"""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
                            "SLURM_CONF": str(self.folder / "slurm.conf"),
                            # Two nodes on one host: Open MPI takes them for two and must be told which way to go.
                            "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "tcp,self", "OMPI_MCA_btl_tcp_if_include": "lo",
                            "OMPI_MCA_oob_tcp_if_include": "lo",
                            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        self.log = self.folder / "daemons.log"

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        self.folder.chmod(0o755)
        ports = free_ports(3)
        for name in ("state", *(f"{kind}-{node}" for node in NODES for kind in ("spool", "tmp"))):
            (self.folder / name).mkdir()
        host = socket.gethostname().split(".")[0]
        (self.folder / "slurm.conf").write_text(
            CONFIG.format(folder=self.folder, host=host, ctld=ports, first=ports + 1, last=ports + 2,
                          nodes="n[0-1]", cores=os.cpu_count()), encoding="utf-8")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.run("munged", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
                 f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
                 f"--seed-file={self.folder}/munge.seed")
        self.run("slurmctld", "-c")
        for node in NODES:
            self.run("slurmd", "-N", node)
        self.wait_until(lambda: self.ask("sinfo", "-h", "-o", "%T %D").split() == ["idle", "2"], 30, "no idle nodes")

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self.ask("scancel", "--user=root")
            self.wait_until(lambda: not self.ask("squeue", "-h"), 30, "jobs stay")
        for name in (*(f"slurmd-{node}.pid" for node in NODES), "slurmctld.pid", "munged.pid"):
            with contextlib.suppress(OSError, ValueError):
                pid = int((self.folder / name).read_text(encoding="ascii"))
                os.kill(pid, signal.SIGTERM)
                end = time.monotonic() + 10
                while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
                    time.sleep(0.05)

    def run(self, *words):
        with open(self.log, "ab") as out:
            subprocess.run(words, env=self.environment, stdout=out, stderr=out, check=True, timeout=30)

    def ask(self, *words, check=True):
        """What a Slurm command prints."""
        result = subprocess.run([str(word) for word in words], env=self.environment, capture_output=True, text=True,
                                check=False, timeout=60)
        assert not check or result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result.stdout.strip()

    def wait_until(self, reached, seconds, otherwise):
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, f"{otherwise} after {seconds} s\n{self.tail()}"
            time.sleep(0.1)

    def tail(self):
        """The ends of the logs, for the message of a failed test."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)
