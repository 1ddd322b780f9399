"""`python -m infra.deploy.secret <tier>`: the files of a tier's Secrets, made from their templates.

In a template `<random>` is a fresh password, `<key-ring>` a fresh key ring, `<postgres.env password>`
the value of that key in that file, and any other `<...>` something that only a person knows. A file
that exists is left as it is; what is made can be read by its owner only.
"""

import argparse
import base64
import json
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

OVERLAYS = Path(__file__).parents[1] / "overlays"
TIERS = ("dev", "stg", "prod")
PLACEHOLDER = re.compile(r"<([^<>]+)>")
ELSEWHERE = re.compile(r"(\S+\.env) (\S+)")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy.secret")
    parser.add_argument("tier", choices=TIERS)
    folder = OVERLAYS / parser.parse_args(arguments).tier / "secrets"
    for file in make(folder):
        sys.stdout.write(f"made {file}\n")
    missing = [f"{file}: <{what}>\n" for file, what in wanting(folder)]
    if missing:
        sys.exit("".join(["Fill in, by hand:\n", *missing]).rstrip())


def make(folder: Path) -> list[Path]:
    """Makes what is not there yet, and says what that was."""
    before = set(folder.glob("*.env"))
    for template in sorted(folder.glob("*.env.example")):
        _make(template.with_suffix(""))
    return sorted(set(folder.glob("*.env")) - before)


def wanting(folder: Path) -> Iterator[tuple[Path, str]]:
    """What is still to be filled in: the file, and what its template asks for."""
    for file in sorted(folder.glob("*.env")):
        for what in PLACEHOLDER.findall(file.read_text(encoding="utf-8")):
            yield file, what


def key_ring() -> str:
    """A ring with one key, as JSON on one line."""
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    return json.dumps({"signing": "k1", "keys": {"k1": {"secret": secret, "retired_at": None}}})


def _make(file: Path) -> None:
    if file.exists():
        return
    file.touch(mode=0o600)
    for line in file.with_suffix(".env.example").read_text(encoding="utf-8").splitlines():
        filled = PLACEHOLDER.sub(lambda found: _value(found[1], file.parent) or found[0], line)
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{filled}\n")


def _value(what: str, folder: Path) -> str | None:
    if what == "random":
        return secrets.token_hex(20)
    if what == "key-ring":
        return key_ring()
    elsewhere = ELSEWHERE.fullmatch(what)
    return _look_up(folder / elsewhere[1], elsewhere[2]) if elsewhere else None


def _look_up(file: Path, key: str) -> str | None:
    _make(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines).get(key)


if __name__ == "__main__":
    main(sys.argv[1:])
