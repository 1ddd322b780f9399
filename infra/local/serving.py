"""What the manifests become: functions, and the gateway, broker and clock that call them."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket

import aiohttp

from infra.local import clock, manifests, proxy, trigger
from infra.local.broker import Broker
from infra.local.clock import Clock
from infra.local.function import Function, Surroundings
from infra.local.functions import Functions
from infra.local.gateway import Gateway, Routes
from infra.local.home import Home
from infra.local.manifests import Manifests
from infra.local.network import Server
from infra.local.roster import Roster
from infra.local.service import Values, plan
from infra.local.settings import StackSettings
from infra.local.trigger_api import TriggerApi


@dataclass(frozen=True)
class Doors:
    """Bound sockets: the users' and the publishers'."""

    gateway: socket
    broker: socket

    def close(self) -> None:
        self.gateway.close()
        self.broker.close()


class Serving:
    """Stops in the reverse order of its start."""

    def __init__(
        self,
        settings: StackSettings,
        home: Home,
        found: Manifests,
        *,
        doors: Doors,
        applied: TriggerApi,
        roster: Roster,
        report: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._home = home
        self._found = found
        self._doors = doors
        self._applied = applied
        self._roster = roster
        self._report = report
        self._parts = contextlib.AsyncExitStack()
        self.functions = Functions(())

    async def start(self, values: Values, surroundings: Surroundings) -> None:
        session = await self._parts.enter_async_context(proxy.open_session())
        self.functions = self._make_functions(values, surroundings, session)
        self._parts.push_async_callback(self.functions.stop)
        broker = self._make_broker(session)
        self._parts.push_async_callback(broker.stop)
        gateway = Gateway(Routes(self._found.routes), self.functions, session, self._report)
        ticking = self._make_clock(broker)
        for server in (Server(broker, self._doors.broker), Server(gateway, self._doors.gateway)):
            self._parts.push_async_callback(server.stop)
            await server.start()
        self.functions.start()
        self._parts.push_async_callback(ticking.stop)
        ticking.start()

    async def stop(self) -> None:
        await self._parts.aclose()

    def kill(self) -> None:
        self.functions.kill()

    def _make_functions(
        self, values: Values, surroundings: Surroundings, session: aiohttp.ClientSession
    ) -> Functions:
        return Functions(
            Function(
                plan(service, values, self._home.folder_of(f"functions/{_name(service)}")),
                surroundings,
                session=session,
                roster=self._roster,
                report=self._report,
            )
            for service in self._found.services
        )

    def _make_broker(self, session: aiohttp.ClientSession) -> Broker:
        brokers = {_name(broker): broker for broker in self._found.brokers}
        triggers = [trigger.read(found, brokers) for found in self._found.triggers]
        return Broker(
            triggers,
            self.functions,
            session,
            report=self._report,
            applied=self._applied,
            timing=self._settings.timing,
        )

    def _make_clock(self, broker: Broker) -> Clock:
        instead = self._settings.tick
        sources = [clock.read(found, schedule_instead=instead) for found in self._found.clocks]
        return Clock(sources, broker, self.functions, self._report)


_name = manifests.name_of
