"""A real Slurm of one node on this machine, for as long as a test needs it.

munged, slurmctld and slurmd are Debian's, with a key, ports and folders of their own. Needs root,
the packages slurmctld, slurmd, slurm-client and munge, and no other Slurm configured here.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

CONFIG = Path("/etc/slurm/slurm.conf")  # jobs call srun, which looks here and nowhere else
MARK = "# The one-node Slurm of unidad's tests; to be deleted when none runs.\n"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "setpriv")
SEARCH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


class Unavailable(Exception):
    """Why there can be no Slurm here."""


def slurm(*command: str) -> str:
    """What one of Slurm's commands prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def jobs() -> list[dict[str, str]]:
    """Every job since the start, oldest first, with the fields of `scontrol show job`."""
    lines = slurm("scontrol", "--oneliner", "show", "job").splitlines()
    described = [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in lines]
    return sorted((job for job in described if job), key=lambda job: int(job["JobId"]))


def wait_until(happened: Callable[[], object], seconds: float, what: str) -> None:
    """Look ten times a second; raises TimeoutError with ``what`` after ``seconds``."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)


@contextmanager
def one_node_slurm() -> Iterator[None]:
    """Slurm until the block ends; its daemons also end when this process is killed.

    Raises:
        Unavailable: packages or rights are missing, another Slurm is configured here, or a daemon
            does not start.
    """
    _check_machine()
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="slurm-")))
        home.chmod(0o755)
        settings = _settings(home)
        (home / "slurm.conf").write_text(settings)
        (home / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        stack.enter_context(_configuration(settings))
        for command, ready in _daemons(home):
            stack.enter_context(_daemon(command, ready, home / "log"))
        stack.callback(_cancel_all)
        yield


def _check_machine() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]
    if missing:
        raise Unavailable(f"no {', '.join(missing)}; apt-get install slurm-wlm")
    if os.geteuid() != 0:
        raise Unavailable("slurmd needs root")
    try:
        socket.gethostbyname(socket.gethostname())
    except OSError:
        raise Unavailable(f"{socket.gethostname()} is not in /etc/hosts") from None


@contextmanager
def _configuration(settings: str) -> Iterator[None]:
    """Our slurm.conf in its place: never over somebody else's, locked against other tests."""
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    with open(CONFIG, "a+") as file:
        file.seek(0)
        found = file.read()
        if found and not found.startswith(MARK):
            raise Unavailable(f"{CONFIG} belongs to another Slurm")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(f"another test uses {CONFIG}") from None
        file.truncate(0)
        file.write(MARK + settings)
        file.flush()
        try:
            yield
        finally:
            CONFIG.unlink()


def _settings(home: Path) -> str:
    """Two CPUs and two GPUs by declaration: requests are counted, no device is touched."""
    host = socket.gethostname()
    return f"""\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={_free_port()}
SlurmdPort={_free_port()}
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0
MinJobAge=86400
MailProg=/bin/true
MpiDefault=none
KillWait=2
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes={host} Default=YES
"""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _daemons(home: Path) -> Iterator[tuple[list[str], Callable[[], object]]]:
    """Each command, in the foreground, and what tells that it is ready."""
    for name in ("state", "spool", "munge"):
        (home / name).mkdir()
    key = home / "munge/key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    for path in (home / "munge", key):
        shutil.chown(path, "munge", "munge")
    own = [f"--{name}-file={home}/munge/{name}" for name in ("key", "pid", "log", "seed")]
    munged = ["munged", "--foreground", f"--socket={home}/munge/socket", *own]
    as_munge = ["--reuid=munge", "--regid=munge", "--clear-groups"]
    yield [*as_munge, *munged], (home / "munge/socket").exists
    yield (
        ["slurmctld", "-D", "-f", f"{home}/slurm.conf"],
        lambda: "UP" in _answer("scontrol", "ping"),
    )
    yield (
        ["slurmd", "-D", "-f", f"{home}/slurm.conf"],
        lambda: _answer("sinfo", "-h", "-o", "%T").strip() == "idle",
    )


def _answer(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


@contextmanager
def _daemon(command: list[str], ready: Callable[[], object], log: Path) -> Iterator[None]:
    with open(log, "a") as file:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=TERM", *command],
            env=os.environ | {"PATH": SEARCH},
            stdout=file,
            stderr=file,
        )
    try:
        try:
            wait_until(lambda: process.poll() is not None or ready(), 120, f"start of {command}")
        except TimeoutError as error:
            raise Unavailable(f"{error}: {log.read_text()[-1000:]}") from None
        if process.poll() is not None:
            raise Unavailable(f"{' '.join(command)} ended: {log.read_text()[-1000:]}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cancel_all() -> None:
    slurm("scancel", "--user=root")
    wait_until(lambda: not slurm("squeue", "--noheader"), 120, "end of cancelled jobs")
