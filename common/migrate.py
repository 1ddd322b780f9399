"""`python -m common.migrate`: brings the schema of DATABASE_URL to the newest revision.

Safe to run at any time and by several at once: a lock lets one go first, and the others then find
nothing left to do.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config() -> Config:
    """Alembic's settings, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def main() -> None:
    command.upgrade(alembic_config(), "head")


if __name__ == "__main__":
    main()
