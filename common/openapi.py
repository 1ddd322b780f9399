"""What every function's OpenAPI document says alike: the envelope, the errors, the token."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

Schema = dict[str, Any]

FAILURE: Schema = {
    "type": "object",
    "title": "Failure",
    "required": ["status", "message", "data"],
    "properties": {
        "status": {"const": "fail"},
        "message": {"type": "string"},
        "data": {
            "type": ["object", "null"],
            "required": ["code"],
            "properties": {
                "code": {"type": "string"},
                "command": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "reason"],
                        "properties": {
                            "field": {"type": "string"},
                            "reason": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
}
ERRORS = (400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503)
HEADERS: dict[int, Schema] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    405: {"Allow": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"schema": {"type": "integer"}}},
    503: {"Retry-After": {"schema": {"type": "integer"}}},
}
BEARER: Schema = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class Operation(NamedTuple):
    """One call of a function that has no framework to describe it; bodies are msgspec types, and
    so is the query. A call with `events`, by name, answers with a stream of them."""

    method: str
    path: str
    summary: str
    body: Any
    data: Any
    query: Any = None
    events: Mapping[str, Any] | None = None


def failures() -> dict[int, Schema]:
    """The error answers that any call may give."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "headers": HEADERS.get(status, {}),
            "content": {"application/json": {"schema": FAILURE}},
        }
        for status in ERRORS
    }


def document(title: str, operations: Sequence[Operation]) -> Mapping[str, Any]:
    """The OpenAPI document of these calls."""
    types = [kind for operation in operations for kind in _types(operation)]
    found, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    schemas = iter(found)
    paths: Schema = {}
    for operation in operations:
        path = paths.setdefault(operation.path, {"parameters": _parameters(operation.path)})
        own = [next(schemas) for _ in _types(operation)]
        path[operation.method.lower()] = _call(operation, *own[:2], events=own[2:])
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"bearer": BEARER}},
    }


def success(data: Schema) -> Schema:
    """The envelope around these data."""
    return {
        "type": "object",
        "required": ["status", "message", "data"],
        "properties": {
            "status": {"const": "success"},
            "message": {"type": "string"},
            "data": data,
        },
    }


def _types(operation: Operation) -> list[Any]:
    return [operation.body, operation.data, *(operation.events or {}).values()]


def _call(operation: Operation, body: Schema, data: Schema, events: Sequence[Schema]) -> Schema:
    answers = {str(status): answer for status, answer in failures().items()}
    content: Schema = {"application/json": {"schema": success(data)}}
    if operation.events:
        named = dict(zip(operation.events, events, strict=True))
        each = [_event(name, schema) for name, schema in named.items()]
        content = {"text/event-stream": {"schema": {"oneOf": each}}}
    call: Schema = {
        "summary": operation.summary,
        "security": [{"bearer": []}],
        "responses": {"200": {"description": "OK", "content": content}, **answers},
    }
    if operation.query is not None:
        call["parameters"] = _query(operation.query)
    if operation.body is not None:
        content = {"application/json": {"schema": body}}
        call["requestBody"] = {"required": True, "content": content}
    return call


def _event(name: str, data: Schema) -> Schema:
    """One message of a stream, whose data are JSON."""
    text = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    properties = {"event": {"const": name}, "data": text, "id": {"type": "string"}}
    return {"type": "object", "required": ["event", "data"], "properties": properties}


def _query(kind: Any) -> list[Schema]:
    schema = msgspec.json.schema(kind)
    (properties,) = (
        each["properties"] for each in schema["$defs"].values() if "properties" in each
    )
    return [
        {"name": name, "in": "query", "required": False, "schema": _inlined(each, schema["$defs"])}
        for name, each in properties.items()
    ]


def _inlined(schema: Any, known: Schema) -> Any:
    """A parameter's schema has no place for definitions beside it, and no use for null."""
    if isinstance(schema, list):
        return [_inlined(each, known) for each in schema if each != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return known[schema["$ref"].rpartition("/")[2]]
    return {name: _inlined(each, known) for name, each in schema.items() if name != "default"}


def _parameters(path: str) -> list[Schema]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    schema = {"type": "string", "format": "uuid"}
    return [{"name": n, "in": "path", "required": True, "schema": schema} for n in names]
