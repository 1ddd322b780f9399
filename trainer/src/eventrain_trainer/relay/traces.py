"""Traces are for programs that serve: they are taken and dropped, and one warning says so."""

import uuid
from typing import Any

from eventrain_trainer.relay.asked import Asked
from eventrain_trainer.relay.book import Book
from eventrain_trainer.relay.failure import unknown

DROPPED = "traces are not kept: a training's are taken and dropped"
# So that a client does not send the spans once more, as a file.
KEPT_ELSEWHERE = {"mlflow.trace.spansLocation": "TRACKING_STORE"}


def take(book: Book, asked: Asked) -> dict[str, Any]:
    """Begins a trace, as clients before MLflow 3 do, or hands one in whole."""
    book.warn(DROPPED)
    said = asked.as_it_came()
    trace = said.get("trace")
    if not isinstance(trace, dict):
        return {"trace_info": {**said, "request_id": f"tr-{uuid.uuid4().hex}"}}
    info = dict(trace.get("trace_info") or {})
    info["tags"] = {**(info.get("tags") or {}), **KEPT_ELSEWHERE}
    return {"trace": {"trace_info": info}}


def end(book: Book, asked: Asked) -> dict[str, Any]:
    return {"trace_info": asked.as_it_came() | {"request_id": asked.text("trace_id")}}


def drop(book: Book, asked: Asked) -> dict[str, Any]:
    book.warn(DROPPED)
    return {}


def none(book: Book, asked: Asked) -> dict[str, Any]:
    """Of what was dropped nothing is found."""
    return {}


def get(book: Book, asked: Asked) -> dict[str, Any]:
    raise unknown(f"Trace with ID '{asked.maybe('trace_id')}' not found: {DROPPED}.")
