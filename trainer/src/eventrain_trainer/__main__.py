"""The commands of this package.

python -m eventrain_trainer run [-- program args]
    Runs a program as a tracked job. Without a program it is the framework that
    TRAINER_FRAMEWORK names. Outside a job it runs all the same and nothing is reported.
python -m eventrain_trainer mock [-- program args]
    A control plane to try a trainer with; --help says how it is told what to do.
python -m eventrain_trainer check PATH
    Holds a trainer against what every trainer must do.
python -m eventrain_trainer new NAME
    Makes the folder of a framework that works at once.
"""

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from eventrain_trainer.runner import CannotRun, program, run
from eventrain_trainer.settings import Settings, SettingsError, TrainerConfig, in_a_job, rank

MISCONFIGURED = 78
# Loaded only when asked for: a pod needs none of them.
FOR_AUTHORS = {
    "mock": "eventrain_trainer.mock.command",
    "check": "eventrain_trainer.check.command",
    "new": "eventrain_trainer.new",
}


def main(argv: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0] in FOR_AUTHORS:
        return importlib.import_module(FOR_AUTHORS[given[0]]).main(given[1:])
    if not given or given[0] != "run":
        sys.stderr.write(__doc__ or "")
        return 2
    command = given[2:] if given[1:2] == ["--"] else given[1:]
    logging.basicConfig(level=logging.INFO, format="eventrain: %(message)s")
    environ = dict(os.environ)
    try:
        if not in_a_job(environ) or rank(environ) > 0:
            become(command, environ)
        return run(Settings.from_environ(environ), command, environ)
    except (SettingsError, CannotRun) as error:
        sys.stderr.write(f"eventrain: {error}\n")
        return MISCONFIGURED


def become(command: Sequence[str], environ: dict[str, str]) -> NoReturn:
    """Nothing to speak for here: this process turns into the program itself."""
    argv = program(command, environ.get("TRAINER_FRAMEWORK", ""), _args(environ))
    os.execvpe(argv[0], argv, environ)


def _args(environ: dict[str, str]) -> tuple[str, ...]:
    return TrainerConfig.from_json(environ.get("TRAINER_CONFIG", "")).args


if __name__ == "__main__":
    sys.exit(main())
