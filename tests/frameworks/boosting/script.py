"""Boosts twenty rounds with the library that its argument names, and says what it stopped at."""

import os
import sys
import time

import eventrain_trainer as et
import numpy as np

ROUNDS = 20


def main(library: str) -> int:
    run = et.start()
    if os.environ.get("UNTIL_ASKED_TO_STOP") and not run.should_stop:
        run.event("waiting")
        while not run.should_stop:
            time.sleep(0.05)
    chance = np.random.default_rng(0)
    rows = chance.random((200, 4))
    truth = (rows[:, 0] > 0.5).astype(int)
    done = (
        with_xgboost(run, rows, truth) if library == "xgboost" else with_lightgbm(run, rows, truth)
    )
    print(f"made {done} rounds")
    run.finish()
    return 143 if run.should_stop else 0


def with_xgboost(run: et.Run, rows: np.ndarray, truth: np.ndarray) -> int:
    import xgboost
    from eventrain_trainer.integrations.xgboost import EventrainCallback

    callback = EventrainCallback(run, rounds=ROUNDS, checkpoint_every=4)
    data = xgboost.DMatrix(rows, truth)
    model = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 2, "eta": 0.3, "nthread": 1},
        data,
        callback.rounds_left,
        evals=[(data, "train")],
        verbose_eval=False,
        xgb_model=callback.base,
        callbacks=[callback],
    )
    return model.num_boosted_rounds()


def with_lightgbm(run: et.Run, rows: np.ndarray, truth: np.ndarray) -> int:
    import lightgbm
    from eventrain_trainer.integrations.lightgbm import EventrainCallback

    callback = EventrainCallback(run, rounds=ROUNDS, checkpoint_every=4)
    data = lightgbm.Dataset(rows, truth)
    model = lightgbm.train(
        {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1},
        data,
        callback.rounds_left,
        valid_sets=[data],
        valid_names=["train"],
        init_model=callback.base,
        callbacks=[callback],
    )
    return model.current_iteration()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
