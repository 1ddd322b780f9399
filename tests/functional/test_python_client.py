"""What docs/python-client.md shows, run block after block as a reader would."""

import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.functional.stack import Up
from tests.postgres_server import CLONE

PAGE = (CLONE / "docs" / "python-client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.timeout(300)
def test_every_block_of_the_page_runs(
    up: Up, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("EVENTRAIN")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EVENTRAIN_HOME", str(up.home))
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"__name__": "page"}
    said: list[str] = []
    for block in BLOCKS:
        with redirect_stdout(io.StringIO()) as told:
            exec(compile(block, "docs/python-client.md", "exec"), known)  # noqa: S102 - our own page
        said.append(told.getvalue())

    assert len(BLOCKS) == 7
    first, own_code, live, _, awaited, refused, _ = said
    assert "model" in first
    assert "trained" in own_code
    assert "job.started" in live
    assert awaited.splitlines()[-1] == "['succeeded', 'succeeded']"
    assert refused.startswith("422 ")
