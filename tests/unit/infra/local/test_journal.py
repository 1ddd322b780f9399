from pathlib import Path

from infra.local.journal import Journal


class TestJournal:
    def test_tells_a_sentence_once_a_minute_and_writes_every_one(self, tmp_path: Path) -> None:
        now, told = [0.0], list[str]()
        journal = Journal(tmp_path / "stack.log", told.append, lambda: now[0])
        for moment in (0.0, 30.0, 61.0):
            now[0] = moment
            journal("it fell over")
        journal("it is gone")
        assert told == ["it fell over", "it fell over", "it is gone"]
        assert len((tmp_path / "stack.log").read_text().splitlines()) == 4

    def test_tells_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        told: list[str] = []
        Journal(tmp_path / "missing" / "stack.log", told.append)("it fell over")
        assert told == ["it fell over"]
