from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from common.jobs.retry import Evidence, RetryRules, delay, failure
from common.jobs.state import Status, Trigger
from common.jobs.transition import Standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONFIG = Path(__file__).parents[4] / "infra/base/config/retry-rules.yaml"


def middle() -> float:
    return 0.5


@pytest.fixture
def rules() -> RetryRules:
    return RetryRules.parse(CONFIG.read_bytes())


@pytest.fixture
def job() -> Standing:
    return Standing(
        id=uuid4(),
        project_id=uuid4(),
        status=Status.RUNNING,
        attempt=1,
        retry_count=0,
        preemption_count=0,
        max_retries=3,
        backoff_seconds=30,
        sequence=3,
        cancel_requested_at=None,
        run_started_at=NOW,
        ran_seconds=0,
        auto_register=True,
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        stall_policy="mark",
        stalled_at=None,
        output_model_name="m",
        output_model_version="1",
        output_model_storage_uri=None,
    )


class TestClassify:
    @pytest.mark.parametrize(
        ("evidence", "error_class", "rule", "budget"),
        [
            (Evidence(reasons=("Evicted",), exit_code=1), "transient", "evicted", "preemptions"),
            (Evidence(reasons=("OOMKilled",), exit_code=137), "user", "out-of-memory", "retries"),
            (Evidence(reasons=("MaxDurationExceeded",)), "user", "deadline-exceeded", "retries"),
            (Evidence(exit_code=143), "transient", "terminated", "preemptions"),
            (Evidence(exit_code=137), "transient", "killed", "retries"),
            (Evidence(exit_code=139), "permanent", "crashed", "retries"),
            (Evidence(error_class="user", exit_code=143), "user", "trainer-says-user", "retries"),
            (
                Evidence(error_class="transient", exit_code=143),
                "transient",
                "told-to-stop",
                "preemptions",
            ),
            (
                Evidence(error_class="transient", exit_code=1),
                "transient",
                "trainer-says-transient",
                "retries",
            ),
            (
                Evidence(exit_code=1, log_tail="a\nRuntimeError: CUDA error: sick\nb"),
                "transient",
                "gpu-fault",
                "retries",
            ),
            (Evidence(exit_code=1), "permanent", "unknown", "retries"),
            (
                Evidence(reasons=("EndedWithoutResult",)),
                "permanent",
                "ended-without-a-result",
                "retries",
            ),
        ],
    )
    def test_takes_the_first_rule_that_matches(
        self, rules: RetryRules, evidence: Evidence, error_class: str, rule: str, budget: str
    ):
        verdict = rules.classify(evidence)
        assert (verdict.error_class, verdict.rule, verdict.budget) == (error_class, rule, budget)

    def test_shows_the_line_that_it_went_by(self, rules: RetryRules):
        verdict = rules.classify(Evidence(log_tail="fine\nNCCL error 3\nfine"))
        assert verdict.line == "NCCL error 3"

    def test_is_permanent_where_no_rule_matches(self):
        assert RetryRules.parse(b"rules: []").classify(Evidence()).error_class == "permanent"

    @pytest.mark.parametrize(
        "content",
        [
            b"rules: [{name: a, when: {exitCode: [1]}, class: user}]",
            b"rules: [{name: a, when: {}, class: maybe}]",
        ],
    )
    def test_refuses_a_table_with_a_word_it_does_not_know(self, content: bytes):
        with pytest.raises(msgspec.ValidationError):
            RetryRules.parse(content)


class TestFailure:
    def test_retries_a_transient_failure_while_the_budget_lasts(
        self, rules: RetryRules, job: Standing
    ):
        evidence = Evidence(error_class="transient", exit_code=1)
        left: list[int] = []
        for used in range(3):
            trigger, found = failure(
                replace(job, retry_count=used), evidence, rules=rules, now=NOW, jitter=middle
            )
            assert trigger is Trigger.FAILED_RETRYABLE
            assert found.not_before == NOW + timedelta(seconds=30 * 2**used)
            left.append(found.budget_left)
        assert left == [2, 1, 0]
        spent = replace(job, retry_count=3)
        trigger, found = failure(spent, evidence, rules=rules, now=NOW, jitter=middle)
        assert (trigger, found.not_before) == (Trigger.FAILED, None)

    @pytest.mark.parametrize("error_class", ["user", "permanent"])
    def test_never_retries_what_would_end_the_same(
        self, rules: RetryRules, job: Standing, error_class: str
    ):
        evidence = Evidence(error_class=error_class)  # pyright: ignore[reportArgumentType]
        trigger, found = failure(job, evidence, rules=rules, now=NOW, jitter=middle)
        assert (trigger, found.budget_left) == (Trigger.FAILED, 3)

    def test_never_retries_once_a_cancel_was_asked_for(self, rules: RetryRules, job: Standing):
        cancelling = replace(job, cancel_requested_at=NOW)
        evidence = Evidence(error_class="transient")
        assert (
            failure(cancelling, evidence, rules=rules, now=NOW, jitter=middle)[0] is Trigger.FAILED
        )

    def test_takes_a_preemption_from_a_budget_of_its_own(self, rules: RetryRules, job: Standing):
        spent = replace(job, retry_count=3, preemption_count=9)
        evidence = Evidence(reasons=("Preempted",))
        trigger, found = failure(spent, evidence, rules=rules, now=NOW, jitter=middle)
        assert (trigger, found.budget, found.budget_left) == (
            Trigger.FAILED_RETRYABLE,
            "preemptions",
            0,
        )
        gone = replace(spent, preemption_count=10)
        assert failure(gone, evidence, rules=rules, now=NOW, jitter=middle)[0] is Trigger.FAILED

    def test_refills_the_preemption_budget_by_progress(self, rules: RetryRules, job: Standing):
        spent = replace(job, preemption_count=10)
        evidence = Evidence(reasons=("Preempted",), progressed=True)
        trigger, found = failure(spent, evidence, rules=rules, now=NOW, jitter=middle)
        assert trigger is Trigger.FAILED_RETRYABLE
        assert (found.budget_left, found.progressed) == (9, True)
        assert found.not_before == NOW + timedelta(seconds=30)


class TestDelay:
    def test_grows_to_a_quarter_of_an_hour_and_no_further(self):
        delays = [delay(30, n, middle).total_seconds() for n in (0, 1, 4, 5, 6, 10_000)]
        assert delays == [30, 60, 480, 900, 900, 900]

    def test_spreads_by_a_fifth_either_way(self):
        assert delay(100, 0, lambda: 0.0).total_seconds() == pytest.approx(80)
        assert delay(100, 0, lambda: 1.0).total_seconds() == pytest.approx(120)
