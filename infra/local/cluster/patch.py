"""The patches that the API takes: merge, strategic merge (lists by their key) and JSON patch."""

import copy
from typing import Any, cast

from infra.local.cluster.resource import Json
from infra.local.cluster.status import bad_request

_MERGE_KEYS = {
    "containers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ownerReferences": "uid",
    "conditions": "type",
}
_LIST_OF_NAMES = {"finalizers"}


def apply(content_type: str, target: Json, patch: Any) -> Json:
    """Raises Refused (400, 415) for a patch that cannot be applied."""
    if content_type == "application/json-patch+json":
        return _json_patch(target, patch)
    if not isinstance(patch, dict):
        raise bad_request("a merge patch is an object")
    strategic = content_type == "application/strategic-merge-patch+json"
    return _merge(target, cast(Json, patch), strategic=strategic)


def _merge(target: Json, patch: Json, *, strategic: bool) -> Json:
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
            continue
        merged[name] = _merged_value(name, merged.get(name), value, strategic=strategic)
    return merged


def _merged_value(name: str, old: Any, new: Any, *, strategic: bool) -> Any:
    if isinstance(new, dict):
        known = cast(Json, old) if isinstance(old, dict) else {}
        return _merge(known, cast(Json, new), strategic=strategic)
    if strategic and isinstance(new, list) and isinstance(old, list):
        return _merged_list(name, cast(list[Any], old), cast(list[Any], new))
    return new


def _merged_list(name: str, old: list[Any], new: list[Any]) -> list[Any]:
    if name in _LIST_OF_NAMES:
        return [*old, *(each for each in new if each not in old)]
    key = _MERGE_KEYS.get(name)
    if key is None:
        return new
    merged = {each.get(key): each for each in old}
    for each in new:
        if each.get("$patch") == "delete":
            merged.pop(each.get(key), None)
        else:
            known = merged.get(each.get(key), {})
            merged[each.get(key)] = _merge(known, each, strategic=True)
    return list(merged.values())


def _json_patch(target: Json, operations: Any) -> Json:
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    document: Any = copy.deepcopy(target)
    for operation in cast(list[Any], operations):
        try:
            _operate(document, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise bad_request(f"the JSON patch cannot be applied: {operation}") from error
    return document


def _operate(document: Any, operation: Json) -> None:
    deed, path = operation["op"], _path(operation["path"])
    if deed == "test":
        if _get(document, path) != operation["value"]:
            raise ValueError("test failed")
    elif deed == "remove":
        _remove(document, path)
    elif deed == "add":
        _set(document, path, operation["value"], insert=True)
    elif deed == "replace":
        _get(document, path)
        _set(document, path, operation["value"], insert=False)
    elif deed in ("copy", "move"):
        source = _path(operation["from"])
        value = copy.deepcopy(_get(document, source))
        if deed == "move":
            _remove(document, source)
        _set(document, path, value, insert=True)
    else:
        raise ValueError(deed)


def _path(pointer: str) -> list[str]:
    if not pointer.startswith("/"):
        raise ValueError(pointer)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def _get(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[_index(document, step)]
    return document


def _remove(document: Any, path: list[str]) -> None:
    parent = _get(document, path[:-1])
    del parent[_index(parent, path[-1])]


def _set(document: Any, path: list[str], value: Any, *, insert: bool) -> None:
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif last == "-":
        parent.append(value)
    elif insert:
        parent.insert(int(last), value)
    else:
        parent[int(last)] = value


def _index(parent: Any, step: str) -> Any:
    return int(step) if isinstance(parent, list) else step
