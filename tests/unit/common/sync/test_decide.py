"""The table of what is decided; that it is carried out is tested with real parts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from common.jobs.state import Status
from common.sync.decide import Limits, decide
from common.sync.decision import (
    Alert,
    Alive,
    Decision,
    DeleteJob,
    Ended,
    Exceeded,
    Gone,
    Note,
    Reissue,
    Settle,
    SetTtl,
    Stalled,
    StopPod,
    Suspect,
)
from common.sync.observe import Key, Past, Row, SeenJob, SeenPod

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits(timedelta(minutes=10), timedelta(minutes=1), timedelta(minutes=15))
CHANGES = (Alive, Ended, Exceeded, Stalled, Gone)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def row_of(status: Status = Status.RUNNING, **changes: object) -> Row:
    row = Row(
        key=Key(uuid4(), 1),
        status=status,
        max_duration=minutes(60),
        stall_policy="mark",
        launched_at=NOW - minutes(5) if status is not Status.PENDING else None,
        run_started_at=NOW - minutes(5) if status is Status.RUNNING else None,
        token_issued_at=NOW - minutes(5),
        last_seen=NOW,
        progressed_at=NOW,
        tells=True,
    )
    return structs.replace(row, **changes)  # type: ignore[arg-type]


def job_of(row: Row, **changes: object) -> SeenJob:
    name = f"train-{row.key.job_id}-{row.key.attempt}"
    return structs.replace(SeenJob(row.key, name, "u"), **changes)  # type: ignore[arg-type]


def pod_of(row: Row, phase: str = "Running", **changes: object) -> SeenPod:
    pod = SeenPod(row.key, "p", "u", phase, running=phase == "Running")
    return structs.replace(pod, **changes)  # type: ignore[arg-type]


def look(
    row: Row,
    job: SeenJob | None = None,
    pod: SeenPod | None = None,
    limits: Limits = LIMITS,
) -> list[Decision]:
    jobs, pods = {row.key: job} if job else {}, {row.key: pod} if pod else {}
    return decide([row], jobs, pods, {}, now=NOW, limits=limits)


def kinds(decisions: list[Decision]) -> list[type]:
    return [type(each) for each in decisions if not isinstance(each, Note)]


class TestLiveJobs:
    def test_asks_nothing_of_what_runs_well(self):
        row = row_of()
        assert kinds(look(row, job_of(row), pod_of(row))) == []

    @pytest.mark.parametrize("status", [Status.PENDING, Status.QUEUED])
    def test_finds_a_running_pod_alive(self, status: Status):
        row = row_of(status)
        assert kinds(look(row, job_of(row), pod_of(row))) == [Alive]

    def test_asks_for_no_job_of_a_launch_that_was_not_made(self):
        assert look(row_of(Status.PENDING)) == []

    def test_suspects_an_absent_job(self):
        assert kinds(look(row_of())) == [Suspect]

    @pytest.mark.parametrize(("seconds", "final"), [(29, False), (30, True)])
    def test_gives_a_trainer_half_a_minute_after_its_pods_end(self, seconds: int, final: bool):
        row, ended_at = row_of(), NOW - timedelta(seconds=seconds)
        pod = pod_of(row, "Failed", ended_at=ended_at, exit_code=1)
        (ended,) = [d for d in look(row, job_of(row), pod) if isinstance(d, Ended)]
        assert (ended.final, ended.evidence.exit_code) == (final, 1)

    def test_looks_at_the_end_before_the_limits(self):
        row = row_of(run_started_at=NOW - minutes(61))
        pod = pod_of(row, "Succeeded", ended_at=NOW)
        assert kinds(look(row, job_of(row, finished="Complete"), pod)) == [Ended]

    def test_remembers_why_a_pod_was_disrupted_that_is_gone(self):
        row = row_of(observed={"reasons": ["EvictionByEvictionAPI"]})
        job = job_of(row, finished="Failed", finished_at=NOW, reason="BackoffLimitExceeded")
        (ended,) = [d for d in look(row, job) if isinstance(d, Ended)]
        assert ended.evidence.reasons == (
            "EvictionByEvictionAPI",
            "BackoffLimitExceeded",
            "PodVanished",
        )

    @pytest.mark.parametrize(("ran", "kind"), [(60, []), (60.1, [Exceeded])])
    def test_adds_up_the_running_time_of_all_attempts(self, ran: float, kind: list[type]):
        row = row_of(ran_seconds=50 * 60, run_started_at=NOW - minutes(ran - 50))
        assert kinds(look(row, job_of(row), pod_of(row))) == kind

    def test_starts_to_count_when_it_first_sees_a_bad_state(self):
        row = row_of(Status.QUEUED)
        pod = pod_of(row, "Pending", bad=("ImagePullBackOff", "no such image"))
        (note,) = look(row, job_of(row), pod)
        assert isinstance(note, Note)
        assert note.first_bad_at == NOW
        assert note.waiting_for == (
            "its image cannot be pulled (ImagePullBackOff: no such image). Check the image's name"
            " and tag, and that the cluster may pull it. After 15 minutes of this it fails."
        )

    def test_says_what_is_done_for_a_pod_that_is_being_made_and_never_counts_it_as_bad(self):
        row = row_of(Status.QUEUED)
        step = "building the environment of trainer-pytorch: downloading torch (180 MB)"
        pod = pod_of(row, "Pending", creating=True, step=step)
        (note,) = look(row, job_of(row), pod)
        assert isinstance(note, Note)
        assert (note.waiting_for, note.first_bad_at) == (step, None)
        late = structs.replace(row, launched_at=NOW - minutes(600), first_bad_at=NOW - minutes(60))
        assert kinds(look(late, job_of(late), pod)) == []

    def test_takes_a_pod_that_never_started_for_that_and_not_for_one_that_ran_too_long(self):
        row = row_of(Status.QUEUED)
        bad = ("ErrImagePull", "no such image")
        pod = pod_of(row, "Failed", bad=bad, reasons=("DeadlineExceeded",))
        (ended,) = [each for each in look(row, job_of(row), pod) if isinstance(each, Ended)]
        assert ended.reason == "could not start: ErrImagePull no such image"
        assert ended.evidence.reasons == ("ErrImagePull", "StartLimitExceeded")

    def test_tells_since_when_the_cluster_shows_what_it_shows(self):
        row = row_of(Status.QUEUED)
        (first,) = look(row, job_of(row), pod_of(row, "Pending"))
        assert isinstance(first, Note)
        assert first.observed == {"job": "active", "phase": "Pending", "since": NOW.isoformat()}
        seen = structs.replace(row, observed=first.observed)
        assert look(seen, job_of(seen), pod_of(seen, "Pending")) == []

    @pytest.mark.parametrize(("watched", "kind"), [(True, [Exceeded]), (False, [])])
    def test_counts_a_bad_state_only_while_it_was_watched(self, watched: bool, kind: list[type]):
        row = row_of(Status.QUEUED, first_bad_at=NOW - minutes(16))
        pod = pod_of(row, "Pending", bad=("Unschedulable", "no GPU"))
        limits = replace(LIMITS, watched=watched)
        assert kinds(look(row, job_of(row), pod, limits)) == kind

    def test_counts_no_wait_that_is_not_bad(self):
        row = row_of(Status.QUEUED, launched_at=NOW - minutes(600))
        assert kinds(look(row, job_of(row), pod_of(row, "Pending"))) == []

    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({"progressed_at": NOW - minutes(11)}, [Stalled]),
            ({"last_seen": NOW - minutes(11), "progressed_at": NOW - minutes(11)}, [Stalled]),
            ({"progressed_at": NOW - minutes(11), "tells": False}, []),
            ({"last_seen": None, "progressed_at": None, "tells": False}, []),
            ({"progressed_at": NOW - minutes(11), "stalled_at": NOW}, []),
            (
                {"progressed_at": NOW - minutes(11), "stalled_at": NOW, "stall_policy": "fail"},
                [Exceeded],
            ),
            (
                {
                    "progressed_at": NOW - minutes(11),
                    "last_seen": NOW - minutes(11),
                    "stalled_at": NOW,
                    "stall_policy": "fail",
                },
                [],
            ),
        ],
    )
    def test_tells_stalled_from_silent(self, changes: dict[str, object], kind: list[type]):
        row = row_of(**({"run_started_at": NOW - minutes(20)} | changes))
        if changes.get("last_seen", NOW) is None:
            row = structs.replace(row, run_started_at=NOW - minutes(5))
        assert kinds(look(row, job_of(row), pod_of(row))) == kind

    @pytest.mark.parametrize(("hours", "kind"), [(2.9, []), (3.1, [Reissue])])
    def test_renews_a_token_past_half_of_its_life(self, hours: float, kind: list[type]):
        row = row_of(token_issued_at=NOW - timedelta(hours=hours))
        assert kinds(look(row, job_of(row), pod_of(row))) == kind

    def test_notes_nothing_where_nothing_changed(self):
        row = row_of()
        (note,) = look(row, job_of(row), pod_of(row))
        assert isinstance(note, Note)
        seen = structs.replace(row, observed=note.observed)
        assert look(seen, job_of(seen), pod_of(seen)) == []


class TestCancelling:
    def test_stops_the_pod_once(self):
        row = row_of(cancel_requested_at=NOW)
        assert kinds(look(row, job_of(row), pod_of(row))) == [StopPod]
        assert kinds(look(row, job_of(row), pod_of(row, deleting=True))) == []

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    def test_is_over_with_the_pod_whatever_its_exit(self, phase: str):
        row = row_of(cancel_requested_at=NOW)
        job = job_of(row, finished="Failed")
        assert kinds(look(row, job, pod_of(row, phase, ended_at=NOW))) == [Gone]

    def test_keeps_a_pod_from_being_made(self):
        row = row_of(Status.QUEUED, cancel_requested_at=NOW)
        assert kinds(look(row, job_of(row))) == [DeleteJob, Gone]

    def test_is_over_with_the_grace(self):
        row = row_of(cancel_requested_at=NOW - minutes(1))
        assert kinds(look(row, job_of(row), pod_of(row, deleting=True))) == [Gone]
        assert kinds(look(row)) == [Gone]


class TestPasts:
    key = Key(UUID(int=1), 1)

    def past(self, past: Past, job: SeenJob | None) -> list[type]:
        jobs = {self.key: job} if job else {}
        return kinds(decide([], jobs, {}, {self.key: past}, now=NOW, limits=LIMITS))

    def job(self, **changes: object) -> SeenJob:
        return structs.replace(SeenJob(self.key, "n", "u"), **changes)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("past", "job", "decided"),
        [
            (Past(True, live=True), {}, []),
            (Past(), {}, [DeleteJob]),
            (Past(), {"finished": "Failed"}, [SetTtl]),
            (Past(True, ended_at=NOW), {}, [Settle, DeleteJob]),
            (Past(True, ended_at=NOW, told=True), {}, []),
            (Past(True, ended_at=NOW - minutes(1), told=True), {}, [Settle, DeleteJob]),
            (Past(True, ended_at=NOW), {"finished": "Complete"}, [Settle]),
            (Past(True, ended_at=NOW, settled_at=NOW), {"finished": "Complete"}, [SetTtl]),
            (Past(True, ended_at=NOW, settled_at=NOW), {"finished": "Complete", "ttl": 9}, []),
            (Past(True, ended_at=NOW, settled_at=NOW), {"deleting": True}, []),
            (Past(True, ended_at=NOW), None, []),
            (Past(True, ended_at=NOW - minutes(1)), None, [Settle]),
        ],
    )
    def test_lets_nothing_run_and_nothing_be_forgotten_too_soon(
        self, past: Past, job: dict[str, object] | None, decided: list[type]
    ):
        assert self.past(past, None if job is None else self.job(**job)) == decided


class TestMassAbsence:
    @pytest.mark.parametrize(
        ("total", "absent", "alert"),
        [
            (1, 1, False),
            (2, 1, False),
            (2, 2, True),
            (4, 3, False),
            (4, 4, True),
            (5, 5, True),
            (40, 4, False),
            (50, 5, False),
            (49, 5, True),
        ],
    )
    def test_is_not_believed_past_a_tenth(self, total: int, absent: int, alert: bool):
        rows = [row_of() for _ in range(total)]
        jobs = {row.key: job_of(row) for row in rows[absent:]}
        pods = {row.key: pod_of(row) for row in rows[absent:]}
        decided = decide(rows, jobs, pods, {}, now=NOW, limits=LIMITS)
        assert any(isinstance(d, Alert) for d in decided) == alert
        if alert:
            assert kinds(decided) == [Alert]

    def test_of_a_few_is_believed_where_the_listing_shows_another_job(self):
        rows = [row_of(), row_of()]
        over = job_of(row_of(), finished="Complete")
        decided = decide(rows, {over.key: over}, {}, {}, now=NOW, limits=LIMITS)
        assert [type(d) for d in decided].count(Suspect) == 2

    @given(
        st.lists(st.sampled_from([*Status][:3]), max_size=12),
        st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
        st.booleans(),
        st.booleans(),
        st.integers(0, 3000),
    )
    def test_changes_each_job_at_most_once(
        self, statuses: list[Status], phase: str, listed: bool, cancelling: bool, age: int
    ):
        asked = NOW - minutes(age) if cancelling else None
        rows = [
            row_of(s, cancel_requested_at=asked, last_seen=NOW - minutes(age)) for s in statuses
        ]
        jobs = {row.key: job_of(row) for row in rows} if listed else {}
        pods = {row.key: pod_of(row, phase) for row in rows} if listed else {}
        decided = decide(rows, jobs, pods, {}, now=NOW, limits=LIMITS)
        changed = [d.row.key for d in decided if isinstance(d, CHANGES)]
        assert len(changed) == len(set(changed))
