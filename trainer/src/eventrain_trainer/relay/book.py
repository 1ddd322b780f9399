"""All that a program's runs, models and experiments are, in memory, and who hears of what changes.

One lock for all of it: an answer takes microseconds, and several processes may ask at once.
"""

import random
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from eventrain_trainer.metric import Point
from eventrain_trainer.relay.failure import invalid, unknown
from eventrain_trainer.relay.kept import NAME, PARENT, Experiment, Model, Run, Sample
from eventrain_trainer.relay.telling import Telling

MOST_SAMPLES = 200_000
MOST_BYTES = 64 * 1024 * 1024
LONGEST_TOLD_NAME = 200
LONGEST_WORD = 1000
LATEST_TIME = 253_402_300_799_000
ADJECTIVES = ("able", "bold", "calm", "fair", "glad", "keen", "lush", "mild", "neat", "wise")
BIRDS = ("crane", "finch", "grebe", "heron", "ibis", "lark", "merlin", "owl", "robin", "wren")


class Listener(Protocol):
    def observe(self, latest: Mapping[str, Any], points: list[Point]) -> None: ...

    def warn(self, message: str) -> None: ...


class Book:
    """Past its bound in bytes nothing new is kept or told, and one warning says so: a program that
    says without end what nobody reads is not to end for it."""

    def __init__(self, listener: Listener, telling: Telling, experiment: str) -> None:
        self._listener, self._telling = listener, telling
        self.lock = threading.RLock()
        self.experiments: dict[str, Experiment] = {}
        self.runs: dict[str, Run] = {}
        self.models: dict[str, Model] = {}
        self.main: Run | None = None
        self._told_step = 0
        self._samples = 0
        self._bytes = 0
        self._warned: set[str] = set()
        self.add_experiment("Default")
        self.add_experiment(experiment)

    def warn(self, message: str) -> None:
        """Once."""
        if message not in self._warned and len(self._warned) < 100:
            self._warned.add(message)
            self._listener.warn(message)

    def has_room(self, weight: int) -> bool:
        self._bytes += weight
        if self._bytes <= MOST_BYTES:
            return True
        self.warn("MLflow was told more than is kept here: what is new is not kept any more")
        return False

    # Experiments

    def add_experiment(self, name: str) -> Experiment:
        made = Experiment(str(len(self.experiments)), name, now())
        self.experiments[made.id] = made
        return made

    def experiment(self, experiment_id: str) -> Experiment:
        found = self.experiments.get(experiment_id)
        if found is None:
            raise unknown(f"No Experiment with id={experiment_id} exists")
        return found

    # Runs

    def run(self, run_id: str) -> Run:
        found = self.runs.get(run_id)
        if found is None:
            raise unknown(f"Run with id={run_id} not found")
        return found

    def open_run(self, run_id: str) -> Run:
        """One that can be told more."""
        run = self.run(run_id)
        if run.stage != "active":
            raise invalid(
                f"The run {run_id} must be in the 'active' state. Current state is {run.stage}."
            )
        return run

    def add_run(
        self, experiment: Experiment, name: str, user: str, started: int, tags: dict[str, str]
    ) -> Run:
        run = Run(
            id=uuid.uuid4().hex,
            name=name or tags.get(NAME) or _some_name(),
            experiment_id=experiment.id,
            user=user,
            started=started,
            main=self.main is None and not tags.get(PARENT),
            tags=tags,
        )
        run.tags[NAME] = run.name
        if not self.has_room(1000 + _weight(tags)):
            self.runs.pop(next(iter(self._finished()), ""), None)
        self.runs[run.id] = run
        self.main = run if run.main else self.main
        self._telling.say(
            "run",
            run.id,
            name=run.name[:LONGEST_WORD],
            parent=run.parent,
            main=run.main,
            startTime=_instant(started),
            experiment=experiment.name,
            tags=dict(tags),
        )
        return run

    def rename(self, run: Run, name: str) -> None:
        run.name = run.tags[NAME] = name
        self._telling.say("rename", run.id, name=name[:LONGEST_WORD])

    def set_status(self, run: Run, status: str, ended: int | None) -> None:
        run.status, run.ended = status, ended
        told = None if ended is None else _instant(ended)
        self._telling.say("status", run.id, status=status, endTime=told)

    def set_params(self, run: Run, params: Mapping[str, str]) -> None:
        """Raises Failure where one has another value by now, which MLflow does not allow."""
        for key, value in params.items():
            before = run.params.get(key, value)
            if before != value:
                raise invalid(
                    f"Changing param values is not allowed. Param with key='{key}' was already "
                    f"logged with value='{before}' for run ID='{run.id}'. Attempted logging new "
                    f"value '{value}'."
                )
        new = {key: value for key, value in params.items() if key not in run.params}
        if self.has_room(_weight(new)):
            run.params |= new
            self._telling.merge("params", run.id, new)

    def set_tags(self, run: Run, tags: Mapping[str, str]) -> None:
        new = {key: value for key, value in tags.items() if key not in run.tags}
        if not self.has_room(_weight(new)):
            tags = {key: value for key, value in tags.items() if key in run.tags}
        run.tags.update(tags)
        self._telling.merge("tags", run.id, tags)
        if NAME in tags and tags[NAME] != run.name:
            self.rename(run, tags[NAME])

    def remark(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Tells of a run what its program did not say of it."""
        self._telling.merge("tags", run_id, tags)

    def remove_tag(self, run: Run, key: str) -> None:
        if run.tags.pop(key, None) is None:
            raise unknown(f"No tag with name: {key} in run with id {run.id}")
        self._telling.untag(run.id, key)

    def add_inputs(
        self, run: Run, datasets: list[dict[str, Any]], models: list[dict[str, Any]]
    ) -> None:
        new = [each for each in datasets if _named(each) not in run.datasets]
        run.datasets |= {_named(each): each for each in new}
        run.models_in |= {each["model_id"]: each for each in models}
        self._telling.extend("inputs", run.id, datasets=new, models=models)

    def add_outputs(self, run: Run, models: list[dict[str, Any]]) -> None:
        run.models_out |= {each["model_id"]: each for each in models}
        self._telling.extend("outputs", run.id, models=models)

    def measure(self, run: Run, samples: list[tuple[str, Sample]]) -> None:
        new = [(key, sample) for key, sample in samples if run.is_new(key, sample)]
        for key, sample in new:
            self._keep(run, key, sample)
        if run.main:
            self._observe(new)
            return
        for key, sample in new:
            self._telling.measure(
                run.id, key, sample.value, _instant(sample.timestamp), sample.step
            )

    def _observe(self, samples: list[tuple[str, Sample]]) -> None:
        points = [
            Point(key, sample.value, max(0, sample.step), _instant(sample.timestamp) / 1000)
            for key, sample in samples
            if self._can_be_told(key, sample)
        ]
        latest: dict[str, Any] = {}
        step = max((point.step for point in points), default=0)
        if step > self._told_step:
            latest["step"] = self._told_step = step
        self._listener.observe(latest, points)

    def _can_be_told(self, key: str, sample: Sample) -> bool:
        if len(key) > LONGEST_TOLD_NAME:
            self.warn(f"the metric {key[:50]}... is not told: its name is too long")
            return False
        if sample.step < 0:
            self.warn(f"the metric {key} has steps below 0, which are told as 0")
        return True

    def _keep(self, run: Run, key: str, sample: Sample) -> None:
        before = run.latest.get(key)
        if before is None and not self.has_room(200 + len(key)):
            return
        if before is None or sample.rank >= before.rank:
            run.latest[key] = sample
        run.series.setdefault(key, []).append(sample)
        self._samples += 1
        if self._samples > MOST_SAMPLES:
            self._forget_some()

    def _forget_some(self) -> None:
        """The older half of the longest series; what was told is told."""
        all_series = (series for run in self.runs.values() for series in run.series.values())
        longest = max(all_series, key=len)
        gone = len(longest) // 2
        del longest[:gone]
        self._samples -= gone

    def _finished(self) -> list[str]:
        return [run.id for run in self.runs.values() if not run.active and not run.main]

    # Logged models

    def model(self, model_id: str) -> Model:
        found = self.models.get(model_id)
        if found is None:
            raise unknown(f"Logged model with ID '{model_id}' not found.")
        return found

    def add_model(self, model: Model) -> None:
        self.models[model.id] = model
        self._telling.say(
            "model",
            model.id,
            run=model.run_id or None,
            name=model.name[:LONGEST_WORD],
            type=model.type[:LONGEST_WORD],
            params=dict(model.params),
            tags=dict(model.tags),
        )

    def set_model_status(self, model: Model, status: str) -> None:
        model.status, model.updated = status, now()
        self._telling.say("model_status", model.id, status=status)

    def set_model_params(self, model: Model, params: Mapping[str, str]) -> None:
        model.params.update(params)
        self._telling.merge("model", model.id, params, noun="params")

    def set_model_tags(self, model: Model, tags: Mapping[str, str]) -> None:
        model.tags.update(tags)
        self._telling.merge("model_tags", model.id, tags)


def now() -> int:
    return int(time.time() * 1000)


def _instant(timestamp: int) -> int:
    """In the years 1970 to 9999, of which a timestamp can tell."""
    return max(0, min(timestamp, LATEST_TIME))


def _named(dataset: dict[str, Any]) -> tuple[str, str]:
    return dataset["dataset"]["name"], dataset["dataset"]["digest"]


def _weight(values: Mapping[str, str]) -> int:
    return sum(100 + len(key) + len(value) for key, value in values.items())


def _some_name() -> str:
    return f"{random.choice(ADJECTIVES)}-{random.choice(BIRDS)}-{random.randrange(1000)}"
