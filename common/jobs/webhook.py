"""What an address must be for us to call it."""

import ipaddress
from urllib.parse import urlsplit


def problem(url: str, *, private: bool) -> str | None:
    """Why this address is refused, if so. `private` allows addresses that only we can reach."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a web address"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        return "must be a web address that begins with https:// or http://"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    if not private and _is_private(host):
        return "must not be a private or loopback address"
    return None


def _is_private(host: str) -> bool:
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith((".localhost", ".local")):
        return True
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return host.rpartition(".")[2].isdigit()
