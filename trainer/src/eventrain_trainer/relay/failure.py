"""MLflow's way to say no: a code, a message and a status, from which its client makes exceptions."""

from http import HTTPStatus
from typing import Any

STATUS = {
    "INVALID_PARAMETER_VALUE": HTTPStatus.BAD_REQUEST,
    "BAD_REQUEST": HTTPStatus.BAD_REQUEST,
    "RESOURCE_ALREADY_EXISTS": HTTPStatus.BAD_REQUEST,
    "RESOURCE_DOES_NOT_EXIST": HTTPStatus.NOT_FOUND,
    "ENDPOINT_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "INVALID_STATE": HTTPStatus.INTERNAL_SERVER_ERROR,
    "INTERNAL_ERROR": HTTPStatus.INTERNAL_SERVER_ERROR,
    "NOT_IMPLEMENTED": HTTPStatus.NOT_IMPLEMENTED,
}


class Failure(Exception):
    """What was asked cannot be done; nothing has changed."""

    def __init__(self, code: str, message: str, status: HTTPStatus | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUS.get(code, HTTPStatus.BAD_REQUEST)

    def body(self) -> dict[str, Any]:
        return {"error_code": self.code, "message": self.message}


def invalid(message: str) -> Failure:
    return Failure("INVALID_PARAMETER_VALUE", message)


def unknown(message: str) -> Failure:
    return Failure("RESOURCE_DOES_NOT_EXIST", message)


def taken(message: str) -> Failure:
    return Failure("RESOURCE_ALREADY_EXISTS", message)
