import json
import socket
from typing import Any

import asyncpg
import botocore.exceptions
import httpx
import pytest
import sqlalchemy.exc

from common import answers, errors, trace


def below(cls: type[errors.EventrainError]) -> list[type[errors.EventrainError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in below(sub))]


OURS = [cls for cls in below(errors.EventrainError) if cls.__module__ == errors.__name__]


def make(cls: type[errors.EventrainError]) -> errors.EventrainError:
    return cls([]) if issubclass(cls, (errors.Invalid, errors.MethodNotAllowed)) else cls()


class SerializationError(asyncpg.SerializationError):
    pass


def client_error(status: int) -> botocore.exceptions.ClientError:
    response: Any = {"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {"Code": "x"}}
    return botocore.exceptions.ClientError(response, "PutObject")


class TestTheTable:
    def test_has_a_row_for_every_error(self) -> None:
        assert set(answers.TABLE) == set(OURS)

    @pytest.mark.parametrize("cls", OURS)
    def test_never_tells_a_broker_what_it_would_mistake(
        self, cls: type[errors.EventrainError]
    ) -> None:
        assert answers.broker_answer(make(cls)) in (400, 503)

    def test_gives_a_subclass_the_row_of_its_nearest_ancestor(self) -> None:
        class AlreadyLaunched(errors.StaleAttempt):
            """It runs already."""

        status, _, body = answers.http_answer(AlreadyLaunched())
        assert (status, json.loads(body)["message"]) == (409, "It runs already.")
        assert json.loads(body)["data"] == {"code": "STALE_ATTEMPT", "command": "stop"}

    @pytest.mark.parametrize("cls", OURS)
    def test_is_drawn_in_the_tree(self, cls: type[errors.EventrainError]) -> None:
        assert cls.__name__ in (errors.__doc__ or "")
        assert make(cls).message


class TestAnHttpAnswer:
    def test_names_every_field_that_is_wrong(self) -> None:
        wrong = [errors.Violation("a.b", "is missing"), errors.Violation("c", "is too long")]
        status, _, body = answers.http_answer(errors.Invalid(wrong))
        told = json.loads(body)
        assert (status, told["message"]) == (422, "a.b: is missing (and 1 more)")
        assert told["data"] == {
            "code": "INVALID",
            "errors": [
                {"field": "a.b", "reason": "is missing"},
                {"field": "c", "reason": "is too long"},
            ],
        }

    @pytest.mark.parametrize(
        ("error", "header"),
        [
            (errors.TooMany(retry_after=7), (b"retry-after", b"7")),
            (errors.Later(retry_after=3), (b"retry-after", b"3")),
            (errors.Unauthenticated(), (b"www-authenticate", b"Bearer")),
            (errors.MethodNotAllowed(["PUT", "GET"]), (b"allow", b"GET, PUT")),
        ],
    )
    def test_says_what_to_do_next(
        self, error: errors.EventrainError, header: tuple[bytes, bytes]
    ) -> None:
        assert header in answers.http_answer(error)[1]

    def test_of_what_nobody_expected_is_logged_once_and_tells_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = trace.request_id.set("r-9")
        status, _, body = answers.http_answer(ValueError("SELECT 1"))
        trace.request_id.reset(before)
        assert status == 500
        assert b"SELECT" not in body
        assert b"r-9" in body
        assert [record.levelname for record in caplog.records] == ["ERROR"]

    def test_of_an_expected_error_is_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        answers.http_answer(errors.NotFound())
        assert not caplog.records


class TestTemporary:
    @pytest.mark.parametrize(
        "error",
        [
            ConnectionRefusedError(),
            TimeoutError(),
            socket.gaierror(),
            asyncpg.ConnectionDoesNotExistError(),
            asyncpg.CannotConnectNowError(),
            asyncpg.AdminShutdownError(),
            asyncpg.CrashShutdownError(),
            asyncpg.TooManyConnectionsError(),
            asyncpg.DeadlockDetectedError(),
            asyncpg.LockNotAvailableError(),
            asyncpg.QueryCanceledError(),
            asyncpg.InterfaceError("connection is closed"),
            SerializationError(),
            sqlalchemy.exc.DBAPIError("SELECT", None, asyncpg.CannotConnectNowError()),
            sqlalchemy.exc.TimeoutError(),
            botocore.exceptions.EndpointConnectionError(endpoint_url="http://s3"),
            botocore.exceptions.ReadTimeoutError(endpoint_url="http://s3"),
            client_error(503),
            client_error(429),
            httpx.ConnectTimeout("slow"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_is_what_a_repeat_may_mend(self, error: Exception) -> None:
        status, headers, _ = answers.http_answer(error)
        assert status == 503
        assert dict(headers)[b"retry-after"] == b"2"
        assert answers.broker_answer(error) == 503

    @pytest.mark.parametrize(
        "error",
        [
            asyncpg.UniqueViolationError(),
            asyncpg.UndefinedTableError(),
            asyncpg.DataError("bad argument"),
            sqlalchemy.exc.DBAPIError("SELECT", None, asyncpg.UndefinedColumnError()),
            client_error(403),
            KeyError("x"),
            PermissionError(),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_is_not_what_is_wrong_in_itself(self, error: Exception) -> None:
        assert answers.http_answer(error)[0] == 500
        assert answers.broker_answer(error) == 503
