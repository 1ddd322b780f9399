"""What is done to a trainer in the middle of a training, and what it must do then."""

from collections.abc import Callable
from typing import Any

from eventrain_trainer.check.row import Broken
from eventrain_trainer.check.stage import Stage
from eventrain_trainer.mock import Attempt, ControlPlane
from eventrain_trainer.mock.heard import Heard

IN_FLIGHT = 4
"""So many calls may have been on their way when the first was refused: one a thread."""
BEATS_TO_NOTICE = 5


def takes_a_fresh_token(stage: Stage, plane: ControlPlane, attempt: Attempt) -> str:
    old = {each.token for each in _beats(stage, plane, attempt)}
    plane.renew()
    _notice(
        stage, plane, attempt, old, "went on with its old token, though it was given a fresh one"
    )
    return "spoke with the fresh one"


def hears_the_mounted_token(stage: Stage, plane: ControlPlane, attempt: Attempt) -> str:
    _beats(stage, plane, attempt)
    plane.expire_tokens()
    old = set(plane.dead_tokens)
    _notice(stage, plane, attempt, old, "was never heard again after a 401")
    return "spoke with the mounted one"


def went_on(stage: Stage, plane: ControlPlane, attempt: Attempt) -> str:
    """Kills the attempt with all that it started, and listens to the next."""
    stage.until(plane, attempt, lambda: plane.checkpoints, "its first checkpoint")
    attempt.kill()
    saved = plane.checkpoints[-1]
    plane.next_attempt()
    with stage.attempt(plane) as second:
        beats = stage.until(plane, second, lambda: _telling_beats(plane), "a metric of attempt 2")
    epochs = [each.body["epoch"] for each in beats if each.body.get("epoch") is not None]
    if epochs and saved.get("epoch") is not None and min(epochs) < saved["epoch"]:
        raise Broken(f"began at epoch {min(epochs)}, though its checkpoint was of {saved['epoch']}")
    boundary = saved.get("epoch") if saved.get("step") is None else saved["step"]
    steps = [p["step"] for each in beats for p in each.body.get("points", ()) if "step" in p]
    if boundary is not None and steps and min(steps) <= boundary:
        raise Broken(f"told step {min(steps)} again, though its checkpoint was of {boundary}")
    return f"from {saved['name']} to step {min(steps, default=0)}"


def ended_when_asked(stage: Stage, plane: ControlPlane, attempt: Attempt, how: str) -> str:
    stage.until(plane, attempt, lambda: plane.points, "its first metric")
    told = len(plane.checkpoints)
    epoch = max((beat.get("epoch") or 0 for beat in plane.heartbeats), default=0)
    began = plane.now()
    if how == "sigterm":
        attempt.terminate()
    else:
        plane.ask_to_stop()
    code = stage.to_the_end(attempt, stage.grace + 5)
    took = plane.now() - began
    _check_words(plane, code)
    saved = plane.checkpoints
    if len(saved) == told and (not saved or (saved[-1].get("epoch") or 0) < epoch):
        raise Broken(f"ended after {took:.1f} s without saving what it had learnt since")
    return f"saved epoch {saved[-1].get('epoch')} and ended in {took:.1f} s, exit {code}"


def ended_when_stale(stage: Stage, plane: ControlPlane, attempt: Attempt) -> str:
    stage.until(plane, attempt, lambda: plane.points, "its first metric")
    plane.next_attempt()
    stage.until(plane, attempt, lambda: _after_the_refusal(plane), "it was told that it is stale")
    plane.wait_for(
        lambda: attempt.ended or len(_after_the_refusal(plane)) > IN_FLIGHT + 1,
        stage.grace + stage.patience,
    )
    spoken = _after_the_refusal(plane)[1:]
    if len(spoken) > IN_FLIGHT or any(each.what == "done" for each in spoken):
        raise Broken(f"sent {spoken[-1].what} after it was told that it is stale")
    stage.to_the_end(attempt, stage.grace)
    return f"{len(spoken)} calls were on their way; then it ended"


def _check_words(plane: ControlPlane, code: int) -> None:
    dones = plane.dones
    if len(dones) != 1:
        raise Broken(f"said {len(dones)} times how it ended")
    if dones[0]["outcome"] == "succeeded" or code == 0:
        raise Broken(
            f"stopped, and said {dones[0]['outcome']} with exit {code}: it had not finished"
        )
    if dones[0].get("errorClass") != "transient":
        raise Broken(f"its class was {dones[0].get('errorClass')}: it would not be tried again")


def _beats(stage: Stage, plane: ControlPlane, attempt: Attempt) -> list[Heard]:
    def heard() -> list[Heard]:
        return [each for each in plane.heard if each.what == "heartbeat" and each.taken]

    return stage.until(plane, attempt, heard, "its first heartbeat")


def _notice(
    stage: Stage, plane: ControlPlane, attempt: Attempt, old: set[str], otherwise: str
) -> None:
    """Waits for a beat with another token, for as many beats as it takes to believe in none."""
    begin = len(plane.heard)

    def beats() -> list[Heard]:
        return [each for each in plane.heard[begin:] if each.what == "heartbeat"]

    def fresh() -> bool:
        return any(each.taken and each.token not in old for each in beats())

    stage.until(plane, attempt, _either(fresh, lambda: len(beats()) > BEATS_TO_NOTICE), "a beat")
    if not fresh():
        raise Broken(otherwise)


def _either(one: Callable[[], bool], other: Callable[[], bool]) -> Callable[[], Any]:
    return lambda: one() or other()


def _telling_beats(plane: ControlPlane) -> list[Heard]:
    """What attempt 2 said up to its first beat with a metric."""
    beats = [each for each in plane.heard if each.what == "heartbeat" and each.attempt == 2]
    return beats if any(each.body.get("points") for each in beats if each.taken) else []


def _after_the_refusal(plane: ControlPlane) -> list[Heard]:
    """All that was said from the first 409 on."""
    first = next((n for n, each in enumerate(plane.heard) if each.status == 409), len(plane.heard))
    return [each for each in plane.heard[first:] if each.what != "told" and each.attempt == 1]
