"""docs/trainer-debugging.md speaks of what the code says."""

import re
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[3]
PAGE = (CLONE / "docs" / "trainer-debugging.md").read_text(encoding="utf-8")
SOURCES = ("trainer/src", "common", "infra/base/config", "infra/cli", "functions")
QUOTED = sorted({quote for quote in re.findall(r"`([^`\n]+\.\.\.[^`\n]*)`", PAGE) if " " in quote})
TITLES = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def code() -> str:
    """All that may say something, its strings put together as Python does."""
    kinds = {".py", ".yaml"}
    files = [path for name in SOURCES for path in (CLONE / name).rglob("*") if path.suffix in kinds]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return re.sub(r'"\s*\n\s*f?"', "", text)


class TestTheDebuggingPage:
    @pytest.mark.parametrize("quote", QUOTED)
    def test_quotes_what_is_said(self, code: str, quote: str) -> None:
        said = re.sub(r"^eventrain: ", "", quote)
        pieces = [piece.strip(" :0123456789/") for piece in said.split("...")]
        missing = [piece for piece in pieces if piece and piece not in code]
        assert not missing

    @pytest.mark.parametrize("link", re.findall(r"\]\(#([a-z-]+)\)", PAGE))
    def test_leads_to_parts_that_are_there(self, link: str) -> None:
        anchors = [re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in TITLES]
        assert link in anchors
