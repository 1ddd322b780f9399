"""How a function reaches the Kubernetes API: by its pod's service account, or by a kubeconfig."""

import base64
import ssl
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, cast

import httpx
import msgspec

from common.settings import SettingsError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_AGE = 60.0


@dataclass(frozen=True)
class Access:
    """The server's address, whom it may be, and who we are, at home in which namespace. A token in
    a file is read again while we run, for the kubelet renews it."""

    server: str
    tls: ssl.SSLContext | bool = True
    token: str | None = None
    token_file: Path | None = None
    namespace: str = "default"


def load(kubeconfig: Path | None, environ: Mapping[str, str]) -> Access:
    """Raises SettingsError where neither says how to reach a cluster."""
    return _from_kubeconfig(kubeconfig) if kubeconfig else _in_cluster(environ)


class Bearer(httpx.Auth):
    """Puts the newest token on each request."""

    def __init__(self, access: Access, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._file = access.token_file
        self._token = access.token
        self._read_at: float | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        token = self._newest()
        if token:
            request.headers["authorization"] = f"Bearer {token}"
        yield request

    def _newest(self) -> str | None:
        stale = self._read_at is None or self._clock() - self._read_at > TOKEN_AGE
        if self._file is not None and stale:
            self._token = self._file.read_text(encoding="utf-8").strip()
            self._read_at = self._clock()
        return self._token


def _in_cluster(environ: Mapping[str, str]) -> Access:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise SettingsError(["KUBECONFIG is not set, and this is no pod with a service account"])
    shown = f"[{host}]" if ":" in host else host
    tls = ssl.create_default_context(cafile=SERVICE_ACCOUNT / "ca.crt")
    home = SERVICE_ACCOUNT / "namespace"
    namespace = home.read_text(encoding="utf-8").strip() if home.exists() else "default"
    token_file = SERVICE_ACCOUNT / "token"
    return Access(f"https://{shown}:{port}", tls, token_file=token_file, namespace=namespace)


def _from_kubeconfig(path: Path) -> Access:
    try:
        document = msgspec.yaml.decode(path.read_bytes())
        context = _named(document, "context", document["current-context"])
        cluster = _named(document, "cluster", context["cluster"])
        user = _named(document, "user", context["user"])
        server = str(cluster["server"]).rstrip("/")
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, StopIteration) as wrong:
        raise SettingsError([f"KUBECONFIG names no usable file: {wrong!r}"]) from None
    if "exec" in user or "auth-provider" in user:
        raise SettingsError(["KUBECONFIG asks for a login program, which functions do not run"])
    token_file = user.get("tokenFile")
    return Access(
        server,
        _tls(cluster, user, path.parent) if server.startswith("https:") else True,
        user.get("token"),
        path.parent / token_file if token_file else None,
        context.get("namespace") or "default",
    )


def _named(document: Any, kind: str, name: str) -> dict[str, Any]:
    entries = cast("list[dict[str, Any]]", document[f"{kind}s"])
    return next(entry[kind] for entry in entries if entry["name"] == name)


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    with ExitStack() as stack:
        authority = _file(cluster, "certificate-authority", folder, stack)
        context = ssl.create_default_context(cafile=authority)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        certificate = _file(user, "client-certificate", folder, stack)
        if certificate:
            context.load_cert_chain(certificate, _file(user, "client-key", folder, stack))
        return context


def _file(entry: Mapping[str, Any], name: str, folder: Path, stack: ExitStack) -> Path | None:
    """The file of that name, or one for as long as the stack is open with what is written out."""
    if name in entry:
        return folder / entry[name]
    data = entry.get(f"{name}-data")
    if data is None:
        return None
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / name
    file.write_bytes(base64.b64decode(data))
    return file
