"""Which request is which deed: the table of MLflow's REST API, as far as a training calls it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from eventrain_trainer.relay import experiments, models, runs, traces
from eventrain_trainer.relay.asked import Asked
from eventrain_trainer.relay.book import Book
from eventrain_trainer.relay.failure import Failure
from eventrain_trainer.relay.registry import Registry

Deed = Callable[[Book, Asked], dict[str, Any]]

PREFIX = re.compile(r"^/(?:ajax-)?api/[23]\.0/(?:preview/)?mlflow/")

DEEDS: Mapping[str, Deed] = {
    "POST experiments/create": experiments.create,
    "GET experiments/get": experiments.get,
    "GET experiments/get-by-name": experiments.get_by_name,
    "GET experiments/search": experiments.find,
    "POST experiments/search": experiments.find,
    "POST experiments/update": experiments.update,
    "POST experiments/delete": experiments.delete,
    "POST experiments/restore": experiments.restore,
    "POST experiments/set-experiment-tag": experiments.set_tag,
    "POST experiments/delete-experiment-tag": experiments.delete_tag,
    "POST experiments/search-datasets": runs.find_datasets,
    "POST runs/create": runs.create,
    "GET runs/get": runs.get,
    "POST runs/update": runs.update,
    "POST runs/delete": runs.delete,
    "POST runs/restore": runs.restore,
    "POST runs/search": runs.find,
    "POST runs/log-metric": runs.log_metric,
    "POST runs/log-parameter": runs.log_param,
    "POST runs/log-batch": runs.log_batch,
    "POST runs/set-tag": runs.set_tag,
    "POST runs/delete-tag": runs.delete_tag,
    "POST runs/log-inputs": runs.log_inputs,
    "POST runs/outputs": runs.log_outputs,
    "POST runs/log-model": runs.log_model,
    "GET metrics/get-history": runs.history,
    "GET metrics/get-history-bulk": runs.history_of_several,
    "GET metrics/get-history-bulk-interval": runs.history_of_several,
    "POST logged-models": models.create,
    "POST logged-models/search": models.find,
    "GET logged-models/{model_id}": models.get,
    "PATCH logged-models/{model_id}": models.finalise,
    "DELETE logged-models/{model_id}": models.delete,
    "PATCH logged-models/{model_id}/tags": models.set_tags,
    "DELETE logged-models/{model_id}/tags/{key}": models.delete_tag,
    "POST logged-models/{model_id}/params": models.log_params,
    "POST traces": traces.take,
    "GET traces": traces.none,
    "POST traces/search": traces.none,
    "POST traces/link-to-run": traces.drop,
    "POST traces/link-prompts": traces.drop,
    "POST traces/delete-traces": traces.none,
    "POST traces/batchGetInfos": traces.none,
    "GET traces/batchGet": traces.none,
    "GET traces/get": traces.get,
    "GET traces/{trace_id}": traces.get,
    "GET traces/{trace_id}/info": traces.get,
    "PATCH traces/{trace_id}": traces.end,
    "PATCH traces/{trace_id}/tags": traces.drop,
    "DELETE traces/{trace_id}/tags": traces.drop,
    "POST traces/{trace_id}/assessments": traces.get,
}


def of_registry(registry: Registry) -> dict[str, Deed]:
    return {
        "POST registered-models/create": registry.create,
        "GET registered-models/get": registry.get,
        "PATCH registered-models/update": registry.update,
        "POST registered-models/rename": registry.rename,
        "DELETE registered-models/delete": registry.delete,
        "GET registered-models/search": registry.find,
        "GET registered-models/get-latest-versions": registry.latest_versions,
        "POST registered-models/get-latest-versions": registry.latest_versions,
        "POST registered-models/set-tag": registry.set_tag,
        "DELETE registered-models/delete-tag": registry.delete_tag,
        "POST registered-models/alias": registry.set_alias,
        "DELETE registered-models/alias": registry.delete_alias,
        "GET registered-models/alias": registry.get_by_alias,
        "POST model-versions/create": registry.create_version,
        "GET model-versions/get": registry.get_version,
        "PATCH model-versions/update": registry.update_version,
        "POST model-versions/transition-stage": registry.move_version,
        "DELETE model-versions/delete": registry.delete_version,
        "GET model-versions/search": registry.find_versions,
        "GET model-versions/get-download-uri": registry.download_uri,
        "POST model-versions/set-tag": registry.set_version_tag,
        "DELETE model-versions/delete-tag": registry.delete_version_tag,
    }


class Routes:
    """Finds the deed for a method and a path, and what the path names."""

    def __init__(self, deeds: Mapping[str, Deed]) -> None:
        self._plain = {asked: deed for asked, deed in deeds.items() if "{" not in asked}
        self._patterns = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", asked)), deed)
            for asked, deed in deeds.items()
            if "{" in asked
        ]

    def find(self, method: str, path: str) -> tuple[Deed, dict[str, str]]:
        """Raises Failure where there is none."""
        asked = f"{method} {PREFIX.sub('', path).rstrip('/')}"
        if PREFIX.match(path):
            if deed := self._plain.get(asked):
                return deed, {}
            for pattern, deed in self._patterns:
                if match := pattern.fullmatch(asked):
                    return deed, match.groupdict()
        raise Failure(
            "ENDPOINT_NOT_FOUND",
            f"The relay of MLflow's protocol in a training job does not know {method} {path}.",
        )
