"""What uv prints, in the words that a person who waits is told."""

import pytest

from infra.local.environments.build import reason_in, step_in


class TestStepIn:
    @pytest.mark.parametrize(
        ("line", "step"),
        [
            ("Downloading torch (180.3MiB)", "downloading torch (180.3 MB)"),
            ("Resolved 62 packages in 2.08s", "fetching 62 packages"),
            ("Prepared 1 package in 18.58s", "installing 1 package"),
            (" + torch==2.13.0", None),
        ],
    )
    def test_tells_what_goes_on(self, line: str, step: str | None) -> None:
        assert step_in(line) == step


class TestReasonIn:
    def test_begins_where_uv_says_what_is_wrong(self) -> None:
        lines = [
            "Using Python 3.11.7",
            "× No solution found when resolving dependencies:",
            "╰─▶ Because torch was not found in the package registry",
            "and you require torch, your requirements are unsatisfiable.",
        ]
        assert reason_in(lines) == (
            "No solution found when resolving dependencies: Because torch was not found in the "
            "package registry and you require torch, your requirements are unsatisfiable."
        )

    def test_says_so_where_there_is_nothing_to_tell(self) -> None:
        assert reason_in([]) == "uv failed and did not say why"
