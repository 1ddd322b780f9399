"""What the API refuses in a Job and in the pod that it describes."""

import re
from collections.abc import Callable
from typing import Any, cast

from infra.local.cluster import quantity
from infra.local.cluster.resource import Json
from infra.local.cluster.status import Cause, bad_request

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_ENV_NAME = re.compile(r"^[^=\x00-\x1f\x7f-\uffff]+$")
_FROZEN = ("completions", "selector", "template", "podFailurePolicy", "completionMode", "managedBy")
_COUNTS = ("parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished")
_JOB = "spec.template.spec"
_VOLUME_KINDS = ("secret", "configMap", "emptyDir", "hostPath")


def check_job(body: Json) -> list[Cause]:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return [required("spec.template")]
    found = cast(Json, spec)
    causes = _counts(found)
    causes += _deadline(found, "spec.activeDeadlineSeconds")
    if found.get("completionMode") == "Indexed" and found.get("completions") is None:
        causes.append(required("spec.completions", "when completion mode is Indexed"))
    if len(body["metadata"].get("name") or "") > 63:
        message = f'Invalid value: "{body["metadata"]["name"]}": must be no more than 63 bytes'
        causes.append(Cause("FieldValueInvalid", "spec.template.labels", message))
    template: Json = found.get("template") or {}
    return causes + check_pod(template.get("spec"), _JOB, of_job=True)


def check_job_update(old: Json, new: Json) -> list[Cause]:
    movable = bool(old.get("suspend"))
    causes: list[Cause] = []
    for field in _FROZEN:
        before, after = old.get(field), new.get(field)
        if field == "template" and movable:
            before, after = _without_placement(before), _without_placement(after)
        if before != after:
            message = "Invalid value: field is immutable"
            causes.append(Cause("FieldValueInvalid", f"spec.{field}", message))
    return causes


def check_pod_update(old: Json, new: Json) -> list[Cause]:
    changeable = {"activeDeadlineSeconds", "terminationGracePeriodSeconds"}
    names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    if not names - changeable:
        return []
    message = "Forbidden: pod updates may not change fields other than "
    message += "`spec.activeDeadlineSeconds`"
    return [Cause("FieldValueForbidden", "spec", message)]


def check_pod(spec: Any, field: str = "spec", *, of_job: bool = False) -> list[Cause]:
    if not isinstance(spec, dict):
        return [required(f"{field}.containers")]
    found = cast(Json, spec)
    causes = _restart_policy(found, field, of_job=of_job)
    causes += _deadline(found, f"{field}.activeDeadlineSeconds")
    if found.get("initContainers"):
        message = "Forbidden: this local server runs no init containers"
        causes.append(Cause("FieldValueForbidden", f"{field}.initContainers", message))
    volumes = cast(list[Json], found.get("volumes") or [])
    causes += _each(volumes, f"{field}.volumes", _volume)
    names = {str(volume.get("name")) for volume in volumes}
    containers = cast(list[Json], found.get("containers") or [])
    if not containers:
        causes.append(required(f"{field}.containers"))

    def check(container: Json, place: str) -> list[Cause]:
        return _container(container, place, names)

    return causes + _each(containers, f"{field}.containers", check)


def required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", field, f"Required value: {why}" if why else "Required value")


def _each(items: list[Json], field: str, check: Callable[[Json, str], list[Cause]]) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        place = f"{field}[{index}]"
        name = str(item.get("name") or "")
        if not name:
            causes.append(required(f"{place}.name"))
        elif not _LABEL.match(name):
            causes.append(Cause("FieldValueInvalid", f"{place}.name", f'Invalid value: "{name}"'))
        elif name in seen:
            causes.append(
                Cause("FieldValueDuplicate", f"{place}.name", f'Duplicate value: "{name}"')
            )
        seen.add(name)
        causes += check(item, place)
    return causes


def _restart_policy(spec: Json, field: str, *, of_job: bool) -> list[Cause]:
    policy = spec.get("restartPolicy")
    place = f"{field}.restartPolicy"
    if policy == "Never":
        return []
    if of_job and policy is None:
        return [required(place, 'valid values: "OnFailure", "Never"')]
    if policy == "OnFailure" or not of_job:
        message = 'this local server runs a container once: only "Never"'
        return [Cause("FieldValueNotSupported", place, f'Unsupported value: "{policy}": {message}')]
    message = f'Unsupported value: "{policy}": supported values: "OnFailure", "Never"'
    return [Cause("FieldValueNotSupported", place, message)]


def _counts(spec: Json) -> list[Cause]:
    causes: list[Cause] = []
    for field in _COUNTS:
        value = spec.get(field)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise bad_request(f"json: cannot unmarshal spec.{field} into a field of type int32")
        if value is not None and value < 0:
            message = f"Invalid value: {value}: must be greater than or equal to 0"
            causes.append(Cause("FieldValueInvalid", f"spec.{field}", message))
    return causes


def _deadline(spec: Json, field: str) -> list[Cause]:
    value = spec.get("activeDeadlineSeconds")
    if value is None:
        return []
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad_request(f"json: cannot unmarshal {field} into a field of type int64")
    if value < 1:
        message = f"Invalid value: {value}: must be between 1 and 2147483647, inclusive"
        return [Cause("FieldValueInvalid", field, message)]
    return []


def _volume(volume: Json, place: str) -> list[Cause]:
    kinds = [kind for kind in volume if kind != "name"]
    if len(kinds) > 1:
        message = "Forbidden: may not specify more than 1 volume type"
        return [Cause("FieldValueForbidden", place, message)]
    if kinds and kinds[0] not in _VOLUME_KINDS:
        message = f"Forbidden: this local server mounts only {', '.join(_VOLUME_KINDS)}"
        return [Cause("FieldValueForbidden", f"{place}.{kinds[0]}", message)]
    source = volume.get("secret") or volume.get("configMap") or {}
    items = enumerate(cast(list[Json], source.get("items") or []))
    found = [_below(item.get("path"), f"{place}.items[{index}].path") for index, item in items]
    return [cause for cause in found if cause]


def _below(path: Any, place: str) -> Cause | None:
    """A path must not climb out of the volume."""
    if not path:
        return required(place)
    if path.startswith("/") or ".." in path.split("/"):
        return Cause(
            "FieldValueInvalid", place, f"Invalid value: \"{path}\": must not contain '..'"
        )
    return None


def _container(container: Json, place: str, volumes: set[str]) -> list[Cause]:
    causes: list[Cause] = []
    if not container.get("image"):
        causes.append(required(f"{place}.image"))
    for field in ("command", "args"):
        _strings(container.get(field) or [], f"{place}.{field}")
    for index, entry in enumerate(cast(list[Json], container.get("env") or [])):
        causes += _env(entry, f"{place}.env[{index}]")
    for index, mount in enumerate(cast(list[Json], container.get("volumeMounts") or [])):
        where = f"{place}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            message = f'Not found: "{mount.get("name")}"'
            causes.append(Cause("FieldValueNotFound", f"{where}.name", message))
        if not mount.get("mountPath"):
            causes.append(required(f"{where}.mountPath"))
        climbs = _below(mount.get("subPath") or ".", f"{where}.subPath")
        causes += [climbs] if climbs else []
    return causes + _resources(container.get("resources") or {}, f"{place}.resources")


def _strings(values: list[Any], field: str) -> None:
    if not all(isinstance(value, str) for value in values):
        raise bad_request(f"json: cannot unmarshal {field} into a field of type string")


def _env(entry: Json, place: str) -> list[Cause]:
    name, value = entry.get("name"), entry.get("value", "")
    if not isinstance(value, str):
        raise bad_request(f"json: cannot unmarshal {place}.value into a field of type string")
    if not name:
        return [required(f"{place}.name")]
    if not _ENV_NAME.match(name):
        return [Cause("FieldValueInvalid", f"{place}.name", f'Invalid value: "{name}"')]
    if value and entry.get("valueFrom"):
        message = 'Invalid value: "": may not be specified when `value` is not empty'
        return [Cause("FieldValueInvalid", f"{place}.valueFrom", message)]
    return []


def _resources(resources: Json, place: str) -> list[Cause]:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    causes: list[Cause] = []
    for kind, values in (("requests", requests), ("limits", limits)):
        for name, value in values.items():
            causes += _amount(value, f"{place}.{kind}[{name}]")
    if causes:
        return causes
    for name, value in requests.items():
        limit = limits.get(name)
        above = limit is not None and quantity.read(value) > quantity.read(limit)
        if above or ("/" in name and limit is not None and str(limit) != str(value)):
            message = f'Invalid value: "{value}": must be less than or equal to {name} limit'
            causes.append(Cause("FieldValueInvalid", f"{place}.requests", message))
    for name, value in limits.items():
        if "/" in name and quantity.read(value) % 1:
            causes.append(
                Cause("FieldValueInvalid", f"{place}.limits[{name}]", "must be an integer")
            )
    return causes


def _amount(value: Any, place: str) -> list[Cause]:
    try:
        number = quantity.read(value)
    except ValueError as error:
        message = f"{place}: quantities must match the regular expression of a quantity"
        raise bad_request(message) from error
    if number < 0:
        message = f'Invalid value: "{value}": must be greater than or equal to 0'
        return [Cause("FieldValueInvalid", place, message)]
    return []


def _without_placement(template: Any) -> Any:
    """A suspended Job's template may still be moved to other nodes."""
    if not isinstance(template, dict):
        return template
    found = cast(Json, template)
    spec = dict(found.get("spec") or {})
    for field in ("nodeSelector", "tolerations", "affinity", "schedulingGates"):
        spec.pop(field, None)
    metadata = dict(found.get("metadata") or {})
    metadata.pop("labels", None)
    metadata.pop("annotations", None)
    return found | {"spec": spec, "metadata": metadata}
