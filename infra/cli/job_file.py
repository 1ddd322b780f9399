"""A job request from a YAML or JSON file, with single values set from the command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from eventrain_client.replies import JsonObject

from infra.cli.errors import UsageFault


class _Loader(yaml.SafeLoader):
    """YAML whose values are JSON values: 1e-3 is a number, a date and `no` stay text."""


_KEPT = {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def read_request(source: str, settings: Sequence[str]) -> JsonObject:
    """`source` is a path, or `-` for standard input. Raises UsageFault with the place."""
    name = "standard input" if source == "-" else source
    request = _parse(_text(source), name)
    if not isinstance(request, dict):
        raise UsageFault(f"{name} does not hold a job request: it must be keys with values.")
    job = cast("JsonObject", request)
    change_values(job, settings)
    return job


def change_values(place: JsonObject, settings: Sequence[str]) -> None:
    """Each setting is KEY=VALUE; dots in the key go deeper."""
    for setting in settings:
        _set(place, setting)


def _text(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageFault(f"{source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageFault(f"{source} is not text in UTF-8.") from error


def _parse(text: str, name: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageFault(f"{name}{place}: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise UsageFault(f"{name} is neither YAML nor JSON: {error}.") from error


def _set(job: JsonObject, setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise UsageFault(
            f"--set {setting} cannot be read.",
            advice="Write a key and a value, for example --set hyperparameters.epochs=5.",
        )
    *parents, last = key.split(".")
    place = job
    for parent in parents:
        below = place.setdefault(parent, {})
        if not isinstance(below, dict):
            raise UsageFault(f"--set {key}: {parent} is a single value in the file.")
        place = cast("JsonObject", below)
    place[last] = _parse(text, f"--set {key}")
