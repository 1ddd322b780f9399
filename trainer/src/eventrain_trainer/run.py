"""What a training program holds: no call of it waits for the network or raises into the training.

The exceptions say so in their names: `dataset`, `model` and `resume` fetch, so they wait and may
raise TransferError; `finish` waits, within bounds, until what was saved is stored.
"""

import functools
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self

from eventrain_trainer.metric import NotAMetric, Point, count, number
from eventrain_trainer.outcome import classify_error
from eventrain_trainer.port import End, Port, Resumed, Saved
from eventrain_trainer.settings import TrainerConfig
from eventrain_trainer.staging import Staging
from eventrain_trainer.text import clean, plain
from eventrain_trainer.upload import stamp
from eventrain_trainer.validation import Matrix, PerClass, compose
from eventrain_trainer.whereabouts import Whereabouts

log = logging.getLogger("eventrain")

P = ParamSpec("P")
WARNINGS_A_RUN = 100
EVENT_KIND = re.compile(r"^[a-z][a-z0-9_.]{0,63}$")


def _never_raises(
    call: "Callable[Concatenate[Run, P], None]",
) -> "Callable[Concatenate[Run, P], None]":
    @functools.wraps(call)
    def guarded(run: "Run", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            call(run, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 telemetry never kills training
            run.warn(f"{call.__name__}: {error}")

    return guarded


class Run:
    """One attempt of one job, or a rehearsal of it outside any."""

    def __init__(
        self,
        port: Port,
        config: TrainerConfig,
        work_dir: Path,
        *,
        muted: bool = False,
        staging: Staging | None = None,
    ) -> None:
        self._port = port
        self._staging = staging
        self._config = config
        self._muted = muted
        self._work_dir = work_dir
        self._at = Whereabouts(self.warn)
        self._warned: set[str] = set()
        self._signalled = False
        self._finished = False
        self.asked_to_stop = False
        """Whether the program ever looks at `should_stop`."""

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        return self._config.hyperparameters

    @property
    def config(self) -> TrainerConfig:
        return self._config

    @property
    def work_dir(self) -> Path:
        """A folder of the job's own, for what is fetched and saved."""
        self._work_dir.mkdir(parents=True, exist_ok=True)
        return self._work_dir

    @property
    def should_stop(self) -> bool:
        """Somebody asked this training to end: save, then leave the loop."""
        self.asked_to_stop = True
        return self.stopping

    @property
    def stopping(self) -> bool:
        return self._signalled or bool(self._port.stop)

    @property
    def finished(self) -> bool:
        return self._finished

    def signalled(self) -> bool:
        """Called by the SIGTERM handler, so it takes no lock; True when it was not the first."""
        before, self._signalled = self._signalled, True
        return before

    @_never_raises
    def log(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Metrics of this moment; `epoch` and `step` say where it is."""
        if self._muted:
            return
        if values:
            named = {**values, **named}
        latest = self._at.take(named)
        step, now = self._at.position, time.time()
        points: list[Point] = []
        for name, value in named.items():
            try:
                points.append(Point(name, number(name, value), step, now))
            except NotAMetric as error:
                self.warn(str(error))
        self._port.observe(latest, points)

    @_never_raises
    def progress(
        self,
        progress: float | None = None,
        *,
        epoch: int | None = None,
        total_epochs: int | None = None,
        step: int | None = None,
        total_steps: int | None = None,
        message: str | None = None,
    ) -> None:
        """How far it is: a fraction, or counts from which one follows."""
        if self._muted:
            return
        latest = self._at.take({"epoch": epoch, "step": step})
        if total_epochs is not None:
            latest["totalEpochs"] = count(total_epochs)
        if total_steps is not None:
            latest["totalSteps"] = count(total_steps)
        if progress is not None:
            latest["progress"] = max(0.0, min(1.0, number("progress", progress)))
        if message is not None:
            latest["message"] = clean(str(message), 500)
        self._port.observe(latest, ())

    @_never_raises
    def event(self, kind: str, **payload: Any) -> None:
        """Something that happened, in the job's timeline; the kind is one word_like_this."""
        if not EVENT_KIND.match(kind):
            raise ValueError(f"{kind!r} is no kind of event: use a word_like_this")
        if not self._muted:
            self._port.event(kind, {name: plain(value) for name, value in payload.items()})

    @_never_raises
    def validation(
        self,
        *,
        epoch: int | None = None,
        step: int | None = None,
        metrics: Mapping[str, Any] | None = None,
        confusion_matrix: Matrix | None = None,
        labels: Iterable[Any] | None = None,
        per_class: PerClass | None = None,
    ) -> None:
        """What a validation found. The matrix has a row for each true class and a column for each
        that was guessed, `labels` names both, `per_class` has metrics by label; at most 100."""
        if self._muted:
            return
        payload = compose(metrics, confusion_matrix, labels, per_class)
        places = {"epoch": (epoch, self._at.epoch), "step": (step, self._at.step)}
        for name, (given, latest) in places.items():
            if (place := latest if given is None else count(given)) is not None:
                payload[name] = place
        self._port.event("validation", payload)

    @_never_raises
    def checkpoint(
        self,
        path: str | Path,
        *,
        step: int | None = None,
        epoch: int | None = None,
        metrics: Mapping[str, Any] | None = None,
        copy: bool = False,
    ) -> None:
        """Uploads a finished file in the background; it may be replaced or deleted meanwhile.

        A program that writes the next one into the same file asks for a copy. Only once it is
        stored whole is it a checkpoint.
        """
        found = Path(path).absolute()
        if self._muted:
            return
        if not found.is_file():
            raise ValueError(f"{path} is no file; a checkpoint is one file")
        numbers = {name: number(name, value) for name, value in (metrics or {}).items()}
        at_step = self._at.step if step is None else count(step)
        at_epoch = self._at.epoch if epoch is None else count(epoch)
        if at_step is None and at_epoch is None:
            at_step = self._at.position or None
        kept = self._staging.keep(found, copy=copy) if self._staging else found
        self._port.checkpoint(
            Saved(kept, found.name, stamp(kept), kept != found, at_step, at_epoch, numbers)
        )

    @_never_raises
    def artifact(self, path: str | Path, name: str | None = None) -> None:
        """Uploads a file that the job leaves behind; without it the job has not succeeded."""
        found = Path(path).absolute()
        if self._muted:
            return
        if not found.is_file():
            raise ValueError(f"{path} is no file")
        self._port.artifact(found, (name or found.name).strip("/"))

    def warn(self, message: str) -> None:
        """Each warning is told once, and not without end."""
        if message in self._warned or len(self._warned) >= WARNINGS_A_RUN:
            return
        self._warned.add(message)
        log.warning("%s", message)
        if not self._muted:
            with suppress(Exception):  # the guard of the others ends here
                self._port.event("warning", {"message": clean(message, 2000)})

    def dataset(self) -> Path | None:
        """The job's dataset: a file, or a folder of files; None where it names none."""
        return self._port.fetch("dataset")

    def model(self) -> Path | None:
        """The base model that this job starts from; None where it names none."""
        return self._port.fetch("model")

    def resume(self) -> Resumed | None:
        """The newest checkpoint of an earlier attempt; None where there is none that is whole."""
        known = self._config.checkpoint
        path = self._port.fetch("checkpoint") if known else None
        if path is None or known is None:
            return None
        self._at.go_on_from(known.step, known.epoch)
        return Resumed(path, known.step, known.epoch)

    @_never_raises
    def finish(
        self,
        *,
        outcome: str | None = None,
        message: str = "",
        metrics: Mapping[str, Any] | None = None,
        error_class: str = "",
        exit_code: int | None = None,
        mlflow_run_id: str = "",
    ) -> None:
        """The training's own last word. One that was asked to stop has not succeeded, unless it
        says so by its outcome."""
        if self._muted or self._finished:
            return
        self._finished = True
        stopped = self.stopping and outcome is None
        numbers = {name: number(name, value) for name, value in (metrics or {}).items()}
        self._port.finish(
            End(
                outcome="failed" if stopped else outcome or "succeeded",
                message=message or ("stopped when asked to" if stopped else ""),
                error_class="transient" if stopped else error_class,
                exit_code=exit_code,
                metrics=numbers,
                mlflow_run_id=mlflow_run_id,
            )
        )

    def fail(self, error: BaseException) -> None:
        """Says that this exception ended the training."""
        code = error.code if isinstance(error, SystemExit) else 1
        if isinstance(error, SystemExit) and code in (None, 0):
            self.finish()
            return
        self.finish(
            outcome="failed",
            error_class="transient" if self.stopping else classify_error(error),
            message=f"{type(error).__name__}: {error}",
            exit_code=code if isinstance(code, int) else 1,
        )

    def close(self) -> None:
        self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.fail(error)
