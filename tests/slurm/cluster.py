"""A private, throw-away Slurm of two nodes on this machine: nothing outside its folder, loopback only.

Both nodes are this machine. They claim one CPU, some memory and two GPUs each; the GPUs are copies of
/dev/null, enough for Slurm to hand them out. There is no systemd, no cgroup, no accounting database.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("srun", "sbatch", "scancel", "squeue", "sinfo", "scontrol", "sacct")
NODES = ("n1", "n2")
GPUS = 2
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"

CONFIGURATION = """
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none

# A job over its memory is killed; shared pages count in part only.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill,UsePss

# Start jobs at once.
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=5
DefMemPerCPU=1000
KillWait=5
ReturnToService=2
SlurmdParameters=config_overrides

# squeue remembers ended jobs for an hour, as there is no database that sacct could ask.
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
MinJobAge=3600
MailProg=/bin/true

GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} {claims}
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} {claims}
PartitionName=main Nodes=ALL Default=YES DefaultTime=60 MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """Return the programs of Debian's slurm-wlm and munge that are not installed."""
    return [name for name in (*DAEMONS, *CLIENTS) if shutil.which(name, path=PATH) is None]


class Cluster:
    """Starts when it is entered; leaves no process behind when it is left."""

    def __init__(self, folder: Path) -> None:
        # A Unix socket has room for 107 characters.
        assert len(str(folder)) < 90, f"{folder} is too long a path for a socket"
        self.folder = folder
        self._marker = f"SLURM_CONF={folder}/slurm.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._cleanup = ExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs: where the configuration is.

        The Slurm executor of Snakemake hides SLURM_CONF from the steps of a job, so that the clients in PATH
        put it back.
        """
        name, value = self._marker.split("=", 1)
        return {name: value, "PATH": f"{self.folder}/bin:{PATH}"}

    def __enter__(self) -> Cluster:
        with ExitStack() as on_error:
            on_error.callback(self._stop)
            self._start()
            on_error.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def run(self, *command: str, **options: object) -> str:
        """Run a client and return what it printed; an error of it is an error."""
        done = subprocess.run(
            command, env=os.environ | self.environment, text=True, capture_output=True, timeout=300
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def ended_jobs(self) -> list[Mapping[str, str]]:
        """Return the facts of all jobs that have ended, in that order: JobId, JobState, TimeLimit, ..."""
        lines = (self.folder / "jobs.txt").read_text().splitlines()
        return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]

    def _start(self) -> None:
        self._write_files()
        munge = f"{self.folder}/munge.sock"
        self._daemon(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={self.folder}/munge.key",
            f"--socket={munge}",
            f"--pid-file={self.folder}/munged.pid",
            f"--seed-file={self.folder}/munged.seed",
            "--num-threads=2",
        )
        self._wait(lambda: self._says("munge", "--no-input", "--socket", munge), "munged does not answer")
        self._daemon("slurmctld", "-D")
        self._wait(lambda: "is UP" in self._says("scontrol", "ping"), "slurmctld does not answer")
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node)
        self._wait(
            lambda: self._says("sinfo", "--noheader", "--format=%T %D") == f"idle {len(NODES)}\n",
            "the nodes do not come up",
        )

    def _write_files(self) -> None:
        for name in ("state", "bin", "dev", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o400)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        text = CONFIGURATION.format(
            folder=self.folder,
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            ports=free_ports(1 + len(NODES)),
            claims=f"CPUs=1 RealMemory={memory * 4 // 10} Gres=gpu:fake:{GPUS} State=UNKNOWN",
        )
        (self.folder / "slurm.conf").write_text(text)
        # Only GPUs that are device files come to be named in CUDA_VISIBLE_DEVICES.
        for number in range(GPUS):
            os.mknod(self.folder / "dev" / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        devices = f"{self.folder}/dev/gpu[0-{GPUS - 1}]"
        (self.folder / "gres.conf").write_text(f"Name=gpu Type=fake File={devices}\n")
        for name in CLIENTS:
            client = self.folder / "bin" / name
            client.write_text(
                f'#!/bin/sh\nexport {self._marker}\nexec {shutil.which(name, path=PATH)} "$@"\n'
            )
            client.chmod(0o755)

    def _daemon(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}-{len(self._daemons)}.log").open("wb") as log:
            # Daemons end with the process that started them, however that ends.
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", name, *arguments],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._daemons.append(process)

    def _stop(self) -> None:
        if len(self._daemons) > 1:
            self._says("scancel", "--full", "--user", getpass.getuser())
            limit = time.monotonic() + 15
            while self._says("squeue", "--noheader", "--states=R,CG,PD") and time.monotonic() < limit:
                time.sleep(0.2)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        for process in self._strays():
            os.kill(process, signal.SIGKILL)

    def _strays(self) -> list[int]:
        """Return the processes of jobs that are still there."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._marker.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                pass
        return found

    def _says(self, *command: str) -> str:
        """Return what a client prints, nothing if it fails."""
        done = subprocess.run(command, env=os.environ | self.environment, text=True, capture_output=True)
        return done.stdout if done.returncode == 0 else ""

    def _wait(self, there: Callable[[], object], complaint: str, seconds: float = 30) -> None:
        limit = time.monotonic() + seconds
        while not there():
            dead = [process.args for process in self._daemons if process.poll() is not None]
            assert not dead, f"{dead} died: {self._logs()}"
            assert time.monotonic() < limit, f"{complaint}: {self._logs()}"
            time.sleep(0.1)

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for entry in sockets:
            entry.bind(("127.0.0.1", 0))
        return [entry.getsockname()[1] for entry in sockets]
