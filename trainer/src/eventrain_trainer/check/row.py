"""The rows of the table: what is asked of a trainer, and what helps where it fails."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["pass", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing asked of every trainer, and what to do where it is not met."""

    title: str
    advice: str


DEMANDS = {
    "manifest": Demand(
        "its manifest and README are valid",
        "mend manifest.yaml or README.md as told; frameworks/sklearn is a model of both",
    ),
    "end": Demand(
        "a short training comes to its end",
        "run it outside a job first: `python PATH`; its last lines say what went wrong",
    ),
    "beats": Demand(
        "beats while it trains",
        "call et.start() before the work begins, or start it behind the runner; code that holds the"
        " interpreter for seconds is heard only behind the runner",
    ),
    "sequence": Demand(
        "the sequence of its beats rises",
        "count beats up from 1 in each attempt; send one whose fate is unknown again as it was",
    ),
    "metrics": Demand(
        "reports metrics",
        "call run.log(epoch=..., loss=...) in the loop; a metric is a number",
    ),
    "progress": Demand(
        "progress rises and reaches 1",
        "call run.progress(total_epochs=...) before the loop and tell each epoch or step",
    ),
    "epochs": Demand(
        "counts its epochs",
        "pass epoch=... to run.log, counted from 1 up to the last one",
    ),
    "checkpoints": Demand(
        "saves checkpoints whole, with the right digest",
        "write the file under another name, rename it, then call run.checkpoint(path, epoch=...);"
        " a checkpoint is told only once it is stored",
    ),
    "artifacts": Demand(
        "leaves artifacts, uploaded whole",
        "call run.artifact(path, 'model/...') for what the job leaves, before run.finish()",
    ),
    "done": Demand(
        "says once how it ended",
        "end with run.finish(), or use `with et.start() as run`; say nothing after it",
    ),
    "bounds": Demand(
        "refuses parameters out of bounds, as the user's fault",
        "check hyperparameters against the manifest's schema before training; raise ValueError",
    ),
    "failure": Demand(
        "does not call a failure a success",
        "let exceptions out, so that the exit code is not 0; what could not be uploaded has failed",
    ),
    "outage": Demand(
        "loses nothing, and tells nothing twice, when nobody answers for a while",
        "leave sending to run.log and the like: they keep what nobody has heard",
    ),
    "result": Demand(
        "leaves its result in the bucket when nobody answers at the end",
        "end with run.finish(); by hand: PUT {done, heartbeats, events} to RESULT_PUT_URL",
    ),
    "spool": Demand(
        "goes on when its spool is full",
        "never let telemetry raise into training; drop the oldest points first, state never",
    ),
    "tokens": Demand(
        "takes the fresh token that a heartbeat is answered with",
        "use data.token of the newest answer for every call from then on",
    ),
    "reissued": Demand(
        "reads the mounted token after a 401",
        "after a 401 read CALLBACK_TOKEN_FILE again, and say it once more with that token",
    ),
    "resume": Demand(
        "goes on from its checkpoint",
        "call run.resume() before the loop, load what it gives, and begin with the epoch after",
    ),
    "stop": Demand(
        "saves and ends within its grace when told to stop",
        "look at run.should_stop each epoch or step; if it is true: checkpoint, finish, exit",
    ),
    "sigterm": Demand(
        "saves and ends within its grace at SIGTERM",
        "look at run.should_stop each epoch or step; do not catch SIGTERM yourself",
    ),
    "stale": Demand(
        "says no more once a newer attempt has taken over",
        "after a 409 with the code STALE_ATTEMPT send nothing and end",
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    verdict: Verdict
    reason: str = ""

    @property
    def demand(self) -> Demand:
        return DEMANDS[self.name]

    def as_dict(self) -> dict[str, Any]:
        failed = self.verdict == "fail"
        return {
            "name": self.name,
            "title": self.demand.title,
            "verdict": self.verdict,
            "reason": self.reason,
            "advice": self.demand.advice if failed else "",
        }


class Broken(Exception):
    """A demand is not met; the message is the reason."""


class NotSeen(Exception):
    """The demand could not be put to this trainer; the message says why."""


def judge(name: str, look: Callable[[], str]) -> Row:
    """`look` returns what it saw, or raises Broken or NotSeen."""
    try:
        return Row(name, "pass", look())
    except NotSeen as reason:
        return Row(name, "skip", str(reason))
    except Broken as reason:
        return Row(name, "fail", str(reason))
