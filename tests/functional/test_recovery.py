"""What happens when a part is away: nothing, a little later."""

import time
from typing import Any

from tests.functional.test_journey import REGISTERED, has_learnt, is_registered
from tests.functional.user import User
from tests.functional.world import World

SHORT = {"epochs": 2}


class TestRecovery:
    def test_starts_a_function_that_sleeps_with_the_first_request(
        self, user: User, world: World
    ) -> None:
        user.data("GET", "/training/gpu-types")
        world.put_to_sleep("gpu-types")
        assert not world.is_awake("gpu-types")

        assert user.data("GET", "/training/gpu-types")["gpuTypes"]

        assert world.is_awake("gpu-types")

    def test_launches_a_job_by_the_clock_when_its_event_reaches_nobody(
        self, user: User, world: World
    ) -> None:
        with world.without("launch-job"):
            job_id = user.submit(hyperparameters=SHORT)["id"]
            user.wait(job_id, has_learnt)

        job = user.wait(job_id, is_registered)

        assert (job["status"], job["attempt"]) == ("succeeded", 1)
        assert user.timeline(job_id) == REGISTERED

    def test_keeps_an_event_that_nobody_took_and_does_nothing_twice_when_it_is_sent_again(
        self, user: User, world: World
    ) -> None:
        with world.without("launch-job"):
            job_id = user.submit(hyperparameters=SHORT)["id"]
            letter = self._letter_about(user, job_id)
        assert letter["type"] == "dev.eventrain.job.submitted.v1"
        assert world.person("member").ask("GET", "/admin/dead-letters").status_code == 403

        sent = user.data("POST", f"/admin/dead-letters/{letter['id']}/replay")

        assert sent["replayedAt"]
        assert sent["data"]["jobId"] == job_id
        user.wait(job_id, is_registered)
        user.data("POST", f"/admin/dead-letters/{letter['id']}/replay")
        assert user.timeline(job_id) == REGISTERED
        assert len(user.pages(f"/training/jobs/{job_id}/attempts", "attempts")) == 1

    def test_fails_a_job_that_may_not_be_launched_and_says_why(
        self, user: User, world: World
    ) -> None:
        with world.denying("create", "jobs"):
            job = user.wait(user.submit(hyperparameters=SHORT)["id"])

        assert job["status"] == "failed"
        assert "forbidden" in job["statusReason"]

    def test_brings_a_job_to_its_end_while_nobody_may_look_at_it(
        self, user: User, world: World
    ) -> None:
        with world.denying("list", "jobs"):
            job = user.wait(user.submit(hyperparameters=SHORT)["id"], is_registered)

        assert (job["status"], job["attempt"]) == ("succeeded", 1)

    def _letter_about(self, user: User, job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60 * user.patience
        while True:
            found = [letter for letter in user.dead_letters() if letter["subject"] == job_id]
            if found:
                return found[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)
