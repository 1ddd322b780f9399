"""The query of an address, read by the same kind of types as a body."""

from typing import Annotated, Any, TypeVar, get_args, get_origin
from urllib.parse import parse_qs

import msgspec

from common import callback
from common.errors import Invalid

T = TypeVar("T", bound=msgspec.Struct)


def read(text: str, kind: type[T]) -> T:
    """A name that the type does not know is passed over, and of one that holds no list the last
    value counts. Raises Invalid."""
    given = parse_qs(text, keep_blank_values=True)
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    values = {
        name: found if _is_list(fields[name]) else _plain(fields[name], found[-1])
        for name, found in given.items()
        if name in fields
    }
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as wrong:
        raise Invalid([callback.violation(str(wrong))]) from None


def _is_list(kind: Any) -> bool:
    return get_origin(_bare(kind)) is list


def _plain(kind: Any, text: str) -> int | str:
    number = _bare(kind) is int and text.isascii() and text.isdigit() and len(text) < 19
    return int(text) if number else text


def _bare(kind: Any) -> Any:
    """What is annotated."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
