"""Refusals, answered as the API's Status objects."""

from typing import NamedTuple

from infra.local.cluster.resource import Json, Resource

TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


class Cause(NamedTuple):
    reason: str
    field: str
    message: str


class Refused(Exception):
    """The request has no effect; code, reason and message say why."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Json | None = None,
        retry_after: int | None = None,
        metadata: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details
        self.retry_after = retry_after
        self.metadata = metadata or {}

    def body(self) -> Json:
        answer: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            answer["details"] = self.details
        return answer


def success(resource: Resource, name: str, uid: str) -> Json:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": about(resource, name) | {"uid": uid},
    }


def about(resource: Resource, name: str) -> Json:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {field: value for field, value in details.items() if value}


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, why: str) -> Refused:
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    return Refused(403, "Forbidden", message, details=about(resource, name))


def not_found(resource: Resource, name: str) -> Refused:
    message = f'{resource.qualified} "{name}" not found'
    return Refused(404, "NotFound", message, details=about(resource, name))


def no_such_namespace(name: str) -> Refused:
    return Refused(
        404,
        "NotFound",
        f'namespaces "{name}" not found',
        details={"name": name, "kind": "namespaces"},
    )


def no_such_path() -> Refused:
    return Refused(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: Resource, name: str) -> Refused:
    message = f'{resource.qualified} "{name}" already exists'
    return Refused(409, "AlreadyExists", message, details=about(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> Refused:
    modified = (
        "the object has been modified; please apply your changes to the latest version "
        "and try again"
    )
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why or modified}'
    return Refused(409, "Conflict", message, details=about(resource, name))


def expired(again: str = "") -> Refused:
    metadata = {"continue": again} if again else {}
    return Refused(410, "Expired", TOO_OLD, metadata=metadata)


def too_large(limit: int) -> Refused:
    message = f"Request entity too large: limit is {limit}"
    return Refused(413, "RequestEntityTooLarge", message)


def invalid(resource: Resource, name: str, causes: list[Cause]) -> Refused:
    said = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    details = about(resource, name) | {
        "kind": resource.kind,
        "causes": [cause._asdict() for cause in causes],
    }
    message = f'{resource.qualified_kind} "{name}" is invalid: {joined}'
    return Refused(422, "Invalid", message, details=details)
