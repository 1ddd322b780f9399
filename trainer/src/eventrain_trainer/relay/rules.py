"""MLflow's rules for names, values and the size of batches, with its own bounds."""

import posixpath
import re
from collections.abc import Collection, Mapping

from eventrain_trainer.relay.failure import invalid

LONGEST_KEY = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 8000
LONGEST_EXPERIMENT_NAME = 500
MOST_METRICS = 1000
MOST_PARAMS_OR_TAGS = 100
MOST_IN_A_BATCH = 1000

_NAME = re.compile(r"^[/\w.\- :]*$")
_ALIAS = re.compile(r"^[\w\-]+$")
_VERSION_ALIAS = re.compile(r"^[vV]\d+$")


def check_name(name: str, what: str) -> str:
    """The name of a metric, a parameter or a tag."""
    if not name:
        raise invalid(
            f"Missing value for required parameter '{what}': a key name must be provided."
        )
    if not _NAME.match(name):
        raise invalid(
            f"Invalid value {name!r} for parameter '{what}' supplied: Names may only contain "
            "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and "
            "slashes (/)."
        )
    resolved = posixpath.normpath(name)
    if resolved != name or resolved == "." or resolved.startswith(("..", "/")):
        raise invalid(
            f"Invalid value {name!r} for parameter '{what}' supplied: Names may be treated as "
            "files in certain cases, and must not resolve to other names when treated as such. "
            f"This name would resolve to {resolved!r}"
        )
    return within(name, LONGEST_KEY, what)


def within(value: str, most: int, what: str) -> str:
    if len(value) > most:
        raise invalid(f"'{what}' exceeds the maximum length of {most} characters")
    return value


def check_params(params: Mapping[str, str]) -> dict[str, str]:
    """What is too long is cut, as MLflow does."""
    return {check_name(key, "key"): value[:LONGEST_PARAM] for key, value in params.items()}


def check_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {check_name(key, "key"): value[:LONGEST_TAG] for key, value in tags.items()}


def check_experiment_name(name: str) -> str:
    if not name:
        raise invalid(f"Invalid experiment name: '{name}'")
    return within(name, LONGEST_EXPERIMENT_NAME, "name")


def check_alias(alias: str) -> str:
    if not _ALIAS.match(alias) or alias.lower() == "latest" or _VERSION_ALIAS.match(alias):
        raise invalid(f"Invalid alias name: '{alias}'.")
    return within(alias, 255, "alias")


def check_batch(
    metrics: Collection[object], params: Collection[object], tags: Collection[object]
) -> None:
    for what, found, most in (
        ("metrics", len(metrics), MOST_METRICS),
        ("params", len(params), MOST_PARAMS_OR_TAGS),
        ("tags", len(tags), MOST_PARAMS_OR_TAGS),
        (
            "metrics, params, and tags",
            len(metrics) + len(params) + len(tags),
            MOST_IN_A_BATCH,
        ),
    ):
        if found > most:
            raise invalid(
                f"A batch logging request can contain at most {most} {what}. Got {found} {what}. "
                f"Please split up {what} across multiple requests and try again."
            )
