"""Twenty thousand jobs in eight projects, of which one has half: a history, with a few that live."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from common import cursor
from common.jobs.state import Status
from common.tokens.user_token import Role
from tests.jobs import NOW, make_job

MANY = 20_000
PATIENCE = 300
PROJECTS = tuple(UUID(int=number, version=4) for number in range(1, 9))
LARGEST = PROJECTS[0]
MEMBER: dict[UUID, Role] = dict.fromkeys(PROJECTS, "member")
MODELS = tuple(UUID(int=number << 64, version=4) for number in range(1, 201))
UNKNOWN = "99999999-9999-4999-8999-999999999999"

# Names and labels of the first three are found nowhere else.
FILL = """
insert into jobs
select made.*
from jobs as origin, generate_series(1, $1::int) as n,
lateral jsonb_populate_record(origin, jsonb_build_object(
    'id', gen_random_uuid(),
    'project_id', ($2::uuid[])[case when n % 2 = 0 then 1 else 2 + n % 7 end],
    'submitted_by', case when n <= 3 then 'grace' else 'user-' || n % 50 end,
    'name', case when n <= 3 then 'first-' || n else 'digits-' || n end,
    'labels', jsonb_build_object('team', 'team-' || n % 20, 'sweep', 'sweep-' || n / 40)
        || case when n <= 3 then '{"golden": "yes"}'::jsonb else '{}'::jsonb end,
    'model_id', case when n % 3 = 0 then ($3::uuid[])[1 + n % 200] end,
    'status', case
        when n > $1::int - 30 then 'running'
        when n % 9 = 0 then 'failed'
        when n % 500 = 1 then 'cancelled'
        else 'succeeded'
    end,
    'submitted_at', $4::timestamptz + n * interval '1 minute'
)) as made
"""
BEATS = """
insert into beats
select made.*
from beats, jobs, lateral jsonb_populate_record(beats, jsonb_build_object('job_id', jobs.id)) as made
where jobs.id <> beats.job_id
"""


async def fill(pool: asyncpg.Pool, **fields: Any) -> None:
    """All are copies of one that was made by transitions."""
    origin = await make_job(pool, Status.RUNNING, **fields)
    await pool.execute(FILL, MANY, PROJECTS, MODELS, NOW, timeout=PATIENCE)
    await pool.execute(BEATS, timeout=PATIENCE)
    for table in ("jobs", "beats"):
        column = "id" if table == "jobs" else "job_id"
        await pool.execute(f"delete from {table} where {column} = $1", origin)
        await pool.execute(f"vacuum analyze {table}", timeout=PATIENCE)


async def asked(pool: asyncpg.Pool) -> dict[str, dict[str, str]]:
    """Every filter of the contract with a value of many, of a few and of none, and far pages."""
    some_id = await pool.fetchval("select id from jobs where name = 'digits-5000'")
    deep = cursor.write(NOW + timedelta(minutes=200), UUID(int=0))
    return {
        "newest": {},
        "far": {"cursor": deep},
        "status of many": {"status": "succeeded"},
        "status of many, far": {"status": "succeeded", "cursor": deep},
        "status of a few": {"status": "running"},
        "status of a few, far": {"status": "running", "cursor": deep},
        "status of none": {"status": "pending"},
        "model": {"modelId": str(MODELS[6])},
        "model of none": {"modelId": UNKNOWN},
        "project": {"projectId": str(LARGEST)},
        "project, far": {"projectId": str(LARGEST), "cursor": deep},
        "submitter": {"submittedBy": "user-7"},
        "submitter of a few": {"submittedBy": "grace"},
        "submitter of none": {"submittedBy": "nobody"},
        "label of many": {"label": "team=team-3"},
        "label of a few": {"label": "golden=yes"},
        "label of none": {"label": "golden=no"},
        "name of many": {"q": "digits-"},
        "name of a few": {"q": "first-"},
        "name of none": {"q": "nowhere"},
        "id": {"q": str(some_id)[:13]},
        "status and label": {"status": "failed", "label": "sweep=sweep-9"},
    }
