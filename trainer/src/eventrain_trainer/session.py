"""One attempt's voice: it beats, tells events, uploads, fetches, and says how it ended."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from eventrain_trainer.addresses import Addresses
from eventrain_trainer.beat import Beat
from eventrain_trainer.callbacks import Callbacks, Verdict
from eventrain_trainer.courier import Courier
from eventrain_trainer.fetch import Fetcher, Voice
from eventrain_trainer.job_token import Token
from eventrain_trainer.left import Left
from eventrain_trainer.metric import Point, on_wire
from eventrain_trainer.outcome import Ending
from eventrain_trainer.patience import Backoff, Deadline
from eventrain_trainer.port import End, Saved, Source
from eventrain_trainer.result import compose_result
from eventrain_trainer.resumption import Resumption
from eventrain_trainer.settings import Code, Settings
from eventrain_trainer.spool import LATEST_METRICS, Spool
from eventrain_trainer.text import clean
from eventrain_trainer.transfer import Stored, Transfer
from eventrain_trainer.upload import Task, Uploader
from eventrain_trainer.wire import Wire

log = logging.getLogger("eventrain")
LOG = "eventrain"


class Session:
    """Nothing here waits for the network but `fetch`, `settle`, `finish` and `conclude`."""

    def __init__(
        self, settings: Settings, on_stop: Callable[[str], None] = lambda command: None
    ) -> None:
        self._settings = settings
        self._on_stop = on_stop
        self.stop = ""
        self._uploads_end = Deadline()
        self._last = Deadline()
        wire = Wire(settings.request_timeout)
        self._callbacks = Callbacks(
            wire=wire,
            token=Token(settings.token, settings.token_file),
            source=f"/jobs/{settings.job_id}/attempts/{settings.attempt}",
            traceparent=settings.traceparent,
        )
        addresses = Addresses(self._callbacks, settings.addresses_url)
        self._transfer = Transfer(addresses=addresses, wire=wire)
        self._resumption = Resumption(settings.config.checkpoint, partial(self.event, kept=True))
        voice = Voice(self.warn, self._say, self._note, self._resumption.went_on)
        self._fetcher = Fetcher(settings, self._transfer, addresses, wire, voice)
        self._uploader = Uploader(self._transfer, self._uploads_end)
        self._spool = Spool(settings.spool_bytes)
        self._beat = Beat(
            spool=self._spool,
            callbacks=self._callbacks,
            url=settings.heartbeat_url,
            interval=settings.interval,
            on_command=self._obey,
            trace_id=settings.trace_id,
        )
        self._courier = Courier(
            callbacks=self._callbacks,
            url=settings.event_url,
            limit_bytes=settings.spool_bytes,
            say=log.warning,
            before_checkpoint=self._beat.flush,
        )
        self._left = Left(self.warn)
        self._mlflow_run_id = ""
        self._lines = 0
        self._reached: int | None = None
        self._end = End()
        self._concluded = threading.Lock()

    @property
    def end(self) -> End:
        return self._end

    @property
    def stale(self) -> bool:
        return self._callbacks.stale

    def open(self) -> None:
        if self._settings.total_epochs:
            self._spool.observe({"totalEpochs": self._settings.total_epochs}, ())
        self._beat.open()
        self._courier.open()
        self._uploader.open()

    def observe(self, latest: Mapping[str, Any], points: Sequence[Point]) -> None:
        self._spool.observe(latest, points)
        if points:
            self._reached = points[-1].step
            self._resumption.note(points)

    def whereabouts(self) -> tuple[int | None, int | None]:
        """The step and the epoch that the training told last; the step of its points where it told
        neither."""
        latest = self._spool.latest()
        step, epoch = latest.get("step"), latest.get("epoch")
        return (self._reached if step is None and epoch is None else step), epoch

    def event(
        self, kind: str, payload: Mapping[str, Any], weight: int = 0, *, kept: bool = False
    ) -> None:
        """What is `kept` is state, which no bound drops."""
        self._courier.put(kind, payload, weight, kept=kept)

    def waiting(self, kind: str) -> int:
        """How many events of state of a kind nobody has heard yet."""
        return self._courier.waiting(kind)

    def warn(self, message: str) -> None:
        log.warning("%s", message)
        self._courier.put("warning", {"message": clean(message, 2000)})

    def _say(self, line: str) -> None:
        """A line of our own in the job's log."""
        log.info("%s", line)
        payload = {"stream": LOG, "offset": self._lines, "lines": [clean(line)]}
        self._lines += 1
        self._courier.put("log", payload)

    def _note(self, message: str | None) -> None:
        if message is None:
            self._spool.forget("message")
        else:
            self._spool.observe({"message": message}, ())

    def checkpoint(self, saved: Saved) -> None:
        """The event follows the upload: what is half there was never saved."""

        def lost(message: str) -> None:
            self.warn(message)
            _let_go(saved)

        def stored(found: Stored) -> None:
            _let_go(saved)
            payload: dict[str, Any] = {
                "name": found.name.rpartition("/")[2],
                "uri": found.uri,
                "sha256": found.sha256,
                "size": found.size,
                "step": saved.step,
                "epoch": saved.epoch,
            }
            if saved.metrics:
                payload["metrics"] = _on_wire(saved.metrics)
            self._courier.put("checkpoint_saved", payload)

        self._uploader.put(Task(saved.path, "checkpoints", saved.name, stored, lost, saved.written))

    def artifact(self, path: Path, name: str, settled: Callable[[], None] = lambda: None) -> None:
        """`settled` is called once the file is stored or given up."""

        def stored(found: Stored) -> None:
            self._left.keep(name, found)
            settled()

        def lost(message: str) -> None:
            self._left.lose(name)
            self.warn(message)
            settled()

        self._uploader.put(Task(path, "artifacts", name, stored, lost))

    def forget_artifact(self, name: str) -> None:
        """The program took it back: it is not told."""
        self._left.forget(name)

    def leave(self, mlflow_run_id: str, model_prefix: str) -> None:
        """What MLflow calls this training, and the artifacts that are its model where the program
        put none below `model/` itself."""
        self._mlflow_run_id, self._left.model_prefix = mlflow_run_id, model_prefix

    def fetch(self, source: Source) -> Path | None:
        return self._fetcher.fetch(source)

    def fetch_code(self, code: Code) -> Path:
        return self._fetcher.fetch_code(code)

    def hurry(self, seconds: float) -> None:
        """The pod is going: whatever is still to be sent has this long."""
        self._uploads_end.within(seconds * 0.7)
        self._last.within(seconds)

    def settle(self, end: End) -> None:
        """What the training said last; waits until its files are stored or time is over."""
        self._end = end
        self._uploads_end.within(self._settings.upload_wait)
        self._uploader.drain()

    def finish(self, end: End) -> None:
        self.settle(end)
        stopped = self.stop and not end.outcome
        self.conclude(
            Ending(
                outcome="failed" if stopped else end.outcome or "succeeded",
                error_class="transient" if stopped else end.error_class,
                exit_code=end.exit_code,
                message=end.message or (f"stopped by the command {self.stop}" if stopped else ""),
            )
        )

    def close(self) -> None:
        """For a program that ended without a word: the pod's end is then the evidence."""

    def conclude(self, ending: Ending) -> Ending:
        """Delivers everything, `done` last, here or to S3; returns the ending as it was told."""
        if not self._concluded.acquire(blocking=False) or self.stale:
            return ending
        self.settle(self._end)
        self._last.within(self._settings.done_wait)
        ending = self._with_losses(ending)
        done = self._done(ending)
        self._courier.close(self._share_of_what_is_left())
        self._beat.close(self._share_of_what_is_left())
        told = self._say_done(done)
        if not self.stale and (not told or self._left_over()):
            self._leave_result(done)
        self._fetcher.close()
        return ending

    def _with_losses(self, ending: Ending) -> Ending:
        lost = self._left.missing(self._uploader.left())
        if not lost or ending.outcome != "succeeded":
            return ending
        return Ending("failed", "transient", 1, f"trained, but not uploaded: {', '.join(lost)}")

    def _done(self, ending: Ending) -> dict[str, Any]:
        body: dict[str, Any] = {
            "outcome": ending.outcome,
            "metrics": _on_wire(self._final_metrics()),
            "artifacts": self._left.told(),
        }
        if ending.error_class:
            body["errorClass"] = ending.error_class
        if ending.exit_code is not None:
            body["exitCode"] = ending.exit_code
        if ending.message or self._end.message:
            body["message"] = clean(ending.message or self._end.message, 4000)
        if mlflow_run_id := self._end.mlflow_run_id or self._mlflow_run_id:
            body["mlflowRunId"] = mlflow_run_id
        return body

    def _final_metrics(self) -> dict[str, float]:
        """What the training said last comes first, as far as there is room."""
        named = {**self._end.metrics, **self._spool.metrics(), **self._end.metrics}
        return dict(islice(named.items(), LATEST_METRICS))

    def _say_done(self, done: Mapping[str, Any]) -> bool:
        backoff = Backoff(0.5, 5.0)
        event_id = f"{self._settings.job_id}-{self._settings.attempt}-done"
        while True:
            reply = self._callbacks.post(self._settings.done_url, done, event_id=event_id)
            if reply.verdict is not Verdict.LATER:
                log.info("done: %s %s", reply.verdict.value, reply.message)
                return reply.verdict is Verdict.OK
            if not self._last.pause(backoff.next(reply.retry_after)):
                log.warning("done was not delivered: %s", reply.message)
                return False

    def _left_over(self) -> bool:
        return bool(len(self._spool) or self._courier.left_over())

    def _leave_result(self, done: Mapping[str, Any]) -> None:
        if not self._settings.result_put_url:
            return
        body = compose_result(done, self._beat.left_over(), self._courier.left_over())
        backoff, tries = Backoff(0.5, 5.0), Deadline()
        tries.within(max(5.0, min(30.0, self._settings.grace / 4)))
        while not self._transfer.put_result(self._settings.result_put_url, body):
            if not tries.pause(backoff.next()):
                log.warning("the result could not be left in S3 either")
                return
        log.info("the result was left in S3")

    def _share_of_what_is_left(self) -> Deadline:
        share = Deadline()
        share.within(max(0.0, self._last.left) * 0.4)
        return share

    def _obey(self, command: str) -> None:
        if self.stop == command:
            return
        self.stop = command
        log.warning("asked to stop: %s", command)
        self._on_stop(command)


def _let_go(saved: Saved) -> None:
    if saved.kept:
        saved.path.unlink(missing_ok=True)


def _on_wire(metrics: Mapping[str, float]) -> dict[str, float | str]:
    return {name: on_wire(value) for name, value in metrics.items()}
