"""The program that the runner starts for TRAINER_FRAMEWORK=ultralytics."""

import os
import sys

import eventrain_trainer as et
from eventrain_trainer.frameworks.ultralytics.parameters import Parameters
from eventrain_trainer.settings import total_epochs

# Read when ultralytics is imported: it then asks nobody, tells nobody and installs nothing.
OFFLINE = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


def main() -> int:
    run = et.start()
    parameters = Parameters.from_mapping(run.hyperparameters, total_epochs(os.environ))
    config = run.work_dir.resolve() / ".ultralytics"
    config.mkdir(exist_ok=True)
    os.environ.update(OFFLINE, YOLO_CONFIG_DIR=str(config))
    from eventrain_trainer.frameworks.ultralytics.training import train

    return train(run, parameters)


if __name__ == "__main__":
    sys.exit(main())
