"""A real Samba on 127.0.0.1 and its share mounted through FUSE, both of one test and gone with it.

The kernel that tests run on need not know SMB: `smbnetfs` speaks it through Samba's own library. Server and client lead
process groups of their own, which are ended by their ids, and end with whoever started them even if that is killed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_PATH = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
_SERVER = """\
[global]
  server role = standalone server
  interfaces = 127.0.0.1
  bind interfaces only = yes
  smb ports = {port}
  disable netbios = yes
  map to guest = Bad User
  guest account = {user}
  strict locking = yes
  load printers = no
  disable spoolss = yes
  log file = {own}/log
{folders}
[zone]
  path = {share}
  guest ok = yes
  read only = no
"""
_CLIENT = "[global]\n  client min protocol = SMB2\n{folders}\n"
_FOLDERS = ("private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir")


def until(holds: Callable[[], bool], *, seconds: float = 30.0, what: str) -> None:
    """Wait for a condition; a share that does not answer is no reason to stop waiting before the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError):
            if holds():
                return
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def find(command: str) -> str:
    """Find an installed command, or skip the test with what is missing."""
    found = shutil.which(command, path=_PATH)
    if found is None:
        pytest.skip(f"{command} is not installed (Debian: samba, smbnetfs, fuse)")
    return found


class _Led:
    """A process that leads a group of its own."""

    def __init__(self, name: str, own: Path, *, at_our_end: str) -> None:
        self._command = [find("setpriv"), "--pdeathsig", at_our_end, find(name)]
        self._said = own / "said"
        self._process: subprocess.Popen[bytes] | None = None

    def lead(self, *arguments: str, home: Path) -> None:
        """Start it."""
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                env={**os.environ, "HOME": str(home)},
            )

    @property
    def said(self) -> str:
        """What it printed."""
        return self._said.read_text(errors="replace")

    @property
    def has_ended(self) -> bool:
        """Tell whether it ended by itself, or was never started."""
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """Kill the group at once (`kill -9`), so that nothing of it says good-bye to anybody."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=20)
        self._process = None


class SambaServer:
    """One `smbd` with one share, `zone`, open to guests.

    Attributes:
        share: What it shares, as the server itself sees it.
        port: The same after every start.
    """

    def __init__(self, root: Path) -> None:
        self.share, self._own = root / "share", root / "server"
        for folder in (self.share, self._own):
            folder.mkdir()
        self.port = _free_port()
        self._led = _Led("smbd", self._own, at_our_end="KILL")
        user = pwd.getpwuid(os.geteuid()).pw_name
        settings = {"port": self.port, "user": user, "own": self._own, "share": self.share}
        (self._own / "smb.conf").write_text(_SERVER.format(folders=_own_folders(self._own), **settings))

    def start(self) -> None:
        """Start it, and wait until it listens."""
        arguments = ["--foreground", "--no-process-group", "--debug-stdout", "-s", str(self._own / "smb.conf")]
        self._led.lead(*arguments, home=self._own)
        until(self._listens, what="smbd listens")

    def kill(self) -> None:
        """Kill the server and all that serve a client."""
        self._led.kill()

    def _listens(self) -> bool:
        assert not self._led.has_ended, self._led.said
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True


class ShareMount:
    """The server's share at a place of this machine.

    Attributes:
        share: The share's own folder, as the client sees it.
    """

    def __init__(self, server: SambaServer, root: Path) -> None:
        self._at, self._own = root / "mounts", root / "client"
        for folder in (self._at, self._own, self._own / ".smb"):
            folder.mkdir(parents=True)
        self.share = self._at / f"127.0.0.1:{server.port}" / "zone"
        (self._own / ".smb" / "smb.conf").write_text(_CLIENT.format(folders=_own_folders(self._own)))
        self._config = self._own / ".smb" / "smbnetfs.conf"
        self._config.write_text(f'auth "guest" ""\nhost 127.0.0.1:{server.port} visible=true\n')
        self._config.chmod(0o600)
        self._led = _Led("smbnetfs", self._own, at_our_end="TERM")

    def mount(self) -> None:
        """Mount it, and wait until the share answers."""
        self._led.lead(str(self._at), "-f", "-o", f"config={self._config}", home=self._own)
        until(lambda: self._led.has_ended or os.path.ismount(self._at), what="the file system is mounted")
        if self._led.has_ended:
            pytest.skip(f"this machine mounts no FUSE: {self._led.said[-500:]}")
        until(self.share.is_dir, what="the share answers")

    def unmount(self) -> None:
        """Take it away even while somebody looks at it."""
        subprocess.run([find("fusermount"), "-u", "-z", str(self._at)], check=False, capture_output=True, timeout=20)
        self._led.kill()

    def kill_client(self) -> None:
        """Kill the client and leave its mount, which nobody answers for."""
        self._led.kill()


@contextmanager
def serving(root: Path) -> Iterator[SambaServer]:
    """A running server, which is killed at the end whatever happens."""
    for command in ("smbd", "smbnetfs", "fusermount", "setpriv"):
        find(command)
    server = SambaServer(root)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def mounted(server: SambaServer, root: Path) -> Iterator[ShareMount]:
    """A mount of the server's share, which is taken away at the end whatever happens."""
    mount = ShareMount(server, root)
    try:
        mount.mount()
        yield mount
    finally:
        mount.unmount()


def _own_folders(own: Path) -> str:
    """Name folders of our own for whatever Samba keeps, and make them."""
    for name in _FOLDERS:
        (own / name).mkdir(exist_ok=True)
    return "\n".join(f"  {name} = {own / name}" for name in _FOLDERS)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
