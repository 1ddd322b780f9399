"""The cluster's own log."""

import logging

_log = logging.getLogger("eventrain.cluster")


def log_failure(what: str, error: BaseException) -> None:
    _log.error("%s failed", what, exc_info=error)
