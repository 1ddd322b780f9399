"""What a value does wrong by a JSON schema, and what a schema asks for, in a person's words."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters long",
    "maxLength": "at most {} characters long",
}
WORDS: dict[str, Callable[[Any], str]] = {
    **{name: lambda limit, said=said: said.format(limit) for name, said in BOUNDS.items()},
    "const": str,
    "enum": lambda values: f"one of {', '.join(map(str, values))}",
    "type": lambda kinds: _either(KINDS[kind] for kind in _listed(kinds)),
    "anyOf": lambda choices: _either(map(describe, choices)),
    "oneOf": lambda choices: _either(map(describe, choices)),
}
OTHERS = {
    "minItems": "must hold at least {}",
    "maxItems": "must hold at most {}",
    "uniqueItems": "must hold nothing twice",
    "pattern": "must match {}",
}


def reasons(
    schema: Mapping[str, Any], wrong: "ValidationError", value: Any
) -> Iterator[tuple[list[str], str]]:
    """Of one violation at `value`: what is wrong, and where below that."""
    keyword, limit = _keyword(schema, wrong)
    match keyword:
        case "required":
            for name in limit:
                if name not in value and f'"{name}"' in wrong.message:
                    yield [name], "is required"
        case "additionalProperties":
            known = _holder(schema, wrong).get("properties", {})
            for name in sorted(set(value) - set(known)):
                yield [name], f"is not known; there are {', '.join(sorted(known))}"
        case _:
            yield [], _reason(keyword, limit) or wrong.message


def describe(schema: Mapping[str, Any]) -> str:
    """`a whole number, at least 1, at most 4096`; of a schema that asks for nothing, `anything`."""
    said = [WORDS[keyword](limit) for keyword, limit in schema.items() if keyword in WORDS]
    return ", ".join(said) or "anything"


def _reason(keyword: str, limit: Any) -> str | None:
    if keyword in OTHERS:
        return OTHERS[keyword].format(limit)
    return f"must be {WORDS[keyword](limit)}" if keyword in WORDS and limit is not None else None


def _keyword(schema: Mapping[str, Any], wrong: "ValidationError") -> tuple[str, Any]:
    """The keyword that was not satisfied, and what it says; None behind a reference."""
    keyword = str(wrong.schema_path[-1])
    return keyword, _holder(schema, wrong).get(keyword)


def _holder(schema: Mapping[str, Any], wrong: "ValidationError") -> Mapping[str, Any]:
    found: Any = schema
    for part in wrong.schema_path[:-1]:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _either(choices: Iterable[str]) -> str:
    return ", or ".join(dict.fromkeys(choices))


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds
