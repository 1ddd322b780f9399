"""Trainers that are bad on purpose, each in one way: the row that must say so, a word of the reason,
and the program. Those that begin with RAW speak the protocol by hand and without a runner."""

from typing import NamedTuple

RAW = """
import hashlib, json, os, sys, time, urllib.error, urllib.request
token = os.environ["CALLBACK_TOKEN"]

def send(method, url, body):
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=2) as answer:
        return json.loads(answer.read() or b"{}")

def say(what, **body):
    return send("POST", os.environ[what.upper() + "_URL"], json.dumps(body).encode())["data"]

def insist(what, **body):
    while True:
        try:
            return say(what, **body)
        except OSError:
            time.sleep(0.1)

def point(step):
    return {"name": "loss", "value": 1 / step, "step": step}

def saved(name, sha256, size=5):
    put = {"name": name, "size": 5}
    uri = say("addresses", puts=[put], gets=[])["puts"][0]
    return {"name": name, "uri": uri["uri"], "sha256": sha256, "size": size}, uri["url"]
"""

SDK = """
import json, os, signal, sys, time
import eventrain_trainer as et
run = et.start()

def save(epoch):
    path = run.work_dir / f"epoch-{epoch}.json"
    path.write_text(json.dumps({"epoch": epoch}))
    run.checkpoint(path, epoch=epoch)
"""
ENDLESSLY = """
for epoch in range(1, 10_000):
    run.log(epoch=epoch, loss=1 / epoch)
    time.sleep(0.1)
"""


class Bad(NamedTuple):
    row: str
    reason: str
    program: str
    options: tuple[str, ...] = ()

    @property
    def alone(self) -> bool:
        return self.program.startswith(RAW) or "--alone" in self.options


BAD = {
    "crashes": Bad("end", "exit 3", "import sys; sys.exit(3)"),
    "hangs": Bad("end", "had not ended", "import time; time.sleep(900)", ("--patience", "4")),
    "is silent for long": Bad(
        "beats",
        "was silent for",
        RAW + "say('heartbeat', sequence=1); time.sleep(4); say('done', outcome='succeeded')",
    ),
    "never beats": Bad("beats", "no heartbeat came", RAW + "say('done', outcome='succeeded')"),
    "counts its beats down": Bad(
        "sequence", "1 after 2", RAW + "say('heartbeat', sequence=2); say('heartbeat', sequence=1)"
    ),
    "says another thing under the same number": Bad(
        "sequence",
        "twice",
        RAW + "say('heartbeat', sequence=1); say('heartbeat', sequence=1, epoch=2)",
    ),
    "measures nothing": Bad("metrics", "told no metric", SDK + "run.finish()"),
    "never says how far it is": Bad(
        "progress", "never told", RAW + "say('heartbeat', sequence=1, points=[point(1)])"
    ),
    "stops telling half-way": Bad(
        "progress", "ended at 0.50", SDK + "run.log(loss=1); run.progress(0.5); run.finish()"
    ),
    "goes backwards": Bad(
        "progress",
        "progress fell",
        RAW
        + "say('heartbeat', sequence=1, progress=0.5); say('heartbeat', sequence=2, progress=0.2)",
    ),
    "counts no epochs": Bad("epochs", "never told an epoch", SDK + "run.log(loss=1); run.finish()"),
    "leaves out the last epochs": Bad(
        "epochs", "epoch 2 of 4", SDK + "run.log(epoch=2, loss=1); run.finish()"
    ),
    "saves nothing": Bad("checkpoints", "saved no checkpoint", SDK + "run.finish()"),
    "tells a wrong digest": Bad(
        "checkpoints",
        "digest",
        RAW
        + "told, url = saved('checkpoints/x', '0' * 64)\n"
        + "send('PUT', url, b'bytes')\n"
        + "now = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())\n"
        + "say('event', type='checkpoint_saved', payload=told, occurredAt=now)",
    ),
    "tells a checkpoint that it never stored": Bad(
        "checkpoints",
        "not in the bucket",
        RAW
        + "told, _ = saved('checkpoints/x', '0' * 64)\n"
        + "now = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())\n"
        + "say('event', type='checkpoint_saved', payload=told, occurredAt=now)",
    ),
    "leaves nothing": Bad("artifacts", "left no artifact", SDK + "run.finish()"),
    "leaves what it never uploaded": Bad(
        "artifacts",
        "not in the bucket",
        RAW
        + "told, _ = saved('artifacts/x', '0' * 64)\n"
        + "say('done', outcome='succeeded', artifacts=[told])",
    ),
    "says twice that it is done": Bad(
        "done",
        "said 2 times",
        RAW + "say('done', outcome='succeeded'); say('done', outcome='succeeded')",
    ),
    "never says that it is done": Bad("done", "never said", SDK, ("--alone",)),
    "beats after its done": Bad(
        "done",
        "sent a heartbeat after",
        RAW + "say('done', outcome='succeeded'); say('heartbeat', sequence=9)",
    ),
    "calls its failure a success": Bad(
        "failure",
        "said succeeded although",
        RAW
        + "told, url = saved('artifacts/x', '0' * 64)\n"
        + "try:\n    send('PUT', url, b'bytes')\nexcept OSError:\n    pass\n"
        + "say('done', outcome='succeeded', artifacts=[told])",
    ),
    "fails without a word": Bad("failure", "said nothing", RAW + "sys.exit(1)"),
    "fails and exits with 0": Bad(
        "failure", "exit code 0", RAW + "say('done', outcome='failed', errorClass='user')"
    ),
    "loses what was not heard": Bad(
        "outage",
        "points were lost",
        RAW
        + "for step in range(1, 6):\n"
        + "    try:\n        say('heartbeat', sequence=step, points=[point(step)])\n"
        + "    except OSError:\n        pass\n"
        + "insist('done', outcome='succeeded')",
    ),
    "tells again under a new number": Bad(
        "outage",
        "told twice",
        RAW
        + "sequence = 0\n"
        + "for step in range(1, 6):\n"
        + "    while True:\n"
        + "        sequence += 1\n"
        + "        try:\n            say('heartbeat', sequence=sequence, points=[point(step)])\n"
        + "            break\n"
        + "        except OSError:\n            time.sleep(0.1)\n"
        + "insist('done', outcome='succeeded')",
    ),
    "dies when nobody answers": Bad(
        "outage",
        "never said how it ended",
        RAW + "say('heartbeat', sequence=1, points=[point(1)]); say('done', outcome='succeeded')",
    ),
    "leaves no result": Bad(
        "result",
        "left nothing",
        RAW + "try:\n    say('done', outcome='succeeded')\n" + "except OSError:\n    sys.exit(1)",
    ),
    "fails when its spool is full": Bad(
        "spool",
        "spool",
        SDK
        + "if int(os.environ.get('SPOOL_BYTES', '9999')) < 1000:\n"
        + "    raise MemoryError('the spool is full')\n"
        + "run.finish()",
    ),
    "keeps its first token": Bad(
        "tokens",
        "old token",
        RAW
        + "for sequence in range(10_000):\n"
        + "    say('heartbeat', sequence=sequence, points=[point(1)]); time.sleep(0.1)",
    ),
    "never reads the mounted token": Bad(
        "reissued",
        "never heard again",
        RAW
        + "for sequence in range(10_000):\n"
        + "    try:\n        say('heartbeat', sequence=sequence)\n"
        + "    except OSError:\n        pass\n"
        + "    time.sleep(0.1)",
    ),
    "begins anew": Bad(
        "resume",
        "though its checkpoint was of",
        SDK
        + "for epoch in range(1, 10_000):\n"
        + "    run.log(epoch=epoch, loss=1 / epoch)\n"
        + "    save(epoch)\n"
        + "    time.sleep(0.3)",
    ),
    "does not save when it is stopped": Bad("stop", "without saving", SDK + ENDLESSLY),
    "calls a stop a success": Bad(
        "stop",
        "it had not finished",
        SDK
        + "epoch = 0\n"
        + "while not run.should_stop:\n"
        + "    epoch += 1\n    run.log(epoch=epoch, loss=1 / epoch)\n    time.sleep(0.1)\n"
        + "save(epoch)\n"
        + "run.finish(outcome='succeeded')",
    ),
    "is deaf to SIGTERM": Bad(
        "sigterm",
        "without saving",
        SDK + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESSLY,
        ("--grace", "4"),
    ),
    "takes too long to go": Bad(
        "sigterm",
        "had not ended",
        SDK + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESSLY,
        ("--grace", "1", "--alone"),
    ),
    "speaks on when it is stale": Bad(
        "stale",
        "after it was told that it is stale",
        RAW
        + "for sequence in range(10_000):\n"
        + "    try:\n        say('heartbeat', sequence=sequence, points=[point(1)])\n"
        + "    except OSError:\n        pass\n"
        + "    time.sleep(0.1)",
    ),
}
MANIFESTS = {
    "name is missing": ("name: bad\n", ""),
    "its folder bad": ("name: bad", "name: good"),
    "takes.gpu is missing": ("  gpu: false\n", ""),
    "is none of": ("from_scratch, pretrain", "from_scratch, dreaming"),
    "is no JSON Schema": ("type: integer\n      minimum: 1", "type: whole\n      minimum: 1"),
    "the default of epochs": ("default: 20", "default: 0"),
    "has no default": ("      default: 20\n", ""),
    "which is no parameter": ("lr: learning_rate", "lr: speed"),
    "is not YAML": ("name: bad", "name: [bad"),
}
