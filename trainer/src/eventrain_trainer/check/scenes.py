"""The scenes: each starts the trainer, disturbs it in one way, and gives its rows."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from eventrain_trainer.check import listening, manifest
from eventrain_trainer.check.disturbing import (
    ended_when_asked,
    ended_when_stale,
    hears_the_mounted_token,
    takes_a_fresh_token,
    went_on,
)
from eventrain_trainer.check.row import Broken, NotSeen, Row, judge
from eventrain_trainer.check.stage import Stage, last_words
from eventrain_trainer.mock import Attempt, ControlPlane

OUTAGE = ("refused", "broken", "away", "cut", "slow", "cut", "away", "broken", "refused")
SMALL_SPOOL = "500"
PLAIN: dict[str, Callable[[ControlPlane], str]] = {
    "beats": listening.beats,
    "sequence": listening.sequence,
    "metrics": listening.metrics,
    "progress": listening.progress,
    "epochs": listening.epochs,
    "checkpoints": listening.checkpoints,
    "artifacts": listening.artifacts,
    "done": listening.done,
}


class Played(NamedTuple):
    """A run that is over: what was heard of it, and how its process ended."""

    plane: ControlPlane
    attempt: Attempt
    trouble: str


class Scenes:
    """`rows` plays only what is needed for the rows that are wanted."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        for names, play in (
            (("manifest",), self._manifest),
            (("end", *PLAIN), self._plain),
            (("bounds",), self._bounds),
            (("failure",), self._failure),
            (("outage",), self._outage),
            (("result",), self._result),
            (("spool",), self._spool),
            (("tokens", "reissued", "resume"), lambda: self._interrupted(wanted)),
            (("stop",), lambda: self._stopped("stop")),
            (("sigterm",), lambda: self._stopped("sigterm")),
            (("stale",), self._stale),
        ):
            if set(names) & set(wanted):
                yield from (row for row in play() if row.name in wanted)

    @cached_property
    def _undisturbed(self) -> Played:
        return self._play(lambda plane: None)

    def _play(self, disturb: Callable[[ControlPlane], None], **environ: str) -> Played:
        """A short training, begun after the plane was told to misbehave."""
        stage = self._stage
        with stage.plane() as plane:
            disturb(plane)
            with stage.attempt(plane, **environ) as attempt:
                try:
                    stage.to_the_end(attempt)
                    trouble = ""
                except Broken as broken:
                    trouble = str(broken)
        return Played(plane, attempt, trouble)

    def _manifest(self) -> Iterator[Row]:
        yield judge("manifest", lambda: manifest.check(self._stage.trainer.folder))

    def _plain(self) -> Iterator[Row]:
        played = self._undisturbed
        yield judge("end", lambda: _well(played))
        for name, look in PLAIN.items():
            yield judge(name, lambda look=look: look(played.plane))

    def _bounds(self) -> Iterator[Row]:
        """Whoever stops at the first violation is asked again, for those that it did not name."""

        def look() -> str:
            wrong = manifest.out_of_bounds(self._stage.trainer.folder)
            told, unnamed = len(wrong), wrong
            while unnamed:
                message = self._refused(unnamed)
                left = {name: value for name, value in unnamed.items() if name not in message}
                if len(left) == len(unnamed):
                    raise Broken(f"does not say which: {message.splitlines()[0][:100]}")
                unnamed = left
            return f"refused {told} of {told}: {', '.join(wrong)}"

        yield judge("bounds", look)

    def _refused(self, wrong: Mapping[str, Any]) -> str:
        """What it said when it was started with these. Raises Broken when it trained."""
        stage = self._stage
        with stage.plane() as plane:
            plane.hyperparameters |= wrong
            with stage.attempt(plane) as attempt:
                code = stage.to_the_end(attempt)
        told = ", ".join(f"{name}={value!r}" for name, value in wrong.items())
        done = plane.dones[-1] if plane.dones else {}
        if code == 0 or done.get("outcome") != "failed":
            raise Broken(f"trained with {told}")
        if done.get("errorClass") != "user":
            raise Broken(f"{told} was class {done.get('errorClass')}, not user")
        return str(done.get("message") or "it said nothing")

    def _failure(self) -> Iterator[Row]:
        def look() -> str:
            played = self._play(_refuse_uploads, UPLOAD_WAIT_SECONDS="3")
            if played.trouble:
                raise Broken(f"nothing could be uploaded, and it {played.trouble}")
            done = played.plane.dones[-1] if played.plane.dones else {}
            if done.get("outcome") == "succeeded":
                raise Broken("said succeeded although nothing that it left could be uploaded")
            if played.plane.checkpoints:
                raise Broken("told a checkpoint that was never stored")
            if not done.get("errorClass"):
                raise Broken("said nothing of its failure, or not its class")
            if played.attempt.wait() == 0:
                raise Broken("ended with exit code 0 although it had failed")
            return f"class {done['errorClass']}, {last_words(played.attempt).partition(',')[0]}"

        yield judge("failure", look)

    def _outage(self) -> Iterator[Row]:
        def look() -> str:
            _well(self._undisturbed)
            played = self._play(_line_up_the_outage)
            if played.trouble:
                raise Broken(played.trouble)
            listening.ended_well(played.plane)
            if played.plane.calls.waiting:
                raise NotSeen("it called too seldom to meet what was lined up")
            return listening.same_points(played.plane, self._undisturbed.plane)

        yield judge("outage", look)

    def _result(self) -> Iterator[Row]:
        def look() -> str:
            shortly = {"UPLOAD_WAIT_SECONDS": "3", "DONE_WAIT_SECONDS": "3"}
            played = self._play(_stay_away, **shortly)
            if played.trouble:
                raise Broken(played.trouble)
            result = played.plane.result
            if result is None:
                raise Broken("nobody answered, and it left nothing at RESULT_PUT_URL")
            if not result.get("done", {}).get("outcome"):
                raise Broken("its result does not say how it ended")
            points = sum(len(beat.get("points", [])) for beat in result.get("heartbeats", []))
            if not points and self._undisturbed.plane.points:
                raise Broken("its result holds none of its metrics")
            return f"result.json with {points} points"

        yield judge("result", look)

    def _spool(self) -> Iterator[Row]:
        def look() -> str:
            before = self._undisturbed
            _well(before)
            played = self._play(_line_up_the_outage, SPOOL_BYTES=SMALL_SPOOL)
            if played.trouble:
                raise Broken(played.trouble)
            listening.ended_well(played.plane)
            saved, expected = len(played.plane.checkpoints), len(before.plane.checkpoints)
            if saved < expected:
                raise Broken(f"only {saved} of {expected} checkpoints were told")
            return f"{len(played.plane.points)} of {len(before.plane.points)} points, all state"

        yield judge("spool", look)

    def _interrupted(self, wanted: Collection[str]) -> Iterator[Row]:
        """One attempt through its tokens, then lost with its node; the next must go on."""
        stage = self._stage
        with stage.plane(endless=True) as plane, stage.attempt(plane) as attempt:
            if "tokens" in wanted:
                yield judge("tokens", lambda: takes_a_fresh_token(stage, plane, attempt))
            if "reissued" in wanted:
                yield judge("reissued", lambda: hears_the_mounted_token(stage, plane, attempt))
            if "resume" in wanted:
                yield judge("resume", lambda: went_on(stage, plane, attempt))

    def _stopped(self, how: str) -> Iterator[Row]:
        stage = self._stage
        with stage.plane(endless=True) as plane, stage.attempt(plane) as attempt:
            yield judge(how, lambda: ended_when_asked(stage, plane, attempt, how))

    def _stale(self) -> Iterator[Row]:
        stage = self._stage
        with stage.plane(endless=True) as plane, stage.attempt(plane) as attempt:
            yield judge("stale", lambda: ended_when_stale(stage, plane, attempt))


def _well(played: Played) -> str:
    if played.trouble:
        raise Broken(played.trouble)
    if played.attempt.wait() != 0:
        raise Broken(last_words(played.attempt))
    return "exit 0"


def _refuse_uploads(plane: ControlPlane) -> None:
    plane.uploads.mode = "refused"


def _stay_away(plane: ControlPlane) -> None:
    plane.calls.mode = "away"


def _line_up_the_outage(plane: ControlPlane) -> None:
    plane.delay = 3.0
    plane.calls.line_up(OUTAGE)
