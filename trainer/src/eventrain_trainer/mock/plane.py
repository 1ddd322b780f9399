"""The mock itself: what a test or a person asks of it, tells it, and finds in it."""

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from eventrain_trainer.mock.callbacks import Callbacks
from eventrain_trainer.mock.credential import LIFETIME, Key
from eventrain_trainer.mock.fault import CALLS, UPLOADS, Faults
from eventrain_trainer.mock.heard import Heard
from eventrain_trainer.mock.job import TRACE_ID, Job
from eventrain_trainer.mock.server import Server
from eventrain_trainer.mock.store import Store

SINGLE = 64 * 1024 * 1024
PART = 16 * 1024 * 1024
TAKEN_OVER = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")


class ControlPlane:
    """`with ControlPlane() as plane`: answers at `plane.url` until the block ends.

    `plane.environ()` is what a trainer finds in its environment; `heard`, `heartbeats`, `events`,
    `dones`, `points`, `checkpoints` are what it said. `calls.mode` and `uploads.mode` say how the
    plane misbehaves (`fault.py` lists the ways), `ask_to_stop`, `next_attempt`, `renew`,
    `expire_tokens` what happens to the job. All may be used from any thread.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int = 0,
        interval: float = 0.5,
        token_seconds: float = LIFETIME,
        key: Key | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._made = None if folder else tempfile.TemporaryDirectory(prefix="eventrain-mock-")
        self.folder = folder or Path(self._made.name if self._made else ".")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.interval, self.token_seconds, self.now = interval, token_seconds, now
        self.delay = 2.0
        """How late a slow answer comes."""
        self.job = Job()
        self.key = key or Key.make()
        self.large, self.part_size = SINGLE, PART
        self.hyperparameters: dict[str, Any] = {}
        self.dataset_uri = self.model_uri = ""
        self.renewing = False
        self.dead_tokens: set[str] = set()
        self.calls, self.uploads = Faults(CALLS, "up"), Faults(UPLOADS, "kept")
        self.heard: list[Heard] = []
        self._listeners: list[Callable[[Heard], None]] = []
        self._issued: list[str] = []
        self._changed = threading.Condition(threading.RLock())
        self.callbacks = Callbacks(self)
        self._server = Server(self, port)
        self.store = Store(self.folder / "bucket", lambda: self.url, now)

    def __enter__(self) -> Self:
        self._server.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.close()
        if self._made:
            self._made.cleanup()

    @property
    def url(self) -> str:
        return self._server.url

    def environ(self, **more: str) -> dict[str, str]:
        """All that the pod of the present attempt would find; what is given comes last."""
        base = f"{self.url}/v1/jobs/{self.job.id}"
        token = self.issue()
        self.token_file.write_text(token, encoding="ascii")
        checkpoint = self.newest_checkpoint()
        found = {name: os.environ[name] for name in TAKEN_OVER if name in os.environ} | {
            "JOB_ID": self.job.id,
            "ATTEMPT": str(self.job.attempt),
            "TRACE_ID": TRACE_ID,
            "TRACEPARENT": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
            "BACKEND_BASE_URL": self.url,
            **{f"{what.upper()}_URL": f"{base}/{what}" for what in ("heartbeat", "event", "done")},
            "ADDRESSES_URL": f"{base}/addresses",
            "CALLBACK_TOKEN": token,
            "CALLBACK_TOKEN_FILE": str(self.token_file),
            "RESULT_PUT_URL": self.store.put_address(f"{self.prefix()}result.json"),
            "STORAGE_TYPE": "s3",
            "DATASET_URI": self.dataset_uri,
            "MODEL_URI": self.model_uri,
            "MODEL_NAME": self.job.name,
            "TRAINER_CONFIG": json.dumps(self._config(checkpoint)),
            "CHECKPOINT_URI": checkpoint["uri"] if checkpoint else "",
            "EPOCHS": str(self.hyperparameters.get("epochs", "")),
            "HEARTBEAT_INTERVAL_SECONDS": f"{self.interval:g}",
            "WORK_DIR": str(self.folder / f"work-{self.job.attempt}"),
            "PYTHONUNBUFFERED": "1",
        }
        return {name: value for name, value in found.items() if value} | more

    @property
    def token_file(self) -> Path:
        """Where the present attempt's Secret would be mounted."""
        return self.folder / f"token-{self.job.attempt}"

    def prefix(self, attempt: int | None = None) -> str:
        return f"jobs/{self.job.id}/{attempt or self.job.attempt}/"

    @property
    def readable(self) -> set[str]:
        """What the job names, and the checkpoints of all its attempts."""
        told = {payload["uri"] for payload in self.of_type("checkpoint_saved")}
        return {uri for uri in (self.dataset_uri, self.model_uri, *told) if uri}

    def known(self, uri: str) -> dict[str, Any]:
        """Digest and size of a checkpoint."""
        told = [each for each in self.of_type("checkpoint_saved") if each["uri"] == uri]
        return {name: told[-1][name] for name in ("sha256", "size")} if told else {}

    def give_dataset(self, path: Path) -> None:
        """A file, or a folder of files, as what the job learns from."""
        self.dataset_uri = self.store.add("datasets/mock", path)

    def give_model(self, path: Path) -> None:
        self.model_uri = self.store.add("models/mock", path)

    def ask_to_stop(self, command: str = "checkpoint_and_stop") -> None:
        """As when somebody cancels the job: the next heartbeat is answered with it."""
        self._alter(lambda: setattr(self.job, "cancelling", command), f"asked to {command}")

    def next_attempt(self) -> None:
        """Another attempt is to run: what the one before says is stale from now on."""
        self._alter(self.job.next_attempt, "a new attempt: the one before is stale")

    def issue(self, attempt: int | None = None) -> str:
        """A token that opens the callbacks, by default for the present attempt."""
        at = attempt or self.job.attempt
        token = self.key.issue(self.job.id, at, self.now(), self.token_seconds)
        self._issued.append(token)
        return token

    def renew(self) -> None:
        """Every heartbeat is answered with a fresh token, as past half of the old one's life."""
        self._alter(lambda: setattr(self, "renewing", True), "tokens are renewed")

    def expire_tokens(self, *, but: str = "") -> None:
        """Every token so far is dead, but this one; the mounted file holds a living one."""
        with self._changed:
            self.dead_tokens |= set(self._issued) - {but}
            self.renewing = False
            part = self.token_file.with_suffix(".part")
            part.write_text(self.issue(), encoding="ascii")
            part.replace(self.token_file)
        self.tell("the tokens are dead; the mounted file holds a fresh one")

    @property
    def heartbeats(self) -> list[dict[str, Any]]:
        """The bodies that were taken, as they came."""
        return [dict(each.body) for each in self._taken("heartbeat")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Each once, however often it was told."""
        return [dict(each.body) for each in self._taken("event") if not each.repeat]

    @property
    def dones(self) -> list[dict[str, Any]]:
        return [dict(each.body) for each in self._taken("done")]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event.get("payload", {}) for event in self.events if event["type"] == kind]

    @property
    def points(self) -> list[dict[str, Any]]:
        """As history keeps them: those of each attempt's sequence once."""
        known: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for each in self._taken("heartbeat"):
            known.setdefault((each.attempt, each.body["sequence"]), each.body.get("points", []))
        return [point for _, points in sorted(known.items()) for point in points]

    def values(self, name: str) -> list[Any]:
        """A metric's course."""
        return [point["value"] for point in self.points if point["name"] == name]

    @property
    def checkpoints(self) -> list[dict[str, Any]]:
        return self.of_type("checkpoint_saved")

    def newest_checkpoint(self) -> dict[str, Any] | None:
        """What another attempt would go on from."""
        found = self.checkpoints
        names = ("uri", "sha256", "size", "step", "epoch")
        return {name: found[-1].get(name) for name in names} if found else None

    @property
    def result(self) -> dict[str, Any] | None:
        """What the attempt left in the bucket because nobody answered."""
        key = f"{self.prefix()}result.json"
        return json.loads(self.store.read(key)) if key in self.store.keys(key) else None

    @contextmanager
    def failing(self, mode: str) -> Generator[None]:
        """All callbacks meet this until the block ends."""
        self.calls.mode = mode
        yield
        self.calls.mode = "up"

    def wait_for(self, happened: Callable[[], Any], seconds: float = 60.0) -> Any:
        """What it returned once that was true. Raises AssertionError when time is over."""
        until = time.monotonic() + seconds
        with self._changed:
            while not (found := happened()):
                if time.monotonic() > until:
                    raise AssertionError(f"it did not happen within {seconds:g} s")
                self._changed.wait(0.05)
        return found

    def listen(self, listener: Callable[[Heard], None]) -> None:
        """Called with all that is heard from now on, one at a time."""
        self._listeners.append(listener)

    def tell(self, text: str) -> None:
        """News of the plane's own, among what was heard."""
        self.note(Heard(self.now(), "told", self.job.attempt, 200, {"": text}))

    def note(self, heard: Heard) -> None:
        with self._changed:
            self.heard.append(heard)
            for listener in self._listeners:
                listener(heard)
            self._changed.notify_all()

    @property
    def lock(self) -> threading.Condition:
        """Held while a callback is obeyed."""
        return self._changed

    def _taken(self, what: str) -> list[Heard]:
        return [each for each in list(self.heard) if each.what == what and each.taken]

    def _alter(self, change: Callable[[], object], text: str) -> None:
        with self._changed:
            change()
        self.tell(text)

    def _config(self, checkpoint: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            "jobType": "from_scratch",
            "hyperparameters": self.hyperparameters,
            "output": {"modelName": self.job.name, "modelVersion": "1"},
            "checkpoint": checkpoint,
            "args": [],
        }
