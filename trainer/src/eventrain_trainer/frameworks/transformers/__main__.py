"""The program that the runner starts for TRAINER_FRAMEWORK=transformers."""

import os
import sys

import eventrain_trainer as et
from eventrain_trainer.frameworks.transformers.parameters import Parameters
from eventrain_trainer.settings import total_epochs

# Read when transformers is imported: it then asks no hub.
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def main() -> int:
    run = et.start()
    parameters = Parameters.from_mapping(run.hyperparameters, total_epochs(os.environ))
    os.environ.update(OFFLINE)
    from eventrain_trainer.frameworks.transformers.training import train

    return train(run, parameters)


if __name__ == "__main__":
    sys.exit(main())
