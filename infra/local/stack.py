"""The local stack: one process that supervises Postgres, S3 and the functions.

    async with running(StackSettings(home=...), on_step=print) as stack:
        await stack.wait_closed()

The gateway, the broker, the clock and the Kubernetes server live in this process; the others are
its children and end with it. Raises a StackProblem, one sentence, when it cannot start.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from infra.local import credential, interrupt, manifests, process, values
from infra.local.broker import PATH as BROKER_PATH
from infra.local.credential import Credentials
from infra.local.function import Surroundings
from infra.local.home import LEAST_FREE, Home, explain, write_private
from infra.local.journal import Journal, libraries_writing_to
from infra.local.kubernetes import Kubernetes
from infra.local.manifests import Manifests
from infra.local.mlflow import MlflowServer, find_python, make_database
from infra.local.network import address_of, bind
from infra.local.problem import HomeProblem, Interrupted, PartFailed
from infra.local.process import Command
from infra.local.roster import Roster
from infra.local.serving import Doors, Serving
from infra.local.settings import StackSettings
from infra.local.stores import Stores
from infra.local.trigger_api import TriggerApi

WATCH_SECONDS = 5.0
MIGRATION = (sys.executable, "-m", "common.migrate")

Result = TypeVar("Result")


@contextlib.asynccontextmanager
async def running(
    settings: StackSettings, *, on_step: Callable[[str], None] = lambda _: None
) -> AsyncGenerator["Stack"]:
    """Starts a stack, hears Ctrl-C and SIGTERM, and leaves no process behind."""
    stack = Stack(settings, on_step)
    with interrupt.listening(stack.close, stack.kill):
        try:
            await stack.start()
            yield stack
        finally:
            await stack.stop()


class Stack:
    """`stores`, `kubernetes` and `serving` are there once it has started; `mlflow` is where it is
    wanted, and starts meanwhile."""

    stores: Stores
    kubernetes: Kubernetes
    serving: Serving

    def __init__(self, settings: StackSettings, on_step: Callable[[str], None]) -> None:
        self.settings = settings
        self.home = Home(settings.home.expanduser().resolve())
        self.address = ""
        self.mlflow: MlflowServer | None = None
        self._report = Journal(self.home / "logs/stack.log", on_step)
        self._closed = asyncio.Event()
        self._parts = contextlib.AsyncExitStack()
        self._kills: list[Callable[[], None]] = []
        self._roster = Roster(self.home / "processes.json")

    @property
    def client_file(self) -> Path:
        return self.home / "client.json"

    async def start(self) -> None:
        try:
            await self.unless_closed(self._start())
        except OSError as problem:
            raise HomeProblem(explain(problem, self.home.folder)) from problem
        except PartFailed as problem:
            if self.home.free() < LEAST_FREE:
                raise HomeProblem(f"The disk that holds {self.home.folder} is full.") from problem
            raise

    async def stop(self) -> None:
        self._closed.set()
        await self._parts.aclose()

    def close(self) -> None:
        """Ask it to stop."""
        if not self._closed.is_set():
            self._report("Stopping")
            self._closed.set()

    def kill(self) -> None:
        """Insist: no process is waited for any longer."""
        for kill in self._kills:
            kill()

    async def wait_closed(self) -> None:
        await self._closed.wait()

    async def unless_closed(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The work's result; Interrupted when the stack is asked to stop before."""
        task = asyncio.create_task(work)
        closed = asyncio.create_task(self._closed.wait())
        try:
            await asyncio.wait((task, closed), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Interrupted("Stopped before the work was done.")
            return task.result()
        finally:
            for one in (task, closed):
                one.cancel()
            await asyncio.gather(task, closed, return_exceptions=True)

    async def _start(self) -> None:
        self.home.open()
        self._parts.callback(self.home.close)
        log = self.home.folder_of("logs") / "stack.log"
        self._parts.enter_context(libraries_writing_to(log))
        doors = self._open_doors()
        self.address = address_of(doors.gateway)
        found = manifests.load(self.settings.clone)
        mlflow = find_python(self.settings.clone) if self.settings.mlflow else None
        if await self._roster.end_leftovers():
            self._report("Ended what a former run left behind")
        credentials = credential.load_or_make(self.home / "secrets.json")
        await self._start_stores(credentials)
        if mlflow is not None:
            await self._start_mlflow(mlflow, credentials)
        await self._migrate()
        triggers = TriggerApi(found.triggers)
        await self._start_kubernetes(found, triggers, credentials)
        await self._start_serving(found, doors, triggers, credentials)
        self._write_client(credentials)
        watch = asyncio.create_task(self._watch())
        self._parts.callback(watch.cancel)

    def _open_doors(self) -> Doors:
        """First of all: a taken port is told before anything is started."""
        doors = Doors(gateway=bind(self.settings.port), broker=bind())
        self._parts.callback(doors.close)
        return doors

    async def _start_stores(self, credentials: Credentials) -> None:
        self._report("Starting Postgres and S3")
        self.stores = Stores(
            self.settings,
            self.home,
            credentials,
            bucket=values.bucket(self.settings),
            roster=self._roster,
            report=self._report,
        )
        self._kills.append(self.stores.kill)
        self._parts.push_async_callback(self.stores.stop)
        await self.stores.start()

    async def _start_mlflow(self, python: Path, credentials: Credentials) -> None:
        """Nothing waits until it is ready."""
        self.mlflow = MlflowServer(
            self.home,
            python,
            credentials,
            database_url=await make_database(self.stores.database_url),
            s3=self.stores.s3.address,
            bucket=values.bucket(self.settings),
            roster=self._roster,
            report=self._report,
        )
        self._report(f"Starting MLflow at {self.mlflow.address}")
        self._kills.append(self.mlflow.kill)
        self._parts.push_async_callback(self.mlflow.stop)
        starting = asyncio.create_task(self._await_mlflow(self.mlflow))
        self._parts.push_async_callback(_end, starting)

    async def _await_mlflow(self, mlflow: MlflowServer) -> None:
        try:
            await mlflow.start()
        except (PartFailed, OSError) as problem:
            self._report(str(problem))
        else:
            self._report(f"MLflow answers at {mlflow.address}")

    async def _migrate(self) -> None:
        self._report("Migrating the database")
        log = self.home.folder_of("logs") / "migrate.log"
        url = {"PATH": os.defpath, "DATABASE_URL": self.stores.database_url}
        command = Command("migrate", MIGRATION, self.settings.clone, log, environment=url)
        child = await process.start(command)
        try:
            code = await child.wait()
        finally:
            child.kill()
        if code != 0:
            raise PartFailed(f"The migration failed: {process.log_tail(log)} (see {log})")

    async def _start_kubernetes(
        self, found: Manifests, triggers: TriggerApi, credentials: Credentials
    ) -> None:
        self.kubernetes = Kubernetes(
            self.home,
            clone=self.settings.clone,
            namespace=found.namespace,
            namespaces=found.namespaces,
            capacity=self.settings.capacity,
            token=credentials.cluster_token,
            triggers=triggers,
            report=self._report,
            faults=self.settings.faults,
        )
        self._kills.append(self.kubernetes.kill)
        self._parts.push_async_callback(self.kubernetes.stop)
        await self.kubernetes.start()

    async def _start_serving(
        self, found: Manifests, doors: Doors, triggers: TriggerApi, credentials: Credentials
    ) -> None:
        self._report("Starting the gateway, the broker and the clock")
        configuration = values.config_map(
            self.settings,
            gateway=self.address,
            broker=address_of(doors.broker) + BROKER_PATH,
            s3=self.stores.s3.address,
            mlflow=self.mlflow.address if self.mlflow else None,
        )
        known = values.collect(
            configuration,
            credentials,
            database_url=self.stores.database_url,
            config_folder=values.copy_config_files(self.settings.clone, self.home),
        )
        self.serving = Serving(
            self.settings,
            self.home,
            found,
            doors=doors,
            applied=triggers,
            roster=self._roster,
            report=self._report,
        )
        self._kills.append(self.serving.kill)
        self._parts.push_async_callback(self.serving.stop)
        await self.serving.start(known, self._surroundings())

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            clone=self.settings.clone,
            logs=self.home.folder_of("logs"),
            idle_seconds=self.settings.idle_seconds,
            start_seconds=self.settings.start_seconds,
            cluster_environment=self.kubernetes.environment(),
        )

    def _write_client(self, credentials: Credentials) -> None:
        content = {
            "address": self.address,
            "token": credential.user_token(credentials),
            "projectId": credentials.project_id,
            "mlflow": self.mlflow.address if self.mlflow else None,
        }
        write_private(self.client_file, json.dumps(content, indent=2))

    async def _watch(self) -> None:
        """Logs stay bounded, and a disk that fills up is told once."""
        told = False
        while True:
            for log in (self.home / "logs").glob("*.log"):
                process.bound_log(log)
            full = self.home.free() < LEAST_FREE
            if full and not told:
                self._report(f"The disk that holds {self.home.folder} is full: make room")
            told = full
            await asyncio.sleep(WATCH_SECONDS)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
