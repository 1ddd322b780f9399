from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.trainer.relay.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path / "files") as shop:
        yield shop
