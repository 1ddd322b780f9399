import pytest
from eventrain_trainer.outcome import classify_error, classify_exit, exit_status
from eventrain_trainer.transfer import TransferError


class TestClassifyExit:
    @pytest.mark.parametrize(
        ("code", "last", "error_class", "reported"),
        [
            (-9, "", "transient", 137),
            (137, "", "transient", 137),
            (-15, "", "transient", 143),
            (143, "", "transient", 143),
            (-7, "", "transient", 135),
            (-11, "", "permanent", 139),
            (-6, "", "permanent", 134),
            (127, "sh: train: not found", "permanent", 127),
            (1, "MemoryError", "transient", 1),
            (1, "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried", "transient", 1),
            (1, "numpy._core._exceptions._ArrayMemoryError: Unable to", "transient", 1),
            (1, "RuntimeError: CUDA error: out of memory", "transient", 1),
            (1, "requests.exceptions.ConnectionError: refused", "transient", 1),
            (1, "ConnectionResetError: [Errno 104]", "transient", 1),
            (1, "TimeoutError", "transient", 1),
            (1, "OSError: [Errno 28] No space left on device", "transient", 1),
            (1, "eventrain_trainer.transfer.TransferError: gone", "transient", 1),
            (1, "ValueError: bad shape", "user", 1),
            (1, "ModuleNotFoundError: No module named 'x'", "user", 1),
            (1, "SyntaxError: invalid syntax", "user", 1),
            (2, "usage: train.py [-h]", "user", 2),
            (1, "", "user", 1),
            (255, "", "user", 255),
        ],
    )
    def test_says_what_an_exit_means(
        self, code: int, last: str, error_class: str, reported: int
    ) -> None:
        ending = classify_exit(code, ["Traceback (most recent call last):", last])

        assert (ending.outcome, ending.error_class, ending.exit_code) == (
            "failed",
            error_class,
            reported,
        )

    def test_zero_is_success(self) -> None:
        assert classify_exit(0, ["ValueError: only printed"]).outcome == "succeeded"

    def test_the_last_exception_decides(self) -> None:
        lines = ["ConnectionError: first", "During handling another occurred:", "KeyError: 'x'"]

        assert classify_exit(1, lines).error_class == "user"

    def test_shows_the_last_lines(self) -> None:
        message = classify_exit(1, [f"line {i}" for i in range(100)]).message

        assert "line 99" in message
        assert "line 80" not in message


class TestClassifyError:
    @pytest.mark.parametrize(
        ("error", "error_class"),
        [
            (MemoryError(), "transient"),
            (BrokenPipeError(), "transient"),
            (TransferError("gone"), "transient"),
            (RuntimeError("CUDA out of memory"), "transient"),
            (ValueError("x"), "user"),
            (KeyError("x"), "user"),
            (SyntaxError("x"), "user"),
        ],
    )
    def test_knows_an_exception_by_its_ancestors(
        self, error: BaseException, error_class: str
    ) -> None:
        assert classify_error(error) == error_class


def test_a_signal_is_spelled_as_a_shell_does() -> None:
    assert [exit_status(code) for code in (0, 3, -9, -15)] == [0, 3, 137, 143]
