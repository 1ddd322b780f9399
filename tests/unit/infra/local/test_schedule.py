from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from infra.local import schedule
from infra.local.problem import ManifestProblem

NOW = datetime(2026, 3, 14, 15, 9, 26, 500_000, tzinfo=UTC)


def after(text: str, now: datetime = NOW) -> str:
    return schedule.read(text).after(now, UTC).strftime("%Y-%m-%d %H:%M:%S")


class TestSchedule:
    @pytest.mark.parametrize(
        ("text", "due"),
        [
            ("*/30 * * * * *", "2026-03-14 15:09:30"),
            ("*/2 * * * * *", "2026-03-14 15:09:28"),
            ("* * * * *", "2026-03-14 15:10:00"),
            ("5 * * * *", "2026-03-14 16:05:00"),
            ("0 9-17/4 * * *", "2026-03-14 17:00:00"),
            ("15,45 9 * * mon-fri", "2026-03-16 09:15:00"),
            ("0 0 1 jan *", "2027-01-01 00:00:00"),
            ("0 0 29 2 *", "2028-02-29 00:00:00"),
            ("0 0 * * 7", "2026-03-15 00:00:00"),
            ("0 0 20 * mon", "2026-03-16 00:00:00"),
            ("@hourly", "2026-03-14 16:00:00"),
            ("@every 90s", "2026-03-14 15:10:56"),
        ],
    )
    def test_the_next_moment_is_the_first_that_fits(self, text: str, due: str) -> None:
        assert after(text) == due

    def test_a_moment_that_fits_is_not_answered_for_itself(self) -> None:
        exactly = NOW.replace(second=30, microsecond=0)
        assert after("*/30 * * * * *", exactly) == "2026-03-14 15:10:00"

    def test_hours_are_those_of_the_zone(self) -> None:
        due = schedule.read("0 9 * * *").after(NOW, ZoneInfo("Asia/Tokyo"))
        assert due.astimezone(UTC) == datetime(2026, 3, 15, 0, 0, tzinfo=UTC)

    def test_it_moves_on_where_the_clocks_are_set_back(self) -> None:
        zone = ZoneInfo("Europe/Berlin")
        now = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
        for _ in range(10):
            due = schedule.read("*/20 * * * *").after(now, zone)
            assert timedelta(0) < due - now <= timedelta(minutes=80)
            now = due

    @pytest.mark.parametrize("text", ["", "* * *", "60 * * * *", "*/0 * * * *", "a * * * *", "@x"])
    def test_what_is_no_schedule_is_refused(self, text: str) -> None:
        with pytest.raises(ManifestProblem):
            schedule.read(text)
