"""What an address must be for us to call it."""

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from common.trainers import Trainers

INNER_NAMES = frozenset({"localhost", "local", "internal"})
CARRIERS_OF_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
WEB_PORTS = frozenset({80, 443})
FIRST_FREE_PORT = 1024

_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


@dataclass(frozen=True)
class Policy:
    """What this installation allows beside https to the world: addresses that only we can reach,
    and http."""

    private: bool = False
    http: bool = False


def policy_of(trainers: Trainers, environment: str) -> Policy:
    """What the configuration says; where it is silent, only prod insists on https."""
    http = trainers.allow_http_webhooks
    return Policy(trainers.allow_private_webhooks, environment != "prod" if http is None else http)


def problem(url: str, policy: Policy) -> str | None:
    """Why this address is refused, if so. A name may still lead inside: whoever calls it looks at
    the address that it resolves to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a web address"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        return "must be a web address that begins with https:// or http://"
    if parts.scheme == "http" and not policy.http:
        return "must begin with https://"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    if port is not None and port < FIRST_FREE_PORT and port not in WEB_PORTS:
        return "must name no port below 1024 but 80 and 443"
    if not policy.private and _is_private(host):
        return "must not be a private or loopback address"
    return None


def is_public(address: str) -> bool:
    """Whether this IP address leads to the world, and not to us by another name."""
    try:
        return _is_public(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    """Also where the host is spelled so that only a resolver reads it as an address."""
    try:
        name = host.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return True
    try:
        return not _is_public(ipaddress.ip_address(name))
    except ValueError:
        return _is_inner_name(name)


def _is_inner_name(name: str) -> bool:
    head, _, last = name.rpartition(".")
    return not head or "%" in name or last in INNER_NAMES or bool(_NUMBER.fullmatch(last))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    carried = _carried(address) if isinstance(address, IPv6Address) else None
    if carried is not None:
        return _is_public(carried)
    return address.is_global and not address.is_multicast


def _carried(address: IPv6Address) -> IPv4Address | None:
    if any(address in network for network in CARRIERS_OF_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
