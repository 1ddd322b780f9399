from typing import Any

from eventrain_trainer.logs import BURST, LineChunks


class Teller:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.now = 0.0

    def __call__(self, kind: str, payload: dict[str, Any], weight: int = 0, /) -> None:
        assert kind == "log"
        self.told.append(payload)

    def chunks(self) -> LineChunks:
        return LineChunks("stdout", self, lambda: self.now)

    @property
    def lines(self) -> list[str]:
        return [line for payload in self.told for line in payload["lines"]]


class TestLineChunks:
    def test_joins_a_line_that_came_in_pieces(self) -> None:
        teller = Teller()
        chunks = teller.chunks()
        for piece in (b"ep", b"och 1\nepo", b"ch 2"):
            chunks.feed(piece)
        chunks.close()

        assert teller.lines == ["epoch 1", "epoch 2"]

    def test_takes_a_progress_bar_for_lines(self) -> None:
        teller = Teller()
        chunks = teller.chunks()
        chunks.feed(b"10%\r20%\r\n30%\n")
        chunks.close()

        assert teller.lines == ["10%", "20%", "30%"]

    def test_waits_a_moment_before_it_tells(self) -> None:
        teller = Teller()
        chunks = teller.chunks()
        chunks.feed(b"a\n")
        assert teller.told == []
        teller.now = 1.5
        chunks.flush_if_due()

        assert teller.told == [{"lines": ["a"], "stream": "stdout", "offset": 0}]

    def test_leaves_out_what_is_too_much_and_says_how_much(self) -> None:
        teller = Teller()
        chunks = teller.chunks()
        count = BURST // 100 * 2
        for _ in range(count):
            chunks.feed(b"x" * 99 + b"\n")
        teller.now = 60.0
        chunks.feed(b"later\n")
        chunks.close()

        assert teller.lines[-1] == "later"
        assert teller.told[-1]["dropped"] + len(teller.lines) == count + 1
        assert teller.told[-1]["offset"] == count

    def test_cuts_a_line_without_end(self) -> None:
        teller = Teller()
        chunks = teller.chunks()
        for _ in range(100):
            chunks.feed(b"y" * 10_000)
        chunks.close()

        assert max(len(line) for line in teller.lines) <= 4096

    def test_survives_bytes_that_are_no_text(self) -> None:
        teller = Teller()
        chunks = teller.chunks()
        chunks.feed(b"\xff\xfe\x00\n")
        chunks.close()

        assert teller.lines == ["\ufffd\ufffd\ufffd"]
