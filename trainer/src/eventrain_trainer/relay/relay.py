"""The relay that a runner opens for its program, and what is told when the program has ended."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from eventrain_trainer.outcome import Ending
from eventrain_trainer.relay.book import Book, now
from eventrain_trainer.relay.desk import Desk
from eventrain_trainer.relay.kept import Model
from eventrain_trainer.relay.registry import Registry
from eventrain_trainer.relay.runs import logged_in
from eventrain_trainer.relay.server import Server
from eventrain_trainer.relay.shelf import Shelf
from eventrain_trainer.relay.telling import Op, Telling
from eventrain_trainer.session import Session
from eventrain_trainer.settings import Settings

log = logging.getLogger("eventrain")

KIND = "mlflow"
LAST_ANSWERS = 2.0
LOOPBACK = "127.0.0.1,localhost"
ELSEWHERE = ("MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID")
# The relay is there or the job is not: what a client does about servers that come back is too long.
CLIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


class Relay:
    """Raises OSError where nothing can listen on loopback."""

    def __init__(self, settings: Settings, session: Session) -> None:
        self._session = session
        self._experiment = f"job-{settings.job_id}"
        self._folder = settings.work_dir.resolve() / "mlflow"
        self._telling = Telling(self._tell, lambda: session.waiting(KIND))
        self._book = Book(session, self._telling, self._experiment)
        self._registry = Registry(self._book)
        self._shelf = Shelf(self._folder, self._keep, session.forget_artifact)
        self._server = Server(Desk(self._book, self._registry, self._shelf).answer)
        self._server.open()

    def environ(self, given: Mapping[str, str]) -> dict[str, str]:
        """What a program finds that is to speak to the relay and to nobody else."""
        rest = {name: value for name, value in given.items() if name not in ELSEWHERE}
        direct = {
            name: f"{rest[name]},{LOOPBACK}" if rest.get(name) else LOOPBACK
            for name in ("NO_PROXY", "no_proxy")
        }
        return {
            "MLFLOW_EXPERIMENT_NAME": self._experiment,
            **CLIENT,
            **rest,
            **direct,
            "MLFLOW_TRACKING_URI": self._server.url,
        }

    def end(self, ending: Ending, *, stopped: bool) -> None:
        """Runs that the program left open end as it did; then all is the session's to deliver."""
        self._server.close(LAST_ANSWERS)
        status = "FINISHED" if ending.outcome == "succeeded" else "FAILED"
        with self._book.lock:
            for run in self._book.runs.values():
                if run.active:
                    self._book.set_status(run, "KILLED" if stopped else status, now())
            if self._book.main is not None:
                self._session.leave(self._book.main.id, self._model_prefix())
        self._telling.close()

    def clear(self) -> None:
        """Takes the files away, which are stored by now or never."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _tell(self, ops: Sequence[Op]) -> None:
        self._session.event(KIND, {"ops": list(ops)}, kept=True)

    def _keep(self, path: Path, name: str, settled: Callable[[], None]) -> None:
        self._session.artifact(path, name, settled)

    def _model_prefix(self) -> str:
        """Where the files of the model lie that the program is about: the one that it registered
        last, else the one that its main run logged last, else any run."""
        ready = [model for model in self._book.models.values() if model.status == "READY"]
        registered = [model for model in ready if model.id == self._registry.last]
        of_main = [model for model in ready if self._is_of_main(model)]
        if found := registered or of_main:
            return f"mlflow/models/{found[-1].id}/"
        if self._book.main is not None and (folder := logged_in(self._book.main)):
            return f"mlflow/{self._book.main.id}/{folder}/"
        return f"mlflow/models/{ready[-1].id}/" if ready else ""

    def _is_of_main(self, model: Model) -> bool:
        main = self._book.main
        return main is not None and (model.run_id == main.id or model.id in main.models_out)


def open_relay(settings: Settings, session: Session) -> Relay | None:
    """None where there is no loopback: the program runs all the same, and MLflow is not heard."""
    try:
        return Relay(settings, session)
    except OSError as error:
        session.warn(f"MLflow's protocol is not spoken here: {error}")
        return None


def environ_of(relay: Relay | None, given: Mapping[str, str]) -> dict[str, str]:
    return dict(given) if relay is None else relay.environ(given)
