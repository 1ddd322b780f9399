"""The stream of a list of jobs."""

import asyncpg
import httpx

from common.jobs.state import Status, Trigger
from tests.catalogue import OTHER_PROJECT, bearer
from tests.jobs import PROJECT, make_job
from tests.sse import events, opened
from tests.watching import beat, change, until

LIVE = "/llm-ops/v1/training/jobs/live"


class TestAList:
    async def test_begins_with_the_page_and_goes_on_with_what_changes_in_it(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        first, second = await make_job(pool, Status.RUNNING), await make_job(pool)
        async with opened(http, LIVE, **bearer()) as answer:
            told = events(answer)
            page = await anext(told)
            assert page.event == "page"
            assert {job["id"] for job in page.data["jobs"]} == {str(first), str(second)}
            await change(pool, second, Trigger.ALIVE)
            changed = await anext(told)
            assert (changed.event, changed.data["id"]) == ("job", str(second))
            assert changed.data["status"] == "running"
            third = await make_job(pool)
            assert (await anext(told)).data["id"] == str(third)
            await beat(pool, first, 7)
            moved = await anext(told)
            assert (moved.data["id"], moved.data["progress"]) == (str(first), 0.07)

    async def test_says_what_has_left_its_page(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await make_job(pool)
        async with opened(http, f"{LIVE}?status=running", **bearer()) as answer:
            told = events(answer)
            page = await anext(told)
            assert [job["id"] for job in page.data["jobs"]] == [str(job_id)]
            await change(pool, job_id, Trigger.SUCCEEDED)
            gone = await until(told, lambda t: t.event == "gone")
            assert gone[-1].data == {"id": str(job_id)}

    async def test_is_as_long_as_was_asked_for(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        for _ in range(3):
            await make_job(pool, labels={"team": "vision"})
        await make_job(pool)
        async with opened(http, f"{LIVE}?label=team=vision&limit=2", **bearer()) as answer:
            told = events(answer)
            before = {job["id"] for job in (await anext(told)).data["jobs"]}
            assert len(before) == 2
            newest = str(await make_job(pool, labels={"team": "vision"}))
            later = "update jobs set submitted_at = now() where id = $1"
            await pool.execute(later, newest)
            seen = "job", newest
            found = await until(told, lambda t: (t.event, t.data["id"]) == seen)
        assert [each.data["id"] in before for each in found if each.event == "gone"] == [True]

    async def test_gives_a_newcomer_the_whole_page_and_the_others_none_of_it(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool)
        async with opened(http, LIVE, **bearer()) as one, opened(http, LIVE, **bearer()) as two:
            first, second = events(one), events(two)
            assert (await anext(first)).event == (await anext(second)).event == "page"
            await change(pool, job_id, Trigger.ALIVE)
            for told in (first, second):
                assert (await anext(told)).event == "job"

    async def test_shows_nothing_of_other_projects(
        self, http: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await make_job(pool, project_id=OTHER_PROJECT)
        async with opened(http, LIVE, **bearer()) as answer:
            assert (await anext(events(answer))).data == {"jobs": []}
        refused = await http.get(f"{LIVE}?projectId={OTHER_PROJECT}", headers=bearer())
        assert refused.status_code == 404
        mine = {PROJECT: "viewer", OTHER_PROJECT: "viewer"}
        path = f"{LIVE}?projectId={OTHER_PROJECT}"
        async with opened(http, path, **bearer(mine)) as answer:
            assert len((await anext(events(answer))).data["jobs"]) == 1

    async def test_refuses_what_no_list_is_narrowed_to(self, http: httpx.AsyncClient) -> None:
        for query in ("status=lost", "limit=0", "modelId=x", "label=none", "limit=many"):
            answer = await http.get(f"{LIVE}?{query}", headers=bearer())
            assert answer.status_code == 422, query
            assert answer.json()["data"]["errors"][0]["field"].startswith(query.partition("=")[0])
