"""What the API refuses in metadata, Secrets and ConfigMaps."""

import base64
import binascii
import re
from typing import Any, cast

from infra.local.cluster.resource import CONFIG_MAPS, JOBS, PODS, SECRETS, Json, Resource
from infra.local.cluster.status import Cause, bad_request, invalid
from infra.local.cluster.template import check_job, check_job_update, check_pod, check_pod_update

_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_NAME = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
_DATA_KEY = re.compile(r"^[-._a-zA-Z0-9]+$")
_LARGEST = 1024 * 1024
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character"
)


def check_new(resource: Resource, body: Json) -> None:
    """Raises Refused: 400 for what cannot be read, 422 for what is against a rule."""
    causes = _metadata(body["metadata"]) + _content(resource, body)
    if causes:
        raise invalid(resource, body["metadata"]["name"], causes)


def check_update(resource: Resource, old: Json, new: Json) -> None:
    causes = _metadata(new["metadata"]) + _content(resource, new)
    if resource is JOBS:
        causes += check_job_update(old["spec"], new["spec"])
    if resource is PODS:
        causes += check_pod_update(old["spec"], new["spec"])
    if resource in (SECRETS, CONFIG_MAPS):
        causes += _frozen_data(old, new)
    if causes:
        raise invalid(resource, old["metadata"]["name"], causes)


def _content(resource: Resource, body: Json) -> list[Cause]:
    if resource is JOBS:
        return check_job(body)
    if resource is PODS:
        return check_pod(body.get("spec"))
    if resource in (SECRETS, CONFIG_MAPS):
        return _data(resource, body)
    return []


def _metadata(metadata: Json) -> list[Cause]:
    causes: list[Cause] = []
    name = metadata.get("name")
    if not name:
        message = "Required value: name or generateName is required"
        causes.append(Cause("FieldValueRequired", "metadata.name", message))
    elif len(name) > 253 or not _SUBDOMAIN.match(name):
        message = f'Invalid value: "{name}": {_SUBDOMAIN_RULE}'
        causes.append(Cause("FieldValueInvalid", "metadata.name", message))
    causes += check_labels(metadata.get("labels"), "metadata.labels")
    causes += _owners(metadata.get("ownerReferences") or [])
    return causes


def check_labels(labels: Any, field: str) -> list[Cause]:
    causes: list[Cause] = []
    for key, value in texts(labels, field).items():
        if not _qualified(key):
            message = f'Invalid value: "{key}": name part must consist of alphanumeric characters'
            causes.append(Cause("FieldValueInvalid", field, message))
        if len(value) > 63:
            message = f'Invalid value: "{value}": must be no more than 63 bytes'
            causes.append(Cause("FieldValueInvalid", field, message))
        elif value and not _NAME.match(value):
            message = f'Invalid value: "{value}": a valid label must be an empty string or consist '
            message += "of alphanumeric characters, '-', '_' or '.'"
            causes.append(Cause("FieldValueInvalid", field, message))
    return causes


def texts(value: Any, field: str) -> dict[str, str]:
    """A map of strings, or Refused (400): the API cannot read anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"json: cannot unmarshal into field {field} of type map[string]string")
    found = cast(dict[str, Any], value)
    if wrong := [key for key, each in found.items() if not isinstance(each, str)]:
        raise bad_request(f"json: cannot unmarshal {field}[{wrong[0]}] into a field of type string")
    return found


def _qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and not (_SUBDOMAIN.match(prefix) and len(prefix) <= 253):
        return False
    return len(name) <= 63 and bool(_NAME.match(name))


def _owners(owners: list[Json]) -> list[Cause]:
    causes: list[Cause] = []
    for index, owner in enumerate(owners):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                place = f"metadata.ownerReferences[{index}].{field}"
                causes.append(
                    Cause("FieldValueRequired", place, "Required value: must not be empty")
                )
    return causes


def _data(resource: Resource, body: Json) -> list[Cause]:
    data = texts(body.get("data"), "data")
    causes: list[Cause] = []
    for key in data:
        if not _DATA_KEY.match(key) or key.startswith("..") or key == "." or len(key) > 253:
            message = f'Invalid value: "{key}": a valid config key must consist of alphanumeric '
            message += "characters, '-', '_' or '.'"
            causes.append(Cause("FieldValueInvalid", f"data[{key}]", message))
    sizes = [_size(resource, key, value) for key, value in data.items()]
    if sum(sizes) > _LARGEST:
        message = f"Too long: may not be more than {_LARGEST} bytes"
        causes.append(Cause("FieldValueTooLong", "data", message))
    return causes


def _size(resource: Resource, key: str, value: str) -> int:
    if resource is not SECRETS:
        return len(value.encode(errors="surrogatepass"))
    try:
        return len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"illegal base64 data in data[{key}]") from error


def _frozen_data(old: Json, new: Json) -> list[Cause]:
    causes: list[Cause] = []
    if old.get("type") != new.get("type"):
        message = f'Invalid value: "{new.get("type")}": field is immutable'
        causes.append(Cause("FieldValueInvalid", "type", message))
    frozen = old.get("immutable") is True
    if frozen and (new.get("data") != old.get("data") or not new.get("immutable")):
        message = "Forbidden: field is immutable when `immutable` is set"
        causes.append(Cause("FieldValueForbidden", "data", message))
    return causes
