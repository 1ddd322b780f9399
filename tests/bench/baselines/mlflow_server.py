"""MLflow's own tracking server, `log-batch`, with its pool raised.

Fair: it is what many would point a heartbeat at, with one worker as every other contender has, on
the same Postgres, without its job execution, and with a pool that does not deadlock as the default
one does. It checks no token, knows no attempts, and so hears none of older ones.

This one runs in an environment of its own, `.venvs/bench-mlflow`, and imports nothing of ours.
"""

import os
import sys

POOL = "100"


def main() -> None:
    database = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
    settings = {
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": POOL,
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "0",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    arguments = [
        *("-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"),
        *("--host", "127.0.0.1", "--port", os.environ["PORT"]),
        *("--default-artifact-root", "s3://nowhere/bench"),
        *("--uvicorn-opts", "--log-level warning --no-access-log"),
    ]
    os.execve(sys.executable, [sys.executable, *arguments], {**os.environ, **settings})


if __name__ == "__main__":
    main()
