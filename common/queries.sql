-- Every hot or state-changing statement, by name, each with its purpose. Where a statement touches several rows it
-- locks them in the order of the job's id, the jobs table first. A statement that is given a list of rows names their
-- keys to the table as well (`= any(array(...))`): the planner takes any JSON for a hundred rows, for which it would
-- read a table of some thousands whole, again and again. And what it names by key is asked whether it is over, not
-- whether it is due: the planner believes the index of what is due to be empty, until a burst has filled it.

-- name: schema_is_at_least
-- Whether migrations have reached the revision that a function was written for.
select exists (select from alembic_version where version_num >= $1);

-- name: read_revision
-- How far migrations have come.
select version_num from alembic_version;

-- name: insert_job
-- A submission: the job, its first attempt with its fence, and the launch to be made, from one JSON
-- object; as `read_job` shows it then.
with job as (
    insert into jobs (
        id, project_id, submitted_by, name, labels, model_id, dataset_id, job_type, request, status,
        attempt, max_retries, backoff_seconds, stall_policy, sequence, submitted_at, trace_id,
        traceparent, auto_register, output_model_name, output_model_version, not_before
    )
    select
        id, project_id, submitted_by, name, labels, model_id, dataset_id, job_type, request,
        'pending', 1, max_retries, backoff_seconds, stall_policy, 1, submitted_at, trace_id,
        traceparent, auto_register, output_model_name, output_model_version, submitted_at
    from jsonb_to_record($1::jsonb) as job (
        id uuid, project_id uuid, submitted_by text, name text, labels jsonb, model_id uuid,
        dataset_id uuid, job_type text, request jsonb, max_retries int, backoff_seconds int,
        stall_policy text, submitted_at timestamptz, trace_id text, traceparent text,
        auto_register boolean, output_model_name text, output_model_version text
    )
    returning *
),
attempt as (
    insert into attempts (job_id, attempt, created_at)
    select id, 1, submitted_at from job
),
beat as (
    insert into beats (job_id, attempt, open, waiting, command)
    select id, 1, true, true, 'continue' from job
),
launch as (
    insert into work (kind, job_id, attempt, state, next_at, created_at)
    select 'launch', id, 1, 'due', submitted_at, submitted_at from job
)
select
    job.*,
    null::timestamptz as last_seen,
    null::timestamptz as progressed_at,
    0::bigint as beat_sequence,
    null::jsonb as beat
from job;

-- name: hold_inputs
-- The dataset and the model of a submission, held against deletion until its transaction ends.
with dataset as (select id from datasets where id = $1 for key share),
model as (select id from models where id = $2 for key share)
select (select id from dataset) as dataset_id, (select id from model) as model_id;

-- name: lock_jobs
-- Everything a transition decides on, locked in id order. Not `for update`: a row that only refers
-- to the job need not wait.
select
    id, project_id, status, attempt, retry_count, preemption_count, max_retries, backoff_seconds,
    sequence, cancel_requested_at, run_started_at, ran_seconds, auto_register, traceparent,
    stall_policy, stalled_at, output_model_name, output_model_version, output_model_storage_uri
from jobs
where id = any($1::uuid[])
order by id
for no key update;

-- name: change_jobs
-- The one guarded statement of the state machine: a row changes only if it still stands where the
-- decision was made.
with change as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as change (
        id uuid, was_status text, was_attempt int, was_sequence bigint, status text, attempt int,
        retry_count int, preemption_count int, sequence bigint, not_before timestamptz,
        status_reason text, waiting_for text, relaunched boolean, queued_at timestamptz,
        started_at timestamptz, run_started_at timestamptz, ran_seconds double precision,
        completed_at timestamptz, stalled_at timestamptz, cancel_requested_at timestamptz,
        cancel_requested_by text
    )
)
update jobs
set
    status = change.status,
    attempt = change.attempt,
    retry_count = change.retry_count,
    preemption_count = change.preemption_count,
    sequence = change.sequence,
    not_before = change.not_before,
    status_reason = case
        when change.status = 'cancelled'
            then 'cancelled by ' || coalesce(
                jobs.cancel_requested_by, change.cancel_requested_by, 'nobody known'
            )
        else change.status_reason
    end,
    waiting_for = change.waiting_for,
    queued_at = case when change.relaunched then null else coalesce(jobs.queued_at, change.queued_at) end,
    started_at = coalesce(jobs.started_at, change.started_at),
    run_started_at = change.run_started_at,
    ran_seconds = change.ran_seconds,
    completed_at = change.completed_at,
    stalled_at = change.stalled_at,
    cancel_requested_at = coalesce(jobs.cancel_requested_at, change.cancel_requested_at),
    cancel_requested_by = coalesce(jobs.cancel_requested_by, change.cancel_requested_by)
from change
where
    jobs.id = any(array(select id from change))
    and jobs.id = change.id
    and jobs.status = change.was_status
    and jobs.attempt = change.was_attempt
    and jobs.sequence = change.was_sequence
returning jobs.id;

-- name: change_beats
-- The fence moves with the transition: attempt, open-flag and what the trainer is told next.
-- Heartbeats lock these rows too, without the jobs': so they are locked in the same order.
with change as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as change (
        job_id uuid, attempt int, open boolean, waiting boolean, command text
    )
),
held as (
    select beats.job_id, change.attempt, change.open, change.waiting, change.command
    from beats
    join change using (job_id)
    where beats.job_id = any(array(select job_id from change))
    order by beats.job_id
    for no key update of beats
)
update beats
set
    attempt = change.attempt,
    open = change.open,
    waiting = change.waiting,
    command = change.command,
    sequence = case when beats.attempt = change.attempt then beats.sequence else 0 end,
    last_seen = case when beats.attempt = change.attempt then beats.last_seen end,
    progressed_at = case when beats.attempt = change.attempt then beats.progressed_at end,
    marker = case when beats.attempt = change.attempt then beats.marker end,
    body = case when beats.attempt = change.attempt then beats.body end
from held as change
where
    beats.job_id = any(array(select job_id from held)) and beats.job_id = change.job_id;

-- name: insert_events
-- The timeline's next lines, which are the outbox's too; and a delivery for each webhook of the
-- project that wants to be told, and for each address that the job names.
with event as (
    select *, substring(type from '^dev\.eventrain\.(.+)\.v1$') as short
    from jsonb_to_recordset($1::jsonb) as event (
        id uuid, job_id uuid, sequence bigint, type text, source text, at timestamptz, attempt int,
        status_from text, status_to text, data jsonb, traceparent text
    )
),
delivery as (
    insert into webhook_deliveries (
        id, project_id, webhook_id, job_id, event_id, event_type, url, state, next_at, created_at
    )
    select
        gen_random_uuid(), jobs.project_id, target.webhook_id, event.job_id, event.id, event.type,
        target.url, 'due', event.at, event.at
    from event
    join jobs on jobs.id = event.job_id and jobs.id = any(array(select job_id from event))
    cross join lateral (
        select webhooks.id as webhook_id, webhooks.url
        from webhooks
        where webhooks.project_id = jobs.project_id and webhooks.events ? event.short
        union all
        select null, jsonb_array_elements_text(
            case
                when event.short = 'job.started'
                    then jobs.request #> '{notifications,onStart}'
                when event.short in ('job.succeeded', 'job.failed', 'job.cancelled')
                    then jobs.request #> '{notifications,onCompletion}'
            end
        )
    ) as target
)
insert into job_events (
    id, job_id, sequence, type, source, at, attempt, status_from, status_to, data, traceparent,
    next_at
)
select
    id, job_id, sequence, type, source, at, attempt, status_from, status_to, data, traceparent, at
from event;

-- name: insert_attempts
-- A new attempt for each job that is tried again.
insert into attempts (job_id, attempt, created_at)
select job_id, attempt, created_at
from jsonb_to_recordset($1::jsonb) as a (job_id uuid, attempt int, created_at timestamptz);

-- name: change_attempts
-- What became of attempts: launched, started, ended. The first instant and the first end stand.
with change as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as change (
        job_id uuid, attempt int, launched_at timestamptz, started_at timestamptz,
        ended_at timestamptz, outcome text, error_class text, exit_code int, message text,
        rule text, evidence jsonb, budget_left int, done jsonb, stalled_at timestamptz
    )
),
held as (
    select change.*
    from attempts
    join change using (job_id, attempt)
    where attempts.job_id = any(array(select job_id from change))
    order by attempts.job_id, attempts.attempt
    for no key update of attempts
)
update attempts
set
    launched_at = coalesce(attempts.launched_at, change.launched_at),
    started_at = coalesce(attempts.started_at, change.started_at),
    ended_at = coalesce(attempts.ended_at, change.ended_at),
    outcome = coalesce(attempts.outcome, change.outcome),
    error_class = coalesce(attempts.error_class, change.error_class),
    exit_code = coalesce(attempts.exit_code, change.exit_code),
    message = coalesce(attempts.message, change.message),
    rule = coalesce(attempts.rule, change.rule),
    evidence = coalesce(attempts.evidence, change.evidence),
    budget_left = coalesce(attempts.budget_left, change.budget_left),
    done = coalesce(attempts.done, change.done),
    stalled = attempts.stalled + case
        when change.stalled_at < change.ended_at
            then tstzmultirange(tstzrange(change.stalled_at, change.ended_at))
        else '{}'
    end
from held as change
where
    attempts.job_id = any(array(select job_id from held))
    and attempts.job_id = change.job_id
    and attempts.attempt = change.attempt;

-- name: insert_work
-- What must happen next, in the transaction that makes it necessary.
insert into work (kind, job_id, attempt, state, next_at, created_at)
select kind, job_id, attempt, 'due', next_at, created_at
from jsonb_to_recordset($1::jsonb) as item (
    kind text, job_id uuid, attempt int, next_at timestamptz, created_at timestamptz
)
on conflict (kind, job_id, attempt) do nothing;

-- name: settle_launches
-- A launch that was made, or is no longer wanted, is not due any more.
with held as (
    select job_id, attempt
    from work
    where
        kind = 'launch'
        and state not in ('done', 'dead')
        and job_id = any($1::uuid[])
        and not exists (
            select from jobs
            where jobs.id = work.job_id and jobs.status = 'pending' and jobs.attempt = work.attempt
        )
    order by job_id, attempt
    for no key update of work
)
update work
set state = 'done', finished_at = $2
from held
where
    work.kind = 'launch'
    and work.job_id = any($1)
    and work.job_id = held.job_id
    and work.attempt = held.attempt;

-- name: release_reservations
-- A job that ended without a model gives its address back, unless the catalog has it.
delete from model_reservations
where job_id = any($1::uuid[]);

-- name: read_fence
-- Why a callback found no row: the job's present attempt, or nothing.
select attempt, open, waiting, command from beats where job_id = $1;

-- name: record_heartbeats
-- A group of heartbeats, fenced: the row of each job is locked in id order, and where it is of the
-- same attempt keeps the greatest sequence and the body that came with it; history ignores
-- repeats. What is returned is who was not heard as usual, by place in the group, and how that job
-- stands: beats of another attempt were written nowhere.
with arrived as (
    select place, job_id, attempt, sequence, marker, body::jsonb as body
    from unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::text[])
        with ordinality as a (job_id, attempt, sequence, marker, body, place)
),
fence as (
    select job_id, attempt, open, waiting, command
    from beats
    where job_id = any($1)
    order by job_id
    for no key update
),
heard as (
    select arrived.*, fence.attempt as fenced, fence.open, fence.waiting, fence.command
    from arrived
    left join fence using (job_id)
),
newest as (
    select distinct on (job_id) job_id, sequence, marker, body
    from heard
    where attempt = fenced
    order by job_id, sequence desc
),
touched as (
    update beats
    set
        last_seen = $6,
        sequence = greatest(beats.sequence, newest.sequence),
        progressed_at = case
            when newest.sequence > beats.sequence
                and newest.marker is distinct from coalesce(beats.marker, '') then $6
            else coalesce(beats.progressed_at, $6)
        end,
        marker = case
            when newest.sequence > beats.sequence then newest.marker else beats.marker
        end,
        body = case
            when newest.sequence > beats.sequence then newest.body else beats.body
        end
    from newest
    where beats.job_id = newest.job_id
),
history as (
    insert into heartbeats (job_id, attempt, sequence, received_at, body)
    select job_id, attempt, sequence, $6, body
    from heard
    where attempt = fenced
    on conflict (job_id, attempt, sequence) do nothing
)
select place, fenced, open, waiting, command
from heard
where (attempt = fenced and open and not waiting and command = 'continue') is not true;

-- name: record_report
-- One thing that a trainer told, fenced and numbered under the beat's lock; a repeat changes
-- nothing and is found by find_report.
with fence as (
    update beats
    set
        reported = beats.reported + 1,
        last_seen = $7,
        progressed_at = case when $4::text = 'log' then beats.progressed_at else $7 end
    where
        job_id = $1
        and attempt = $2
        and not exists (
            select from reports
            where reports.job_id = $1 and reports.attempt = $2 and reports.event_key = $3
        )
    returning reported, open, waiting, command
),
report as (
    insert into reports (
        job_id, number, attempt, event_key, type, payload, occurred_at, received_at
    )
    select $1, reported, $2, $3, $4, $5::jsonb, $6, $7 from fence
)
select reported, open, waiting, command from fence;

-- name: find_report
-- The first arrival of a CloudEvent that came again.
select number from reports where job_id = $1 and attempt = $2 and event_key = $3;

-- name: note_resumed
-- Where an attempt really went on: anew although there was a checkpoint, or of some series earlier
-- than that. Its row is locked before the beat's, as a transition does.
update attempts
set
    resumed_from = case
        when $3::boolean then jsonb_build_object('attempt', null) else resumed_from
    end || jsonb_build_object('begins', coalesce(resumed_from -> 'begins', '{}') || $4::jsonb)
where
    job_id = $1
    and attempt = $2
    and resumed_from is not null
    and pg_column_size(resumed_from) < 200000;

-- name: read_resumptions
-- Where each of a job's newest attempts went on, and which have begun.
select attempt, started_at is not null as begun, resumed_from
from attempts
where job_id = $1
order by attempt desc
limit 1000;

-- name: insert_checkpoint
-- A checkpoint, in the transaction of the fenced event that tells of it.
insert into checkpoints (
    id, job_id, attempt, number, name, uri, sha256, size, step, epoch, metrics, created_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: newest_checkpoint
-- Where the next attempt goes on.
select id, attempt, name, uri, sha256, size, step, epoch
from checkpoints
where job_id = $1
order by number desc
limit 1;

-- name: insert_artifacts
-- The files that `done` names; a repeat of it finds them there.
insert into artifacts (job_id, attempt, name, uri, sha256, size, created_at)
select $1, $2, name, uri, sha256, size, $4
from jsonb_to_recordset($3::jsonb) as a (name text, uri text, sha256 text, size bigint)
on conflict (job_id, attempt, name) do nothing;

-- name: due_events
-- Unpublished events whose time has come.
select id
from job_events
where published_at is null and next_at <= $1
order by job_id, sequence
limit $2;

-- name: claim_events
-- Those of these whose time has come; the claim moves their next time on, so that two publishers
-- seldom send the same one.
with due as (
    select job_id, sequence
    from job_events
    where
        id = any($2::uuid[])
        and next_at <= $1
        and coalesce(published_at, 'infinity') = 'infinity'
    order by job_id, sequence
    for update skip locked
)
update job_events as e
set
    tries = e.tries + 1,
    next_at = $1::timestamptz + least(interval '5 seconds' * power(2, least(e.tries, 8)), interval '5 minutes')
from due
where
    e.job_id = any(array(select job_id from due))
    and e.job_id = due.job_id
    and e.sequence = due.sequence
returning
    e.id, e.job_id, e.sequence, e.type, e.source, e.at, e.attempt, e.status_from, e.status_to,
    e.data, e.traceparent;

-- name: mark_published
-- The broker has these.
with taken as (
    select id from job_events
    where id = any($1::uuid[]) and coalesce(published_at, 'infinity') = 'infinity'
    order by job_id, sequence
    for no key update
)
update job_events set published_at = $2
from taken
where job_events.id = any($1) and job_events.id = taken.id;

-- name: claim_work
-- Due work of a kind, each item for one worker until its lease is over.
with due as (
    select kind, job_id, attempt
    from work
    where state = 'due' and kind = $1 and next_at <= $2
    order by next_at
    limit $3
    for update skip locked
)
update work
set tries = tries + 1, next_at = $2::timestamptz + $4::interval
from due
where
    work.kind = due.kind
    and work.job_id = any(array(select job_id from due))
    and work.job_id = due.job_id
    and work.attempt = due.attempt
returning work.job_id, work.attempt, work.tries, work.created_at;

-- name: claim_work_of_job
-- The same, of one job: found by its key, however much else is due.
with due as (
    select kind, job_id, attempt
    from work
    where kind = $1 and job_id = $4 and state not in ('done', 'dead') and next_at <= $2
    order by attempt
    limit $3
    for update skip locked
)
update work
set tries = tries + 1, next_at = $2::timestamptz + $5::interval
from due
where
    work.kind = due.kind
    and work.job_id = any(array(select job_id from due))
    and work.job_id = due.job_id
    and work.attempt = due.attempt
returning work.job_id, work.attempt, work.tries, work.created_at;

-- name: finish_work
-- Done, or given up.
update work
set state = $4, finished_at = $5, last_error = $6
where kind = $1 and job_id = $2 and attempt = $3 and state not in ('done', 'dead');

-- name: postpone_work
-- Later: what stood in the way, and when to try again.
update work
set next_at = $4, last_error = $5
where kind = $1 and job_id = $2 and attempt = $3 and state not in ('done', 'dead');

-- name: overdue_registrations
-- Registrations that no event has woken, however many launches wait.
select job_id
from work
where state = 'due' and kind in ('register', 'enroll') and next_at <= $1
order by next_at
limit $2;

-- name: reserve_model
-- The address of a model belongs to the job that asked first.
insert into model_reservations (name, version, project_id, job_id)
values ($1, $2, $3, $4)
on conflict (name, version) do nothing
returning version;

-- name: reserve_next_version
-- The next of the versions of a model's name that are numbers; none where another took it meanwhile.
insert into model_reservations (name, version, project_id, job_id)
select $1, (coalesce(max(version::bigint), 0) + 1)::text, $2, $3
from model_reservations
where name = $1 and version ~ '^[0-9]{1,9}$'
on conflict (name, version) do nothing
returning version;

-- name: claim_idempotency_key
-- The first submission with a key holds it for a day; a later one reads what the first made.
insert into idempotency_keys as held (project_id, subject, key, digest, job_id, created_at)
values ($1, $2, $3, $4, $5, $6)
on conflict (project_id, subject, key) do update
set digest = excluded.digest, job_id = excluded.job_id, created_at = excluded.created_at
where held.created_at < excluded.created_at - interval '24 hours'
returning job_id;

-- name: read_idempotency_key
-- What a submission with this key made.
select digest, job_id from idempotency_keys
where project_id = $1 and subject = $2 and key = $3;

-- name: read_attempt_end
-- What was told of an attempt's end, to recognise the same end told again.
select done ->> 'outcome' as told from attempts where job_id = $1 and attempt = $2;

-- name: attempt_progressed
-- Whether an attempt saved a checkpoint, so that another one does not begin anew.
select exists (select from checkpoints where job_id = $1 and attempt = $2);

-- name: read_grants
-- What an attempt may read beside its own prefix, while it is the present one; and the digests that
-- are known of what it asks for.
select
    beats.attempt,
    jobs.project_id,
    jobs.request -> 'resolved' ->> 'datasetUri' as dataset_uri,
    jobs.request -> 'resolved' ->> 'modelUri' as model_uri,
    jobs.request -> 'resolved' -> 'checkpoint' ->> 'uri' as checkpoint_uri,
    jobs.request -> 'trainer' -> 'source' ->> 'uri' as source_uri,
    array(select uri from checkpoints where checkpoints.job_id = jobs.id) as checkpoints,
    (
        select
            coalesce(
                jsonb_object_agg(uri, jsonb_build_object('sha256', sha256, 'size', size)), '{}'
            )
        from (
            select
                regexp_replace(storage_uri, '[^/]*$', '') || (file ->> 'name') as uri,
                file ->> 'sha256' as sha256, file -> 'size' as size
            from datasets
            cross join lateral jsonb_array_elements(files) as file
            where datasets.id = jobs.dataset_id
            union all
            select
                regexp_replace(storage_uri, '[^/]*$', '') || (file ->> 'name'),
                file ->> 'sha256', file -> 'size'
            from models
            cross join lateral jsonb_array_elements(
                case when jsonb_typeof(metadata -> 'files') = 'array' then metadata -> 'files' end
            ) as file
            where models.id = jobs.model_id
            union all
            select uri, sha256, to_jsonb(size)
            from checkpoints
            where checkpoints.job_id = jobs.id
        ) as listed
        where uri = any($2::text[]) and sha256 is not null and jsonb_typeof(size) = 'number'
    ) as known
from jobs
join beats on beats.job_id = jobs.id
where jobs.id = $1;

-- name: read_launches
-- Attempts that are about to be launched, as far as their jobs still wait for it.
select
    jobs.id, jobs.project_id, jobs.attempt, jobs.trace_id, jobs.traceparent, jobs.dataset_id,
    jobs.job_type, jobs.request, jobs.ran_seconds, jobs.output_model_name, jobs.output_model_version,
    attempts.plan, attempts.token_issued_at, newest.checkpoint
from unnest($1::uuid[], $2::int[]) as wanted (job_id, attempt)
join jobs on jobs.id = wanted.job_id and jobs.attempt = wanted.attempt
join attempts on attempts.job_id = jobs.id and attempts.attempt = jobs.attempt
left join lateral (
    select jsonb_build_object(
        'uri', uri, 'sha256', sha256, 'size', size, 'step', step, 'epoch', epoch,
        'attempt', attempt
    ) as checkpoint
    from checkpoints
    where checkpoints.job_id = jobs.id
    order by number desc
    limit 1
) as newest on true
where jobs.status = 'pending' and jobs.id = any($1) and attempts.job_id = any($1);

-- name: fix_plans
-- The plan of a launch, fixed by whoever comes first; its token is taken anew only from the one
-- who saw the old one.
with given as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as given (
        job_id uuid, attempt int, plan jsonb, token_issued_at timestamptz, was timestamptz,
        resumed_from jsonb
    )
),
fixed as (
    select given.*
    from attempts
    join given using (job_id, attempt)
    where attempts.job_id = any(array(select job_id from given))
    order by attempts.job_id, attempts.attempt
    for no key update of attempts
)
update attempts
set
    plan = coalesce(attempts.plan, fixed.plan),
    token_issued_at = fixed.token_issued_at,
    resumed_from = case
        when attempts.plan is null then fixed.resumed_from else attempts.resumed_from
    end
from fixed
where
    attempts.job_id = any(array(select job_id from fixed))
    and attempts.job_id = fixed.job_id
    and attempts.attempt = fixed.attempt
    and attempts.token_issued_at is not distinct from fixed.was;

-- name: read_plans
-- What was fixed.
select attempts.job_id, attempts.attempt, attempts.plan, attempts.token_issued_at
from attempts
join unnest($1::uuid[], $2::int[]) as wanted (job_id, attempt) using (job_id, attempt)
where attempts.job_id = any($1);

-- name: hold_jobs
-- What pending jobs wait for.
with wanted as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as wanted (job_id uuid, attempt int, waiting_for text)
),
held as (
    select jobs.id, wanted.waiting_for
    from jobs
    join wanted on wanted.job_id = jobs.id and wanted.attempt = jobs.attempt
    where jobs.status = 'pending' and jobs.id = any(array(select job_id from wanted))
    order by jobs.id
    for no key update of jobs
)
update jobs set waiting_for = held.waiting_for
from held
where jobs.id = any(array(select id from held)) and jobs.id = held.id;

-- name: postpone_launches
-- Launches that could not be made yet.
with given as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as given (
        job_id uuid, attempt int, next_at timestamptz, waiting_for text
    )
),
later as (
    select given.*
    from work
    join given using (job_id, attempt)
    where work.kind = 'launch' and work.job_id = any(array(select job_id from given))
    order by work.job_id, work.attempt
    for no key update of work
)
update work
set next_at = later.next_at, last_error = later.waiting_for
from later
where
    work.kind = 'launch'
    and work.state not in ('done', 'dead')
    and work.job_id = any(array(select job_id from later))
    and work.job_id = later.job_id
    and work.attempt = later.attempt;

-- Submitting.

-- name: find_inputs
-- What a request refers to, as far as its project owns it, and whether its model address is taken.
select
    (select jsonb_build_object('uri', storage_uri) from models where id = $2 and project_id = $1)
        as model,
    (
        select jsonb_build_object('uri', storage_uri)
        from datasets
        where id = $3 and project_id = $1
    ) as dataset,
    (
        select
            jsonb_build_object(
                'uri', c.uri, 'sha256', c.sha256, 'size', c.size, 'step', c.step, 'epoch', c.epoch
            )
        from checkpoints as c
        join jobs on jobs.id = c.job_id
        where jobs.project_id = $1 and c.job_id = $4 and ($5::uuid is null or c.id = $5)
        order by c.number desc
        limit 1
    ) as checkpoint,
    exists(select from model_reservations where name = $6 and version = $7) as taken;

-- name: find_submission
-- The job that this key made within the last day, and the digest of its request.
select digest, job_id
from idempotency_keys
where project_id = $1 and subject = $2 and key = $3 and created_at >= $4::timestamptz - interval '24 hours';

-- Reading jobs.

-- name: read_job
-- One job with what its trainer said last.
select
    jobs.*,
    beats.last_seen,
    beats.progressed_at,
    beats.sequence as beat_sequence,
    beats.body as beat
from jobs
left join beats on beats.job_id = jobs.id
where jobs.id = $1;

-- name: list_jobs
-- A page of the jobs of some projects, newest first; a filter that is null holds for all. Each
-- project gives no more than the page can show, in the order of an index of its own.
select
    jobs.*,
    beats.last_seen,
    beats.progressed_at,
    beats.sequence as beat_sequence,
    beats.body as beat
from (
    select mine.*
    from unnest($1::uuid[]) as project (id)
    cross join lateral (
        select *
        from jobs
        where
            project_id = project.id
            and ($2::text[] is null or status = any($2))
            and ($3::uuid is null or model_id = $3)
            and ($4::text is null or submitted_by = $4)
            and ($5::jsonb is null or labels @> $5)
            and ($6::text is null or lower(name) like $6 or id between $7::uuid and $8::uuid)
            and ($9::timestamptz is null or (submitted_at, id) < ($9, $10::uuid))
        order by submitted_at desc, id desc
        limit $11
    ) as mine
    order by submitted_at desc, id desc
    limit $11
) as jobs
left join beats on beats.job_id = jobs.id
order by jobs.submitted_at desc, jobs.id desc;

-- name: plan_for_these_values
-- One plan for all filters would read a project's whole history for some of them.
set local plan_cache_mode = force_custom_plan;

-- name: read_timeline
-- State changes and what trainers told, but for logs and runs, in the order in which we learned of them;
-- of each no more than the page can show.
select *
from (
    (
        select
            at, 0 as kind, sequence as number, type, source, attempt, status_from, status_to, data
        from job_events
        where
            job_id = $1
            and at >= $2::timestamptz
            and (at, 0, sequence) > ($2::timestamptz, $3::int, $4::bigint)
        order by at, sequence
        limit $5
    )
    union all
    (
        select received_at, 1, number, type, 'trainer', attempt, null, null, payload
        from reports
        where
            job_id = $1
            and type <> 'log'
            and type <> 'mlflow'
            and received_at >= $2::timestamptz
            and (received_at, 1, number) > ($2::timestamptz, $3::int, $4::bigint)
        order by received_at, number
        limit $5
    )
) as line
order by at, kind, number
limit $5;

-- name: read_attempts
-- Every try at a job.
select * from attempts where job_id = $1 and attempt > $2 order by attempt limit $3;

-- name: read_heartbeats
-- What was measured, heartbeat by heartbeat, until so many bytes are filled.
select attempt, sequence, received_at, body, filled
from (
    select
        page.*, size, sum(size) over (order by attempt, sequence rows unbounded preceding) as filled
    from (
        select attempt, sequence, received_at, body
        from heartbeats
        where
            job_id = $1
            and (attempt, sequence) > ($2::int, $3::bigint)
            and ($4::timestamptz is null or received_at >= $4)
        order by attempt, sequence
        limit $5
    ) as page, octet_length(body::text) as size
) as measured
where filled - size < $6
order by attempt, sequence;

-- name: read_packs
-- Heartbeats that were packed, beyond a place, until so many bytes are filled.
select attempt, beats, filled
from (
    select
        attempt, first, beats, octet_length(beats) as size,
        sum(octet_length(beats)) over (order by attempt, first rows unbounded preceding) as filled
    from packs
    where
        job_id = $1
        and (attempt, last) > ($2::int, $3::bigint)
        and ($4::timestamptz is null or last_at >= $4)
) as measured
where filled - size < $5
order by attempt, first;

-- name: read_outlines
-- Series from afar, beyond a place, until so many bytes are filled.
select attempt, name, outline, filled
from (
    select
        page.*, octet_length(outline) as size,
        sum(octet_length(outline)) over (
            order by attempt, name collate "C" rows unbounded preceding
        ) as filled
    from (
        select attempt, name, outline
        from outlines
        where
            job_id = $1
            and (attempt, name collate "C") > ($2::int, $3::text)
            and ($4::text[] is null or name = any($4))
            and ($7::int[] is null or attempt = any($7))
        order by attempt, name collate "C"
        limit $5
    ) as page
) as measured
where filled - size < $6
order by attempt, name collate "C";

-- name: read_told_names
-- The series of a job that are told point by point.
select distinct name from outlines where job_id = $1 and told;

-- name: read_undrawn
-- Heartbeats that came after what is drawn of their attempts, beyond a place, until so many bytes
-- are filled.
select attempt, sequence, received_at, body, filled
from (
    select
        page.*, size, sum(size) over (order by attempt, sequence rows unbounded preceding) as filled
    from (
        select beat.attempt, beat.sequence, beat.received_at, beat.body
        from attempts
        left join courses using (job_id, attempt)
        cross join lateral (
            select attempt, sequence, received_at, body
            from heartbeats
            where
                heartbeats.job_id = attempts.job_id
                and heartbeats.attempt = attempts.attempt
                and heartbeats.sequence > coalesce(courses.upto, -1)
                and (heartbeats.attempt, heartbeats.sequence) > ($2::int, $3::bigint)
            order by sequence
            limit $4
        ) as beat
        where
            attempts.job_id = $1
            and attempts.packed_at is null
            and attempts.attempt >= $2
            and ($6::int[] is null or attempts.attempt = any($6))
        order by beat.attempt, beat.sequence
        limit $4
    ) as page, pg_column_size(body) as size
) as measured
where filled - size < $5
order by attempt, sequence;

-- name: read_logs
-- The log that trainers sent, until so many bytes are filled.
select number, attempt, payload, occurred_at, filled
from (
    select page.*, size, sum(size) over (order by number rows unbounded preceding) as filled
    from (
        select number, attempt, payload, occurred_at
        from reports
        where job_id = $1 and type = 'log' and number > $2
        order by number
        limit $3
    ) as page, octet_length(payload::text) as size
) as measured
where filled - size < $4
order by number;

-- name: read_pod_logs
-- The ends of pods' logs that were kept.
select attempt, log_uri from attempts where job_id = $1 and log_uri is not null order by attempt;

-- name: read_checkpoints
-- The checkpoints whose upload was complete.
select * from checkpoints where job_id = $1 and number > $2 order by number limit $3;

-- name: read_validations
-- What validations found, the newest first.
select number, attempt, payload, occurred_at
from reports
where job_id = $1 and type = 'validation' and number < $2
order by number desc
limit $3;

-- name: read_artifacts
-- The files that attempts left behind.
select *
from artifacts
where job_id = $1 and (attempt, name) > ($2::int, $3::text)
order by attempt, name
limit $4;

-- name: read_metrics
-- Single figures that were recorded for a job.
select id, job_id, name, value, unit, recorded_at
from metrics
where job_id = $1
order by recorded_at, id
limit $2;

-- name: insert_metric
-- One figure of a job; from a trainer, only while its attempt is the present one.
insert into metrics (id, job_id, name, value, unit, recorded_at)
select $1, $2, $3, $4, $5, $6
where $7::int is null or exists (select from beats where job_id = $2 and attempt = $7)
returning id;

-- name: read_owner
-- Whose job this is.
select project_id from jobs where id = $1;

-- name: read_registration
-- What registering needs to know of a job: how it ended, what it was to make, what it left behind.
select
    jobs.id as job_id, jobs.project_id, jobs.status, jobs.attempt, jobs.job_type, jobs.submitted_by,
    jobs.dataset_id, jobs.output_model_name, jobs.output_model_version,
    entry.id as entry_id, entry.name as entry_name, entry.version as entry_version,
    coalesce(jobs.request #>> '{trainJobSpec,model_family}', base.model_family) as model_family,
    coalesce(nullif(attempts.done -> 'metrics', '{}'), beats.body -> 'metrics') as metrics,
    (
        select left(uri, length('model/') - length(artifacts.name))
        from artifacts
        where
            artifacts.job_id = jobs.id
            and artifacts.attempt = jobs.attempt
            and starts_with(artifacts.name, 'model/')
        order by artifacts.name
        limit 1
    ) as model_uri,
    coalesce(
        (
            select jsonb_object_agg(artifacts.uri, artifacts.sha256)
            from artifacts
            where artifacts.job_id = jobs.id and artifacts.attempt = jobs.attempt
        ),
        '{}'
    ) as digests,
    jobs.request #>> '{trainer,source}' is not null
    and jobs.request ->> 'outputModelName' is null as only_a_model
from jobs
join beats on beats.job_id = jobs.id
join attempts on attempts.job_id = jobs.id and attempts.attempt = jobs.attempt
left join models as entry on entry.id = jobs.output_model_entry_id
left join models as base on base.id = jobs.model_id
where jobs.id = $1;

-- name: read_provenance
-- What a job's model was made of: program, data, base model, parameters, and the checkpoint it ended with.
select
    jobs.request -> 'hyperparameters' as hyperparameters,
    jobs.request -> 'trainer' as trainer,
    jobs.request #>> '{resolved,framework}' as framework,
    jobs.request #>> '{resolved,image}' as image,
    (
        select
            jsonb_build_object(
                'id', id, 'name', name, 'version', version, 'storage_uri', storage_uri,
                'files', files
            )
        from datasets
        where id = jobs.dataset_id
    ) as dataset,
    (
        select
            jsonb_build_object(
                'id', id, 'name', name, 'version', version, 'storage_uri', storage_uri,
                'receipt_sha256', receipt_sha256, 'files', coalesce(metadata -> 'files', '[]')
            )
        from models
        where id = jobs.model_id
    ) as base_model,
    (
        select
            jsonb_build_object(
                'uri', uri, 'sha256', sha256, 'size', size, 'step', step, 'epoch', epoch
            )
        from checkpoints
        where checkpoints.job_id = jobs.id and checkpoints.attempt = jobs.attempt
        order by number desc
        limit 1
    ) as checkpoint
from jobs
where id = $1;

-- name: read_reservation
-- Whose a model's address is; the job is null where people made the entry.
select project_id, job_id from model_reservations where name = $1 and version = $2;

-- name: stray_reservations
-- The addresses that a registered job holds, beside the name and version of its entry.
select held.name, held.version, entry.name as entry_name, entry.version as entry_version
from model_reservations as held
join jobs on jobs.id = held.job_id
join models as entry on entry.id = jobs.output_model_entry_id
where held.job_id = $1;

-- name: release_reservation
-- One address of a job is given back.
delete from model_reservations
where job_id = $1 and name = $2 and version = $3;

-- name: mark_registered
-- A succeeded job gets its entry once, under its lock; its reason is again the trainer's word.
update jobs
set
    sequence = sequence + 1,
    output_model_entry_id = $3,
    output_model_storage_uri = $4,
    status_reason = (
        select message from attempts
        where attempts.job_id = jobs.id and attempts.attempt = jobs.attempt
    )
where id = $1 and sequence = $2 and status = 'succeeded' and output_model_entry_id is null
returning sequence;

-- name: insert_registered_model
-- The catalog entry of a job's model. No row: the project has one of this name and version.
insert into models (
    id, project_id, name, version, type, status, owner_team, metadata, storage_uri, model_family,
    lineage_dataset_ids, evaluation_summary, job_id, receipt_sha256, created_by, created_at,
    updated_at
)
select
    id, project_id, name, version, type, 'draft', owner_team, metadata, storage_uri, model_family,
    lineage_dataset_ids, evaluation_summary, job_id, receipt_sha256, created_by, created_at,
    created_at
from jsonb_to_record($1::jsonb) as entry (
    id uuid, project_id uuid, name text, version text, type text, owner_team text, metadata jsonb,
    storage_uri text, model_family text, lineage_dataset_ids jsonb, evaluation_summary jsonb,
    job_id uuid, receipt_sha256 text, created_by text, created_at timestamptz
)
on conflict (project_id, name, version) do nothing
returning id;

-- name: tell_unregistered
-- Why a job that succeeded has no entry, where its owner looks.
update jobs
set status_reason = $2
where id = $1 and status = 'succeeded' and output_model_entry_id is null;

-- name: claim_lease
-- The lease of a tick: free or run out, and not sooner than the spacing after the last start.
insert into leases as held (name, holder, expires_at, started_at, detail)
values ($1, $2, $3::timestamptz + $4::interval, $3, '{}')
on conflict (name) do update
set holder = excluded.holder, expires_at = excluded.expires_at, started_at = excluded.started_at
where
    (held.expires_at is null or held.expires_at <= $3)
    and (held.started_at is null or held.started_at <= $3::timestamptz - $5::interval)
returning held.completed_at;

-- name: renew_lease
-- Still here.
update leases set expires_at = $3 where name = $1 and holder = $2 returning name;

-- name: release_lease
-- The tick is over; completed where it did all it had to, and at once again where it did not.
update leases
set
    holder = null,
    expires_at = null,
    completed_at = coalesce($3, completed_at),
    detail = $4::jsonb,
    started_at = case when $5 then null else started_at end
where name = $1 and holder = $2;

-- name: read_lease
-- When the last tick began and was complete, and what it found.
select started_at, completed_at, detail from leases where name = $1;

-- name: read_live_jobs
-- The present attempt of every live job, as status-sync compares it with the cluster: the columns
-- in the order in which `Row` has its fields.
select
    jobs.id, jobs.attempt, jobs.status,
    (jobs.request -> 'resourceProfile' ->> 'maxDuration')::int as max_minutes,
    jobs.stall_policy, jobs.cancel_requested_at, jobs.run_started_at, jobs.ran_seconds,
    jobs.stalled_at, attempts.launched_at, attempts.first_bad_at, attempts.missing_since,
    attempts.token_issued_at, beats.last_seen, beats.progressed_at,
    coalesce(beats.marker, '') <> '' as tells, jobs.trace_id, jobs.observed, jobs.waiting_for
from jobs
join attempts on attempts.job_id = jobs.id and attempts.attempt = jobs.attempt
join beats on beats.job_id = jobs.id
where jobs.status in ('pending', 'queued', 'running');

-- name: read_pasts
-- Attempts that a listing shows and the live rows do not, and those that ended and are not
-- settled.
with wanted as materialized (
    select * from unnest($1::uuid[], $2::int[]) as listed (job_id, attempt)
    union all
    (
        select job_id, attempt from attempts
        where ended_at is not null and settled_at is null
        order by job_id, attempt
        limit 500
    )
)
select
    attempts.job_id, attempts.attempt, attempts.ended_at, attempts.settled_at,
    attempts.done is not null as told,
    jobs.status in ('pending', 'queued', 'running') and jobs.attempt = attempts.attempt as live
from attempts
join jobs on jobs.id = attempts.job_id
where
    attempts.job_id = any(array(select job_id from wanted))
    and (attempts.job_id, attempts.attempt) in (select job_id, attempt from wanted);

-- name: note_jobs
-- What Kubernetes shows of jobs, beside their state; and for how long an attempt that goes on now
-- was marked as stalled.
with note as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as note (
        job_id uuid, attempt int, status text, observed jsonb, waiting_for text,
        stalled_at timestamptz
    )
),
noted as (
    select
        jobs.id, jobs.attempt, jobs.stalled_at as was_stalled_at, note.observed, note.waiting_for,
        note.stalled_at
    from jobs
    join note
        on note.job_id = jobs.id and note.attempt = jobs.attempt and note.status = jobs.status
    where jobs.id = any(array(select job_id from note))
    order by jobs.id
    for no key update of jobs
),
job as (
    update jobs
    set observed = noted.observed, waiting_for = noted.waiting_for, stalled_at = noted.stalled_at
    from noted
    where jobs.id = any(array(select id from noted)) and jobs.id = noted.id
),
going_on as (
    select attempts.job_id, attempts.attempt, noted.was_stalled_at
    from noted
    join attempts on attempts.job_id = noted.id and attempts.attempt = noted.attempt
    where
        attempts.job_id = any(array(select id from noted))
        and noted.stalled_at is null
        and noted.was_stalled_at < $2
    order by attempts.job_id
    for no key update of attempts
)
update attempts
set stalled = attempts.stalled + tstzmultirange(tstzrange(going_on.was_stalled_at, $2))
from going_on
where
    attempts.job_id = any(array(select job_id from going_on))
    and attempts.job_id = going_on.job_id
    and attempts.attempt = going_on.attempt;

-- name: note_attempts
-- Since when an attempt could not start, or was not found.
with note as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as note (
        job_id uuid, attempt int, first_bad_at timestamptz, missing_since timestamptz
    )
),
noted as (
    select attempts.job_id, attempts.attempt, note.first_bad_at, note.missing_since
    from attempts
    join note using (job_id, attempt)
    where attempts.job_id = any(array(select job_id from note))
    order by attempts.job_id, attempts.attempt
    for no key update of attempts
)
update attempts
set first_bad_at = noted.first_bad_at, missing_since = noted.missing_since
from noted
where
    attempts.job_id = any(array(select job_id from noted))
    and attempts.job_id = noted.job_id
    and attempts.attempt = noted.attempt;

-- name: note_reissued
-- Attempts whose Secret holds a token of this instant.
with renewed as (
    select job_id, attempt
    from attempts
    join unnest($1::uuid[], $2::int[]) as wanted (job_id, attempt) using (job_id, attempt)
    order by job_id, attempt
    for no key update of attempts
)
update attempts
set token_issued_at = $3
from renewed
where attempts.job_id = renewed.job_id and attempts.attempt = renewed.attempt;

-- name: settle_attempts
-- Attempts whose evidence is kept, with the address of the log where there was one.
with given as materialized (
    select *
    from jsonb_to_recordset($1::jsonb) as given (job_id uuid, attempt int, log_uri text)
),
settled as (
    select given.*
    from attempts
    join given using (job_id, attempt)
    where attempts.job_id = any(array(select job_id from given))
    order by attempts.job_id, attempts.attempt
    for no key update of attempts
)
update attempts
set settled_at = $2, log_uri = coalesce(settled.log_uri, attempts.log_uri)
from settled
where
    attempts.job_id = any(array(select job_id from settled))
    and attempts.job_id = settled.job_id
    and attempts.attempt = settled.attempt;

-- name: attempts_progressed
-- Which of these attempts saved a checkpoint.
select distinct job_id, attempt
from checkpoints
join unnest($1::uuid[], $2::int[]) as asked (job_id, attempt) using (job_id, attempt);

-- name: read_succeeded_events
-- The event that wakes a registration, to be sent again as it was.
select
    id, job_id, sequence, type, source, at, attempt, status_from, status_to, data, traceparent
from job_events
where job_id = any($1::uuid[]) and type = 'dev.eventrain.job.succeeded.v1';

-- Retention. Each statement deletes no more than so many rows that are older than an instant, and
-- says how many and how large they were; where its last argument is false it only says so.

-- name: sweep_idempotency_keys
-- Keys that no longer hold.
with old as materialized (
    select ctid, pg_column_size(idempotency_keys.*) as size
    from idempotency_keys
    where created_at < $1
    order by created_at
    limit $2
),
gone as (
    delete from idempotency_keys where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- name: sweep_work
-- Work that was done or given up.
with old as materialized (
    select ctid, pg_column_size(work.*) as size
    from work
    where state <> 'due' and finished_at < $1
    order by finished_at
    limit $2
),
gone as (
    delete from work where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- name: sweep_timeline
-- Published events of jobs that are over.
with old as materialized (
    select job_events.ctid, pg_column_size(job_events.*) as size
    from job_events
    join jobs on jobs.id = job_events.job_id
    where job_events.at < $1 and job_events.published_at is not null and jobs.completed_at < $1
    order by job_events.at
    limit $2
),
gone as (
    delete from job_events where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- name: sweep_reports
-- What trainers of jobs that are over told, but for logs.
with old as materialized (
    select reports.ctid, pg_column_size(payload) as size
    from reports
    join jobs on jobs.id = reports.job_id
    where reports.type <> 'log' and reports.received_at < $1 and jobs.completed_at < $1
    order by reports.received_at
    limit $2
),
gone as (
    delete from reports where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- name: sweep_log_reports
-- What trainers of jobs that are over printed.
with old as materialized (
    select reports.ctid, pg_column_size(payload) as size
    from reports
    join jobs on jobs.id = reports.job_id
    where reports.type = 'log' and reports.received_at < $1 and jobs.completed_at < $1
    order by reports.received_at
    limit $2
),
gone as (
    delete from reports where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- name: sweep_packs
-- Heartbeats, packed as all are whose attempt is over; their outlines stay.
with old as materialized (
    select ctid, octet_length(beats) as size
    from packs
    where made_at < $1
    order by made_at
    limit $2
),
gone as (
    delete from packs where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- name: sweep_outlines
-- The outlines of attempts that were packed.
with old as materialized (
    select job_id, attempt
    from courses
    where packed_at < $1
    order by packed_at
    limit $2
),
size as (
    select count(*) as rows, coalesce(sum(octet_length(outline)), 0)::bigint as bytes
    from outlines
    join old using (job_id, attempt)
),
gone as (
    delete from courses
    using old
    where courses.job_id = old.job_id and courses.attempt = old.attempt and $3::boolean
)
select rows, bytes, (select count(*) from old) as found from size;

-- name: old_logs
-- Logs in S3 of attempts that ended long ago.
select job_id, attempt, log_uri
from attempts
where log_uri is not null and ended_at < $1
order by ended_at
limit $2;

-- name: forget_logs
-- Their objects are gone.
with gone as (
    select job_id, attempt
    from attempts
    join unnest($1::uuid[], $2::int[]) as wanted (job_id, attempt) using (job_id, attempt)
    order by job_id, attempt
    for no key update of attempts
)
update attempts
set log_uri = null
from gone
where attempts.job_id = gone.job_id and attempts.attempt = gone.attempt;

-- name: sweep_checkpoints
-- Of some jobs that are over and were not swept: their checkpoints but for the newest of each and
-- the best by a metric. What must remain of all it named, and how many and how large those are
-- that go. A job that
-- another one starts from waits until that one is over. Attempts note when the last that goes was
-- saved.
with held as materialized (
    select substring(request -> 'resolved' -> 'checkpoint' ->> 'uri' from '/jobs/([0-9a-f-]{36})/')
        as job_id
    from jobs
    where status in ('pending', 'queued', 'running')
),
old as materialized (
    select id
    from jobs
    where
        completed_at < $1
        and swept_at is null
        and id::text not in (select job_id from held where job_id is not null)
    order by completed_at
    limit $2
),
ranked as (
    select
        checkpoints.*,
        row_number() over (partition by job_id order by number desc) as age,
        row_number() over (
            partition by job_id
            order by
                case
                    when jsonb_typeof(metrics -> $5::text) = 'number'
                        then $6::int * (metrics ->> $5::text)::double precision
                end nulls last,
                number desc
        ) as place
    from checkpoints
    where job_id in (select id from old)
),
chosen as materialized (
    select
        id, job_id, attempt, uri, size, created_at,
        age <= $4::int
        or (place = 1 and coalesce(jsonb_typeof(metrics -> $5::text) = 'number', false)) as stays
    from ranked
),
gone as (
    delete from checkpoints using chosen
    where checkpoints.id = chosen.id and not chosen.stays and $3::boolean
),
saved as (
    select job_id, attempt, max(created_at) as at
    from chosen
    where not stays and $3::boolean
    group by job_id, attempt
),
held_attempts as (
    select attempts.job_id, attempts.attempt, saved.at
    from attempts
    join saved using (job_id, attempt)
    order by attempts.job_id, attempts.attempt
    for no key update of attempts
),
noted as (
    update attempts
    set saved_at = greatest(attempts.saved_at, held_attempts.at)
    from held_attempts
    where
        attempts.job_id = held_attempts.job_id and attempts.attempt = held_attempts.attempt
)
select
    old.id as job_id,
    array_remove(
        coalesce(array_agg(uri) filter (where stays), '{}')
        || array(select uri from artifacts where artifacts.job_id = old.id)
        || (select output_model_storage_uri from jobs where jobs.id = old.id),
        null
    ) as kept,
    count(*) filter (where not stays) as rows,
    coalesce(sum(size) filter (where not stays), 0)::bigint as bytes,
    (select attempt from jobs where jobs.id = old.id) as attempts
from old
left join chosen on chosen.job_id = old.id
group by old.id;

-- name: note_swept
-- What these jobs need not keep is gone.
with old as (
    select id from jobs where id = any($1::uuid[]) order by id for no key update
)
update jobs set swept_at = $2 from old where jobs.id = old.id;

-- Webhooks.

-- name: insert_webhook
-- A project's standing wish to be told, as long as it has not too many.
insert into webhooks (id, project_id, url, events, created_by, created_at)
select $1, $2, $3, $4::jsonb, $5, $6
where (select count(*) from webhooks where project_id = $2) < $7::int
returning *;

-- name: read_webhook
-- One of them.
select * from webhooks where id = $1;

-- name: list_webhooks
-- All of some projects.
select * from webhooks where project_id = any($1::uuid[]) order by created_at, id;

-- name: delete_webhook
-- Gone, with what signed for it.
with gone as (delete from webhook_secrets where owner_id = $1)
delete from webhooks where id = $1;

-- name: rotate_secret
-- A new secret; the one before stays in force for a while.
insert into webhook_secrets as held (owner_id, secret)
values ($1, $2)
on conflict (owner_id) do update
set former_secret = held.secret, former_until = $3::timestamptz, secret = excluded.secret;

-- name: claim_deliveries
-- Due deliveries, each for one sender until its lease is over, with the event and what signs it.
with due as (
    select id
    from webhook_deliveries
    where
        state = 'due' and next_at <= $1
        and (leased_until is null or leased_until <= $1)
        and ($2::uuid is null or job_id = $2)
    order by next_at
    limit $3
    for update skip locked
),
claimed as (
    update webhook_deliveries as d
    set tries = d.tries + 1, leased_until = $1::timestamptz + $4::interval
    from due
    where d.id = due.id
    returning d.*
)
select
    claimed.id as delivery_id, claimed.tries as delivery_tries, claimed.url, claimed.project_id,
    claimed.webhook_id, claimed.event_id, claimed.event_type, claimed.leased_until,
    claimed.created_at, held.secret, held.former_secret, held.former_until,
    e.id, e.job_id, e.sequence, e.type, e.source, e.at, e.data, e.traceparent
from claimed
left join webhook_secrets as held
    on held.owner_id = coalesce(claimed.webhook_id, claimed.project_id)
left join job_events as e on e.id = claimed.event_id;

-- name: note_delivery
-- What came of a try, unless the lease has run out and another has it.
update webhook_deliveries
set
    state = $3,
    next_at = $4,
    finished_at = case when $3 = 'due' then null else $5::timestamptz end,
    leased_until = null,
    tried = case when jsonb_array_length(tried) >= 20 then tried - 0 else tried end || $6::jsonb
where id = $1 and leased_until = $2 and state = 'due';

-- name: list_deliveries
-- A page of what was told, the newest first; a filter that is null holds for all.
select *
from webhook_deliveries
where
    project_id = any($1::uuid[])
    and ($2::uuid is null or webhook_id = $2)
    and ($3::uuid is null or job_id = $3)
    and ($4::text is null or state = $4)
    and ($5::timestamptz is null or (created_at, id) < ($5, $6::uuid))
order by created_at desc, id desc
limit $7;

-- name: read_delivery
-- One of them.
select * from webhook_deliveries where id = $1;

-- name: redeliver
-- From the beginning and at once, unless it is being sent.
update webhook_deliveries
set state = 'due', tries = 0, next_at = $2, finished_at = null, leased_until = null
where id = $1 and (leased_until is null or leased_until <= $2)
returning *;

-- name: insert_test_delivery
-- One that tells of nothing.
insert into webhook_deliveries (
    id, project_id, webhook_id, event_type, url, state, next_at, created_at
)
values ($1, $2, $3, $4, $5, 'due', $6, $6)
returning *;

-- name: any_delivery_due
-- Whether there is something to send that nobody sends.
select exists (
    select from webhook_deliveries
    where state = 'due' and next_at <= $1 and (leased_until is null or leased_until <= $1)
);

-- name: sweep_deliveries
-- What was told, or given up, long ago.
with old as materialized (
    select ctid, pg_column_size(webhook_deliveries.*) as size
    from webhook_deliveries
    where state <> 'due' and finished_at < $1
    order by finished_at
    limit $2
),
gone as (
    delete from webhook_deliveries
    where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- Watching jobs.

-- name: watch_jobs
-- Those of the watched jobs that are not as they were: any update of a row changes its xmin.
select
    jobs.*,
    beats.last_seen,
    beats.progressed_at,
    beats.sequence as beat_sequence,
    beats.reported,
    beats.body as beat,
    found.version
from unnest($1::uuid[], $2::text[]) as known (id, version)
join jobs using (id)
left join beats on beats.job_id = jobs.id
cross join lateral (
    select concat(jobs.xmin::text, '.', beats.xmin::text) as version
) as found
where known.version is distinct from found.version;

-- name: watch_timelines
-- What each job's timeline has beyond a place, state changes and reports apart, in the order of
-- their numbers.
select line.*
from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as place (job_id, change, report)
cross join lateral (
    (
        select
            job_id, at, 0 as kind, sequence as number, type, source, attempt, status_from,
            status_to, data
        from job_events
        where job_events.job_id = place.job_id and sequence > place.change
        order by sequence
        limit $4
    )
    union all
    (
        select
            job_id, received_at, 1, number, type, 'trainer', attempt, null, null, payload
        from reports
        where
            reports.job_id = place.job_id
            and number > place.report
            and type <> 'log'
            and type <> 'mlflow'
        order by number
        limit $4
    )
) as line
order by job_id, kind, number;

-- name: watch_heartbeats
-- The heartbeats of each job beyond a place, until so many bytes are filled.
select beat.*
from unnest($1::uuid[], $2::int[], $3::bigint[]) as place (job_id, attempt, sequence)
cross join lateral (
    select
        page.*, size, sum(size) over (order by attempt, sequence rows unbounded preceding) as filled
    from (
        select job_id, attempt, sequence, received_at, body
        from heartbeats
        where
            heartbeats.job_id = place.job_id
            and (heartbeats.attempt, heartbeats.sequence) > (place.attempt, place.sequence)
        order by attempt, sequence
        limit $4
    ) as page, octet_length(body::text) as size
) as beat
where filled - size < $5
order by job_id, attempt, sequence;

-- name: watch_list
-- The first page of a list of jobs, as list_jobs would give it: which job, in which version.
select page.id, concat(page.version, '.', beats.xmin::text) as version
from (
    select mine.*
    from unnest($1::uuid[]) as project (id)
    cross join lateral (
        select id, submitted_at, xmin::text as version
        from jobs
        where
            project_id = project.id
            and ($2::text[] is null or status = any($2))
            and ($3::uuid is null or model_id = $3)
            and ($4::text is null or submitted_by = $4)
            and ($5::jsonb is null or labels @> $5)
            and ($6::text is null or lower(name) like $6 or id between $7::uuid and $8::uuid)
        order by submitted_at desc, id desc
        limit $9
    ) as mine
    order by submitted_at desc, id desc
    limit $9
) as page
left join beats on beats.job_id = page.id
order by page.submitted_at desc, page.id desc;

-- name: read_member_roles
-- What somebody may do where, by membership.
select coalesce(jsonb_object_agg(project_id, role), '{}'::jsonb) from members where subject = $1;

-- name: find_token
-- A token by the digest of its secret, with what its person may do by membership.
select
    id, kind, subject, roles, administers, expires_at,
    case
        when kind = 'person' then (
            select coalesce(jsonb_object_agg(members.project_id, members.role), '{}'::jsonb)
            from members
            where members.subject = tokens.subject
        )
        else '{}'::jsonb
    end as member_roles
from tokens
where secret = $1 and revoked_at is null and replaced_at is null;

-- name: insert_token
-- A token, or the next one of its family, from one JSON object; digests are written in hex.
insert into tokens (
    id, family, kind, name, subject, project_id, roles, administers, secret, refresh, created_by,
    created_at, expires_at, refresh_expires_at
)
select
    id, family, kind, name, subject, project_id, roles, administers, decode(secret, 'hex'),
    decode(refresh, 'hex'), created_by, created_at, expires_at, refresh_expires_at
from jsonb_to_record($1::jsonb) as t (
    id uuid, family uuid, kind text, name text, subject text, project_id uuid, roles jsonb,
    administers boolean, secret text, refresh text, created_by text, created_at timestamptz,
    expires_at timestamptz, refresh_expires_at timestamptz
);

-- name: lock_refreshed_token
-- What a refresh secret belongs to. One that was used already is found too: that is how its theft
-- is seen.
select
    id, family, kind, name, subject, project_id, roles, administers, created_by, created_at,
    expires_at, refresh_expires_at, replaced_at, revoked_at
from tokens
where refresh = $1
for no key update;

-- name: replace_token
-- From now on its successor counts.
update tokens set replaced_at = $2 where id = $1;

-- name: revoke_family
-- A token with all that came from it and that it came from, in id order.
with held as (
    select id from tokens
    where family = $1 and revoked_at is null
    order by id
    for no key update
)
update tokens set revoked_at = $2 from held where tokens.id = held.id;

-- name: read_token
-- One token, as it is listed.
select
    id, family, kind, name, subject, project_id, roles, created_by, created_at, expires_at,
    refresh_expires_at, revoked_at
from tokens
where id = $1;

-- name: list_tokens
-- Tokens of a person, or of a project's machines, newest first; those that were replaced are not
-- shown.
select
    id, family, kind, name, subject, project_id, roles, created_by, created_at, expires_at,
    refresh_expires_at, revoked_at
from tokens
where
    replaced_at is null
    and case when $2::uuid is null then kind = 'person' and subject = $1 else project_id = $2 end
    and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
order by created_at desc, id desc
limit $5;

-- name: take_calls
-- A slice of what a caller may still do in the present window, which begins with the first call
-- after the one before it was over. The clock is Postgres's, for the window is shared.
insert into rate_windows as held (caller, rule, started_at, taken, granted)
values ($1, $2, clock_timestamp(), least($3::int, $5::int), least($3::int, $5::int))
on conflict (caller, rule) do update
set
    started_at = case
        when held.started_at + $4::interval <= clock_timestamp() then clock_timestamp()
        else held.started_at
    end,
    taken = case
        when held.started_at + $4::interval <= clock_timestamp() then least($3::int, $5::int)
        else greatest(held.taken, least($3::int, held.taken + $5::int))
    end,
    granted = case
        when held.started_at + $4::interval <= clock_timestamp() then least($3::int, $5::int)
        else greatest(0, least($3::int, held.taken + $5::int) - held.taken)
    end
returning
    granted,
    extract(epoch from started_at + $4::interval - clock_timestamp())::double precision as remaining;

-- name: insert_audit
-- Who changed what, in the transaction of the change.
insert into audit (at, subject, token_id, project_id, action, target, request_id, outcome)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: list_audit
-- The audit of everything, or of these projects, newest first.
select id, at, subject, token_id, project_id, action, target, request_id, outcome
from audit
where
    ($1::uuid[] is null or project_id = any($1))
    and ($2::text is null or subject = $2)
    and ($3::bigint is null or id < $3)
order by id desc
limit $4;

-- name: insert_project
-- A new project.
insert into projects (id, name, created_by, created_at) values ($1, $2, $3, $4)
on conflict (id) do nothing
returning id;

-- name: list_projects
-- The projects of a caller, named or not, or all that have a row; in the order of ids.
with asked as (
    select unnest($1::uuid[]) as id
    union
    select id from projects where $2::boolean
)
select
    asked.id,
    coalesce(projects.name, 'project ' || left(asked.id::text, 8)) as name,
    projects.max_live_jobs, projects.max_gpus, projects.max_gpu_hours,
    projects.created_by, projects.created_at
from asked
left join projects using (id)
where $3::uuid is null or asked.id > $3
order by asked.id
limit $4;

-- name: change_project
-- Its name and its quota.
update projects
set name = $2, max_live_jobs = $3, max_gpus = $4, max_gpu_hours = $5
where id = $1;

-- name: lock_project
-- One change of a project at a time.
select id, name, max_live_jobs, max_gpus, max_gpu_hours, created_by, created_at
from projects
where id = $1
for no key update;

-- name: hold_quota
-- The quota of a project that has one, and its row until the transaction ends: who submits next
-- waits, and then counts this job too.
select max_live_jobs, max_gpus, max_gpu_hours
from projects
where
    id = $1
    and (max_live_jobs is not null or max_gpus is not null or max_gpu_hours is not null)
for no key update;

-- name: read_usage
-- What a project uses now, and the GPU hours of what was submitted since then: what ended jobs ran,
-- and all that live ones may still run.
select
    count(*) filter (where live) as live_jobs,
    coalesce(sum(gpus) filter (where live), 0)::bigint as gpus,
    coalesce(
        sum(gpus * case when live then allowed else ran end) filter (where submitted_at >= $2), 0
    )::double precision as gpu_hours
from (
    select
        status in ('pending', 'queued', 'running') as live,
        submitted_at,
        coalesce((request #>> '{resolved,gpu,count}')::int, 0) as gpus,
        coalesce((request #>> '{resourceProfile,maxDuration}')::double precision, 0) / 60 as allowed,
        ran_seconds / 3600 as ran
    from jobs
    where
        project_id = $1
        and (submitted_at >= $2 or status in ('pending', 'queued', 'running'))
) as job;

-- name: list_members
-- The members of a project, by name.
select subject, role, added_by, added_at
from members
where project_id = $1 and ($2::text is null or subject > $2)
order by subject
limit $3;

-- name: put_member
-- A member's role, new or changed.
insert into members (project_id, subject, role, added_by, added_at)
values ($1, $2, $3, $4, $5)
on conflict (project_id, subject) do update
set role = excluded.role, added_by = excluded.added_by, added_at = excluded.added_at
returning subject, role, added_by, added_at;

-- name: delete_member
-- Somebody leaves a project.
delete from members
where project_id = $1 and subject = $2
returning subject, role, added_by, added_at;

-- Drawing and packing what was measured.

-- name: due_outlines
-- Attempts of which much was told since they were drawn, the first of it long enough ago, and those
-- that ended and are not drawn to the end. The size of the last heartbeat stands for that of all.
select
    attempts.job_id, attempts.attempt, coalesce(attempts.ended_at < $2, false) as over
from attempts
join beats on beats.job_id = attempts.job_id
left join courses on courses.job_id = attempts.job_id and courses.attempt = attempts.attempt
where
    attempts.packed_at is null
    and not coalesce(courses.complete, false)
    and (
        attempts.ended_at < $2
        or (
            beats.attempt = attempts.attempt
            and (beats.sequence - coalesce(courses.upto, -1))::float8 * pg_column_size(beats.body)
                >= $3
            and (
                select received_at
                from heartbeats
                where
                    heartbeats.job_id = attempts.job_id
                    and heartbeats.attempt = attempts.attempt
                    and heartbeats.sequence > coalesce(courses.upto, -1)
                order by heartbeats.sequence
                limit 1
            ) < $2
        )
    )
order by attempts.job_id, attempts.attempt
limit $1;

-- name: due_packs
-- Attempts that ended long enough ago to be drawn to the end, and whose heartbeats are not packed,
-- unless MLflow has not heard of all of them.
select attempts.job_id, attempts.attempt, true as over
from attempts
join courses using (job_id, attempt)
left join mirrors using (job_id, attempt)
where
    attempts.packed_at is null
    and courses.complete
    and attempts.ended_at < $2
    and coalesce(mirrors.settled, true)
order by attempts.job_id, attempts.attempt
limit $1;

-- name: hold_courses
-- The rows of whoever draws or packs, locked in order.
insert into courses (job_id, attempt)
select job_id, attempt
from unnest($1::uuid[], $2::int[]) as mine (job_id, attempt)
order by job_id, attempt
on conflict (job_id, attempt) do update set upto = courses.upto;

-- name: read_undrawn_of
-- Of each of these attempts the next heartbeats that are not drawn, told before an instant; of one
-- that is over also those that came late. Until so many bytes are filled.
select job_id, attempt, sequence, received_at, body, filled
from (
    select
        beat.*,
        sum(beat.size) over (
            order by beat.job_id, beat.attempt, beat.sequence rows unbounded preceding
        ) as filled
    from unnest($1::uuid[], $2::int[], $3::boolean[]) as mine (job_id, attempt, over)
    join courses using (job_id, attempt)
    cross join lateral (
        select
            heartbeats.job_id, heartbeats.attempt, heartbeats.sequence, received_at, body,
            pg_column_size(body) as size
        from heartbeats
        where
            heartbeats.job_id = mine.job_id
            and heartbeats.attempt = mine.attempt
            and heartbeats.sequence > case when mine.over then -1 else courses.upto end
            and not heartbeats.sequence <@ courses.sequences
            and (mine.over or heartbeats.received_at < $4)
        order by heartbeats.sequence
        limit $5
    ) as beat
) as measured
where filled - size < $6
order by job_id, attempt, sequence;

-- name: read_unpacked_of
-- Of each of these attempts the first heartbeats that are not packed, and whether they are drawn.
-- Until so many bytes are filled.
select job_id, attempt, sequence, received_at, body, drawn, filled
from (
    select
        beat.*,
        sum(beat.size) over (
            order by beat.job_id, beat.attempt, beat.sequence rows unbounded preceding
        ) as filled
    from unnest($1::uuid[], $2::int[]) as mine (job_id, attempt)
    join courses using (job_id, attempt)
    cross join lateral (
        select
            heartbeats.job_id, heartbeats.attempt, heartbeats.sequence, received_at, body,
            heartbeats.sequence <@ courses.sequences as drawn, pg_column_size(body) as size
        from heartbeats
        where heartbeats.job_id = mine.job_id and heartbeats.attempt = mine.attempt
        order by heartbeats.sequence
        limit $3
    ) as beat
) as measured
where filled - size < $4
order by job_id, attempt, sequence;

-- name: outlines_of
-- What is drawn of some series.
select job_id, attempt, name, told, outline
from outlines
join unnest($1::uuid[], $2::int[], $3::text[]) as wanted (job_id, attempt, name)
    using (job_id, attempt, name);

-- name: write_outlines
-- Series as they are drawn now.
insert into outlines (job_id, attempt, name, told, outline)
select job_id, attempt, name, told, outline
from unnest($1::uuid[], $2::int[], $3::text[], $4::boolean[], $5::bytea[])
    as drawn (job_id, attempt, name, told, outline)
order by job_id, attempt, name
on conflict (job_id, attempt, name) do update
set told = excluded.told, outline = excluded.outline;

-- name: note_drawn
-- These heartbeats are drawn.
with drawn as (
    select job_id, attempt, max(sequence) as upto, range_agg(int8range(sequence, sequence, '[]')) as sequences
    from unnest($1::uuid[], $2::int[], $3::bigint[]) as d (job_id, attempt, sequence)
    group by job_id, attempt
)
update courses
set upto = greatest(courses.upto, drawn.upto), sequences = courses.sequences + drawn.sequences
from drawn
where courses.job_id = drawn.job_id and courses.attempt = drawn.attempt;

-- name: note_complete
-- Of these attempts all is drawn that can be expected.
update courses
set complete = true
from unnest($1::uuid[], $2::int[]) as whole (job_id, attempt)
where courses.job_id = whole.job_id and courses.attempt = whole.attempt;

-- name: insert_packs
-- Heartbeats packed together; their rows go in the same transaction.
insert into packs (job_id, attempt, first, last, last_at, made_at, beats)
select job_id, attempt, first, last, last_at, $7, beats
from unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::bytea[])
    as packed (job_id, attempt, first, last, last_at, beats);

-- name: delete_packed
-- Rows of heartbeats that were packed, and no others.
delete from heartbeats
using unnest($1::uuid[], $2::int[], $3::bigint[]) as packed (job_id, attempt, sequence)
where
    heartbeats.job_id = packed.job_id
    and heartbeats.attempt = packed.attempt
    and heartbeats.sequence = packed.sequence;

-- name: note_packed
-- Of these attempts all heartbeats are packed.
with whole as (
    select job_id, attempt from unnest($1::uuid[], $2::int[]) as whole (job_id, attempt)
),
held as (
    select attempts.job_id, attempts.attempt
    from attempts join whole using (job_id, attempt)
    order by attempts.job_id, attempts.attempt
    for no key update of attempts
),
course as (
    update courses set packed_at = $3 from whole
    where courses.job_id = whole.job_id and courses.attempt = whole.attempt
)
update attempts
set packed_at = $3
from held
where attempts.job_id = held.job_id and attempts.attempt = held.attempt;

-- name: sweep_audit
-- The oldest entries, which are the first by number.
with old as materialized (
    select ctid, at, pg_column_size(first.*) as size
    from (select ctid, audit.* from audit order by id limit $2) as first
    where at < $1
),
gone as (
    delete from audit where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- name: sweep_tokens
-- Tokens that can neither be used nor refreshed any more.
with old as materialized (
    select ctid, pg_column_size(tokens.*) as size
    from tokens
    where greatest(expires_at, refresh_expires_at) < $1
    limit $2
),
gone as (
    delete from tokens where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- The ledger.

-- name: projects_with_jobs
-- Every project that has a job, by one step in an index each.
with recursive project (id) as (
    (select project_id from jobs order by project_id limit 1)
    union all
    select (
        select project_id from jobs where project_id > project.id order by project_id limit 1
    )
    from project
    where project.id is not null
)
select id from project where id is not null;

-- name: read_ledger
-- What jobs that were submitted within a span spent, in groups by their key. An attempt ran from its
-- start to its end; while it was marked as stalled, it was stalled; what it did since it saved
-- something last is lost unless it succeeded or goes on. What is left of a job's time is queued. By
-- job no more are read than are shown, newest first; other groups are read whole. `offset 0`
-- keeps the planner from reading everybody's attempts for those of a few jobs.
with job as (
    select mine.*
    from unnest($1::uuid[]) as project (id)
    cross join lateral (
        select
            id, project_id, submitted_by, name, submitted_at, completed_at, stalled_at,
            request #>> '{resolved,gpu,type}' as gpu_type,
            coalesce(
                request #>> '{resolved,gpu,count}', request #>> '{resourceProfile,cpuCores}', '0'
            )::numeric as units
        from jobs
        where
            project_id = project.id
            and submitted_at >= $2
            and (submitted_at, id) < ($3::timestamptz, $4::uuid)
        order by submitted_at desc, id desc
        limit case when $5 = 'job' then $7::int end
    ) as mine
    order by submitted_at desc, id desc
    limit case when $5 = 'job' then $7::int end
),
attempt as (
    select
        job.id,
        attempts.started_at as began,
        greatest(attempts.started_at, attempts.ended_at, running.until) as ended,
        case
            when attempts.outcome = 'succeeded' then attempts.ended_at
            when attempts.ended_at is null then running.until
            else greatest(
                attempts.saved_at,
                (
                    select max(created_at)
                    from checkpoints
                    where
                        checkpoints.job_id = attempts.job_id
                        and checkpoints.attempt = attempts.attempt
                )
            )
        end as saved,
        attempts.stalled + case
            when job.stalled_at < running.until
                then tstzmultirange(tstzrange(job.stalled_at, running.until))
            else '{}'
        end as stalled
    from job
    cross join lateral (
        select * from attempts where attempts.job_id = job.id and started_at is not null offset 0
    ) as attempts
    cross join lateral (
        select case when attempts.ended_at is null then $8::timestamptz end as until
    ) as running
),
course as (
    select
        id, began, ended, tstzmultirange(tstzrange(began, ended)) * stalled as stalled,
        tstzmultirange(tstzrange(least(greatest(began, saved), ended), ended)) - stalled as lost
    from attempt
),
run as (
    select
        id,
        sum(extract(epoch from ended - began)) as ran,
        sum((select coalesce(sum(extract(epoch from upper(r) - lower(r))), 0) from unnest(stalled) as r))
            as stalled,
        sum((select coalesce(sum(extract(epoch from upper(r) - lower(r))), 0) from unnest(lost) as r))
            as lost
    from course
    group by id
),
spent as (
    select
        job.*,
        coalesce(job.gpu_type, 'cpu') as kind,
        coalesce(ran, 0) as ran,
        units * coalesce(ran - stalled - lost, 0) / 3600 as useful,
        units * coalesce(lost, 0) / 3600 as lost,
        units * coalesce(stalled, 0) / 3600 as stalled,
        units * greatest(
            extract(epoch from coalesce(completed_at, $8) - submitted_at) - coalesce(ran, 0), 0
        ) / 3600 as queued
    from job
    left join run using (id)
),
keyed as (
    select
        case $5::text
            when 'job' then id::text
            when 'user' then submitted_by
            when 'project' then project_id::text
            when 'gpuType' then kind
            when 'month' then to_char(submitted_at at time zone 'UTC', 'YYYY-MM')
            else to_char(submitted_at at time zone 'UTC', 'YYYY-MM-DD')
        end collate "C" as key,
        ($9::jsonb ->> kind)::numeric as price,
        gpu_type is not null as on_gpu,
        spent.*
    from spent
)
select
    key,
    case when $5 = 'job' then max(name) end as name,
    count(*) as jobs,
    max(submitted_at) as submitted_at,
    coalesce(sum(useful) filter (where on_gpu), 0)::float8 as gpu_useful,
    coalesce(sum(lost) filter (where on_gpu), 0)::float8 as gpu_lost,
    coalesce(sum(stalled) filter (where on_gpu), 0)::float8 as gpu_stalled,
    coalesce(sum(queued) filter (where on_gpu), 0)::float8 as gpu_queued,
    coalesce(sum(useful) filter (where not on_gpu), 0)::float8 as cpu_useful,
    coalesce(sum(lost) filter (where not on_gpu), 0)::float8 as cpu_lost,
    coalesce(sum(stalled) filter (where not on_gpu), 0)::float8 as cpu_stalled,
    coalesce(sum(queued) filter (where not on_gpu), 0)::float8 as cpu_queued,
    coalesce(sum(useful * price), 0)::float8 as cost_useful,
    coalesce(sum(lost * price), 0)::float8 as cost_lost,
    coalesce(sum(stalled * price), 0)::float8 as cost_stalled,
    coalesce(sum(useful + lost + stalled) filter (where price is null), 0)::float8 as unpriced
from keyed
where $6::text is null or key > $6
group by key
order by
    case when $5 = 'job' then max(submitted_at) end desc,
    case when $5 = 'job' then key end desc,
    key
limit $7;

-- name: lineage_of_model
-- The job that made a model, with its code and the model that it began from.
select
    jobs.id, jobs.name, jobs.status, jobs.attempt, jobs.job_type, jobs.submitted_by,
    jobs.completed_at, jobs.request -> 'hyperparameters' as hyperparameters,
    jobs.request #>> '{resolved,framework}' as framework,
    jobs.request #>> '{resolved,image}' as image,
    jobs.request #> '{trainer,source}' as source,
    jobs.request #>> '{trainer,entrypoint}' as entrypoint,
    coalesce(jobs.request #> '{trainer,args}', '[]') as args,
    (
        select
            jsonb_build_object(
                'id', base.id, 'name', base.name, 'version', base.version, 'status', base.status
            )
        from models as base
        where base.id = jobs.model_id and base.project_id = jobs.project_id
    ) as base_model
from jobs
where jobs.id = $1;

-- name: lineage_datasets
-- The named datasets of a project; one that is gone, or another project's, has no name.
select named.id, datasets.name, datasets.version
from unnest($2::uuid[]) as named (id)
left join datasets on datasets.id = named.id and datasets.project_id = $1
order by datasets.name, named.id;

-- name: jobs_from_model
-- The newest jobs that began from a model.
select id, name, status, submitted_at
from jobs
where project_id = $1 and model_id = $2
order by submitted_at desc, id desc
limit $3;

-- name: models_from_model
-- What the jobs that began from a model made.
select made.id, made.name, made.version, made.status, made.job_id
from jobs
join models as made on made.id = jobs.output_model_entry_id
where jobs.project_id = $1 and jobs.model_id = $2
order by jobs.submitted_at desc, jobs.id desc
limit $3;

-- name: jobs_from_dataset
-- The newest jobs that trained on a dataset.
select id, name, status, submitted_at
from jobs
where project_id = $1 and dataset_id = $2
order by submitted_at desc, id desc
limit $3;

-- name: models_from_dataset
-- The newest models that say they were made from a dataset; its id comes as an array of text.
select id, name, version, status, job_id
from models
where lineage_dataset_ids @> to_jsonb($2::text[]) and project_id = $1
order by created_at desc, id desc
limit $3;

-- name: dependents_of_model
-- What stands against deleting a model: live jobs that began from it, and models made of it.
(
    select 'job' as kind, id, name, status
    from jobs
    where model_id = $2 and status in ('pending', 'queued', 'running')
    limit $3
)
union all
(
    select 'model' as kind, made.id, made.name || ' ' || made.version, made.status
    from jobs
    join models as made on made.id = jobs.output_model_entry_id
    where jobs.project_id = $1 and jobs.model_id = $2 and made.status <> 'deprecated'
    limit $3
)
limit $3;

-- name: dependents_of_dataset
-- What stands against deleting a dataset: live jobs that train on it, and models made from it.
(
    select 'job' as kind, id, name, status
    from jobs
    where dataset_id = $2 and status in ('pending', 'queued', 'running')
    limit $4
)
union all
(
    select 'model' as kind, id, name || ' ' || version, status
    from models
    where
        lineage_dataset_ids @> to_jsonb($3::text[]) and project_id = $1 and status <> 'deprecated'
    limit $4
)
limit $4;

-- Tracking: experiment runs, and MLflow.

-- name: read_told_runs
-- Some runs of an attempt, and its main one, under the beat's lock.
select run, parent, main, name, parameters, tags, metrics, status, start_time, end_time
from experiment_runs
where job_id = $1 and attempt = $2 and run <> '' and (run = any($3::text[]) or main);

-- name: read_logged_models
-- Some models that an attempt logged, under the beat's lock.
select model, run, name, type, status, params, tags
from logged_models
where job_id = $1 and attempt = $2 and model = any($3::text[]);

-- name: count_told
-- How many runs and models an attempt has told of.
select
    (select count(*) from experiment_runs where job_id = $1 and attempt = $2 and run <> '') as runs,
    (select count(*) from logged_models where job_id = $1 and attempt = $2) as models;

-- name: write_runs
-- Runs of an attempt as they are now. An experiment that has the job's own name has none.
insert into experiment_runs as known (
    id, job_id, attempt, run, parent, main, experiment_name, name, parameters, tags, metrics,
    status, start_time, end_time, created_by, created_at, updated_at
)
select
    id, $1, $2, run, parent, main, nullif(experiment_name, 'job-' || $1::uuid), name, parameters,
    tags, metrics, status, start_time, end_time,
    coalesce((select submitted_by from jobs where jobs.id = $1), ''), $4, $4
from jsonb_to_recordset($3::jsonb) as told (
    id uuid, run text, parent text, main boolean, experiment_name text, name text,
    parameters jsonb, tags jsonb, metrics jsonb, status text, start_time timestamptz, end_time timestamptz
)
order by run
on conflict (job_id, attempt, run) do update
set
    name = excluded.name,
    parameters = excluded.parameters,
    tags = excluded.tags,
    metrics = excluded.metrics,
    status = excluded.status,
    end_time = excluded.end_time,
    updated_at = excluded.updated_at;

-- name: write_logged_models
-- Models of an attempt as they are now.
insert into logged_models as known (
    job_id, attempt, model, run, name, type, status, params, tags, created_at, updated_at
)
select $1, $2, model, run, name, type, status, params, tags, $4, $4
from jsonb_to_recordset($3::jsonb) as told (
    model text, run text, name text, type text, status text, params jsonb, tags jsonb
)
order by model
on conflict (job_id, attempt, model) do update
set
    status = excluded.status,
    params = excluded.params,
    tags = excluded.tags,
    updated_at = excluded.updated_at;

-- name: number_word
-- The next number of a job's reports, for what a person says of its run: no sign of life.
update beats set reported = reported + 1 where job_id = $1 returning attempt, reported;

-- name: insert_word
-- What a person says of a job's run, among what its trainer tells, so that MLflow hears it in order.
insert into reports (job_id, number, attempt, event_key, type, payload, occurred_at, received_at)
values ($1, $2, $3, $4, 'mlflow', $5::jsonb, $6, $6);

-- name: say_of_run
-- What people say of an attempt's own run: the last name counts, and of each parameter the last value.
insert into experiment_runs as known (
    id, job_id, attempt, run, experiment_name, name, parameters, status, created_by, created_at,
    updated_at
)
values ($1, $2, $3, '', $4, $5, $6::jsonb, 'running', $7, $8, $8)
on conflict (job_id, attempt, run) do update
set
    experiment_name = coalesce(excluded.experiment_name, known.experiment_name),
    name = coalesce(excluded.name, known.name),
    parameters = known.parameters || excluded.parameters,
    updated_at = excluded.updated_at
returning parameters;

-- name: insert_figures
-- Figures of a job that were told together, of one step.
insert into metrics (id, job_id, name, value, step, recorded_at)
select id, $1, name, value, $4, $5
from unnest($2::uuid[], $3::text[], $6::float8[]) as figure (id, name, value);

-- name: find_runs
-- The experiment runs of some projects' jobs, newest first, as far as they meet every condition: what
-- programs told, and one more of each attempt whose program told none. A filter that is null holds
-- for all; with `$4` only the main runs and those. What people say of an attempt's run is added to
-- its main one; the limit there keeps the planner at the index, whatever it believes of how many
-- there are. Metrics are the heartbeats' and the end's; figures that were recorded one by one belong
-- to the present attempt.
with job as (
    select
        jobs.*,
        (
            select experiment_name
            from experiment_runs
            where experiment_runs.job_id = jobs.id and experiment_name is not null
            order by run, attempt desc
            limit 1
        ) as experiment_name
    from jobs
    where project_id = any($1::uuid[]) and ($2::uuid[] is null or id = any($2))
),
told as (
    select
        job.id as job_id, job.name as job_name, job.status as job_status, job.submitted_by,
        job.experiment_name, job.attempt = attempts.attempt as present,
        job.request -> 'hyperparameters' as hyperparameters, attempts.attempt, attempts.created_at as began, attempts.started_at, attempts.ended_at,
        attempts.outcome, attempts.done -> 'metrics' as last_metrics, made.*, own.name as own_name,
        own.parameters as own_parameters, own.tracking_run_id as own_tracking_id,
        own.updated_at as own_updated_at
    from job
    join attempts on attempts.job_id = job.id
    cross join lateral (
        select
            run, parent, main, name, parameters, tags, metrics, status, start_time, end_time,
            tracking_run_id, created_at, updated_at
        from experiment_runs
        where
            experiment_runs.job_id = job.id
            and experiment_runs.attempt = attempts.attempt
            and run <> ''
            and (main or not $4::boolean)
        union all
        select
            '', null, true, null, '{}', '{}', '{}', 'running', null, null, null, null, null
        where
            not exists (
                select from experiment_runs
                where
                    experiment_runs.job_id = job.id
                    and experiment_runs.attempt = attempts.attempt
                    and main
            )
    ) as made
    left join lateral (
        select name, parameters, tracking_run_id, updated_at
        from experiment_runs
        where
            experiment_runs.job_id = job.id
            and experiment_runs.attempt = attempts.attempt
            and run = ''
        limit 1
    ) as own on true
    where
        $5::jsonb is null
        or exists (
            select from jsonb_to_recordset($5) as wanted (job_id uuid, attempt int, run text)
            where
                wanted.job_id = job.id
                and wanted.attempt = attempts.attempt
                and wanted.run = case when made.main then '' else made.run end
        )
),
shown as (
    select
        job_id, attempt, run, parent, main, tags, submitted_by, began,
        coalesce(experiment_name, 'job-' || job_id) as experiment_name,
        coalesce(case when main then own_name end, name, job_name) as name,
        case
            when run = '' and jsonb_typeof(hyperparameters) = 'object' then hyperparameters
            else parameters
        end || case when main then coalesce(own_parameters, '{}') else '{}' end as parameters,
        case
            when status <> 'running' and run <> '' then status
            else case coalesce(outcome, case when present then job_status end)
                when 'succeeded' then 'completed'
                when 'failed' then 'failed'
                when 'cancelled' then 'killed'
                else 'running'
            end
        end as status,
        coalesce(start_time, started_at) as start_time,
        coalesce(end_time, ended_at) as end_time,
        case when main then coalesce(beat.metrics, '{}') || coalesce(last_metrics, '{}') || figures
            else told.metrics
        end as metrics,
        coalesce(tracking_run_id, case when main then own_tracking_id end) as tracking_run_id,
        coalesce(created_at, began) as created_at,
        coalesce(greatest(updated_at, case when main then own_updated_at end), ended_at, began)
            as updated_at
    from told
    left join lateral (
        (
            select body -> 'metrics' as metrics
            from beats
            where told.main and told.present and beats.job_id = told.job_id
        )
        union all
        (
            select body -> 'metrics'
            from heartbeats
            where
                told.main
                and not told.present
                and heartbeats.job_id = told.job_id
                and heartbeats.attempt = told.attempt
                and body ? 'metrics'
            order by sequence desc
            limit 1
        )
    ) as beat on true
    cross join lateral (
        select coalesce(jsonb_object_agg(figure.name, figure.value), '{}') as figures
        from (
            select distinct on (metrics.name) metrics.name, to_jsonb(metrics.value) as value
            from metrics
            where told.main and told.present and metrics.job_id = told.job_id
            order by metrics.name, metrics.recorded_at desc, metrics.id desc
        ) as figure
    ) as recorded
),
found as (
    select *
    from shown
    where
        not exists (
            select
            from jsonb_to_recordset($3::jsonb) as term (
                kind text, key text, op text, text text, number float8, texts text[]
            )
            cross join lateral (
                select
                    case term.kind
                        when 'param' then shown.parameters ->> term.key
                        when 'tag' then shown.tags ->> term.key
                        when 'attribute' then
                            case term.key
                                when 'run_name' then shown.name
                                when 'status' then shown.status
                                when 'run_id' then coalesce(shown.tracking_run_id, shown.run)
                            end
                    end as said,
                    case
                        when term.kind = 'metric' then (shown.metrics ->> term.key)::float8
                        when term.key = 'start_time' then extract(epoch from shown.start_time) * 1000
                        when term.key = 'end_time' then extract(epoch from shown.end_time) * 1000
                    end as figure
            ) as value
            where
                not coalesce(
                    case
                        when term.number is not null then
                            case term.op
                                when '=' then figure = number
                                when '!=' then figure <> number
                                when '<' then figure < number
                                when '<=' then figure <= number
                                when '>' then figure > number
                                when '>=' then figure >= number
                            end
                        else
                            case term.op
                                when '=' then said = text
                                when '!=' then said <> text
                                when 'LIKE' then said like text escape ''
                                when 'ILIKE' then said ilike text escape ''
                                when 'IN' then said = any(texts)
                                when 'NOT IN' then said <> all(texts)
                            end
                    end,
                    false
                )
        )
    order by coalesce(start_time, began) desc, job_id desc, attempt desc, main desc, run
    limit $6
)
select
    found.*,
    array(
        select uri
        from artifacts
        where
            artifacts.job_id = found.job_id
            and artifacts.attempt = found.attempt
            and (found.main or starts_with(artifacts.name, 'mlflow/' || found.run || '/'))
        order by artifacts.name
        limit 1000
    ) as artifact_uris
from found
order by coalesce(start_time, began) desc, job_id desc, attempt desc, main desc, run;

-- name: read_scope
-- The newest jobs of some projects, with MLflow's experiment of each that has one.
select
    jobs.id,
    (
        select experiment_id
        from mirrors
        where mirrors.job_id = jobs.id and experiment_id is not null
        order by attempt desc
        limit 1
    ) as experiment_id
from jobs
where
    project_id = any($1::uuid[])
    and (
        $2::text is null
        or 'job-' || jobs.id = $2
        or exists (
            select from experiment_runs
            where experiment_runs.job_id = jobs.id and experiment_name = $2
        )
    )
order by submitted_at desc, id desc
limit $3;

-- name: read_backlog
-- Attempts of which MLflow lacks something, since when the first of it waits, and what stood in the
-- way last. An attempt that is over waits until its end is carried too.
select
    count(*) as attempts,
    min(
        coalesce(least(beat.at, told.at), attempts.ended_at, mirrors.caught_up_at, work.created_at)
    ) as since,
    max(coalesce(mirrors.error, work.last_error)) as error
from work
left join mirrors using (job_id, attempt)
join attempts using (job_id, attempt)
left join lateral (
    select received_at as at
    from heartbeats
    where
        heartbeats.job_id = work.job_id
        and heartbeats.attempt = work.attempt
        and heartbeats.sequence > coalesce(mirrors.beat_sequence, -1)
    order by sequence
    limit 1
) as beat on true
left join lateral (
    select received_at as at
    from reports
    where reports.job_id = work.job_id and number > coalesce(mirrors.report_number, 0)
    order by number
    limit 1
) as told on true
where
    work.kind = 'mirror'
    and work.state = 'due'
    and not coalesce(mirrors.settled, false)
    and (
        coalesce(beat.at, told.at) is not null
        or attempts.ended_at is not null and not coalesce(mirrors.detail ? 'ended', false)
    );

-- name: count_registrations
-- How registering stands with a target.
select
    count(*) filter (where status = 'pending') as pending,
    count(*) filter (where status = 'failed') as failed
from registrations
where target = $1 and status <> 'registered';

-- name: sweep_runs
-- Experiment runs of jobs that are over.
with old as materialized (
    select experiment_runs.ctid, pg_column_size(experiment_runs.*) as size
    from experiment_runs
    join jobs on jobs.id = experiment_runs.job_id
    where experiment_runs.created_at < $1 and jobs.completed_at < $1
    order by experiment_runs.created_at
    limit $2
),
gone as (
    delete from experiment_runs where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- name: sweep_logged_models
-- Models that runs of jobs that are over logged.
with old as materialized (
    select logged_models.ctid, pg_column_size(logged_models.*) as size
    from logged_models
    join jobs on jobs.id = logged_models.job_id
    where logged_models.created_at < $1 and jobs.completed_at < $1
    order by logged_models.created_at
    limit $2
),
gone as (
    delete from logged_models where ctid = any(array(select ctid from old)) and $3::boolean
)
select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from old;

-- Carrying attempts to MLflow.

-- name: begin_mirrors
-- Attempts that are to be carried, and the work of it.
with begun as (
    select jobs.id as job_id, begun.attempt
    from unnest($1::uuid[], $2::int[]) as begun (job_id, attempt)
    join jobs on jobs.id = begun.job_id
    order by jobs.id, begun.attempt
    for key share of jobs
),
mirror as (
    insert into mirrors (job_id, attempt, created_at, updated_at)
    select job_id, attempt, $3, $3 from begun
    on conflict (job_id, attempt) do nothing
)
insert into work (kind, job_id, attempt, state, next_at, created_at)
select 'mirror', job_id, attempt, 'due', $3, $3 from begun
on conflict (kind, job_id, attempt) do nothing;

-- name: open_mirror
-- An attempt that is to be carried, from its beginning.
insert into mirrors (job_id, attempt, created_at, updated_at)
select id, $2, $3, $3 from jobs where id = $1
on conflict (job_id, attempt) do nothing;

-- name: read_mirror
-- How far an attempt is carried, and what MLflow is told of its job.
select
    mirrors.experiment_id, mirrors.beat_sequence, mirrors.report_number, mirrors.detail,
    jobs.id as job_id, jobs.project_id, jobs.name, jobs.labels, jobs.submitted_by,
    jobs.job_type, jobs.request -> 'hyperparameters' as hyperparameters,
    jobs.request #>> '{resolved,framework}' as framework,
    attempts.attempt, attempts.created_at, attempts.started_at, attempts.ended_at, attempts.outcome,
    attempts.packed_at
from mirrors
join attempts using (job_id, attempt)
join jobs on jobs.id = mirrors.job_id
where mirrors.job_id = $1 and mirrors.attempt = $2;

-- name: renew_work
-- A lease made longer by whoever holds it.
update work
set next_at = $5
where
    kind = $1 and job_id = $2 and attempt = $3 and state not in ('done', 'dead') and next_at = $4
returning next_at;

-- name: advance_mirror
-- How far an attempt is carried now, as long as its lease is held by whoever says so.
with held as (
    select job_id, attempt
    from work
    where kind = 'mirror' and job_id = $1 and attempt = $2 and state = 'due' and next_at = $3
    for no key update
)
update mirrors
set
    beat_sequence = $4,
    report_number = $5,
    detail = $6::jsonb,
    experiment_id = $7,
    caught_up_at = case when $8 then $10 else mirrors.caught_up_at end,
    error = null,
    settled = $9,
    updated_at = $10
from held
where mirrors.job_id = held.job_id and mirrors.attempt = held.attempt
returning mirrors.attempt;

-- name: note_mirror_error
-- What stood in the way.
update mirrors set error = $3, updated_at = $4 where job_id = $1 and attempt = $2;

-- name: give_up_mirror
-- No more of an attempt is carried.
update mirrors set error = $3, settled = true, updated_at = $4 where job_id = $1 and attempt = $2;

-- name: reset_mirrored
-- MLflow lost what it had been told of an attempt: what it called its runs and models says nothing
-- any more, and single figures of the job are told again.
with run as (
    update experiment_runs set tracking_run_id = null where job_id = $1 and attempt = $2
),
model as (
    update logged_models set tracking_model_id = null where job_id = $1 and attempt = $2
)
update metrics set mirrored_at = null where job_id = $1 and mirrored_at is not null;

-- name: read_reports_to_mirror
-- The reports of a job after a number, whatever they are: only what MLflow is to hear is read.
select
    number, occurred_at,
    case when type = 'mlflow' and attempt = $2 then payload end as payload
from reports
where job_id = $1 and number > $3
order by number
limit $4;

-- name: read_beats_to_mirror
-- Heartbeats of an attempt that are missing in what was carried, and those that follow it, until so
-- many bytes are filled.
select attempt, sequence, received_at, body
from (
    select
        page.*, size, sum(size) over (order by sequence rows unbounded preceding) as filled
    from (
        (
            select beat.*
            from unnest($4::bigint[], $5::bigint[]) as gap (low, high)
            cross join lateral (
                select attempt, sequence, received_at, body
                from heartbeats
                where
                    job_id = $1 and attempt = $2 and sequence between gap.low and gap.high
                order by sequence
                limit $6
            ) as beat
        )
        union all
        (
            select attempt, sequence, received_at, body
            from heartbeats
            where job_id = $1 and attempt = $2 and sequence > $3
            order by sequence
            limit $6
        )
        order by sequence
        limit $6
    ) as page, octet_length(body::text) as size
) as measured
where filled - size < $7
order by sequence;

-- name: read_metrics_to_mirror
-- Single figures of a job that are not carried.
select id, name, value, step, recorded_at
from metrics
where job_id = $1 and mirrored_at is null
order by recorded_at, id
limit $2;

-- name: note_mirrored
-- These figures are.
update metrics set mirrored_at = $2 where id = any($1::uuid[]);

-- name: read_runs_to_mirror
-- The runs of an attempt, in the order in which they were made.
select run, parent, main, name, tags, status, start_time, end_time, tracking_run_id
from experiment_runs
where job_id = $1 and attempt = $2
order by created_at, start_time, run;

-- name: note_tracking_run
-- What MLflow calls a run; the attempt's own has a row from now on.
insert into experiment_runs as known (
    id, job_id, attempt, run, status, tracking_run_id, created_by, created_at, updated_at
)
select $5, id, $2, $3, 'running', $4, submitted_by, $6, $6 from jobs where id = $1
on conflict (job_id, attempt, run) do update set tracking_run_id = excluded.tracking_run_id;

-- name: read_models_to_mirror
-- The models that an attempt logged.
select model, run, name, type, status, params, tags, tracking_model_id
from logged_models
where job_id = $1 and attempt = $2
order by created_at, model;

-- name: note_tracking_model
-- What MLflow calls a logged model.
update logged_models
set tracking_model_id = $4
where job_id = $1 and attempt = $2 and model = $3;

-- name: read_artifacts_to_mirror
-- The files that an attempt told of at its end.
select name, uri, size from artifacts where job_id = $1 and attempt = $2 order by name;

-- name: any_mirror_due
-- Whether there is an attempt to carry that nobody carries.
select exists (select from work where state = 'due' and kind = 'mirror' and next_at <= $1);

-- name: rest_mirror
-- Later, at a time that an event may bring forward; as long as the lease is held.
with rested as (
    update work
    set next_at = $4, tries = 0, last_error = null
    where kind = 'mirror' and job_id = $1 and attempt = $2 and state = 'due' and next_at = $3
    returning job_id, attempt, next_at
)
update mirrors
set detail = mirrors.detail || jsonb_build_object('rests', rested.next_at)
from rested
where mirrors.job_id = rested.job_id and mirrors.attempt = rested.attempt;

-- name: put_off_mirror
-- Later, for something stood in the way; as long as the lease is held.
update work
set next_at = $4, last_error = $5
where kind = 'mirror' and job_id = $1 and attempt = $2 and state = 'due' and next_at = $3;

-- name: hasten_mirror
-- A job's attempts that only rest are due at once.
update work
set next_at = $2
from mirrors
where
    work.kind = 'mirror'
    and work.job_id = $1
    and work.state = 'due'
    and work.next_at > $2
    and mirrors.job_id = work.job_id
    and mirrors.attempt = work.attempt
    and (mirrors.detail ->> 'rests')::timestamptz = work.next_at;

-- Registering with MLflow.

-- name: begin_enrolment
-- An entry that MLflow is to hear of, and the work of it; again where it was given up.
with wanted as (
    insert into registrations as known (entry_id, target, status, updated_at)
    values ($2, 'mlflow', 'pending', $3)
    on conflict (entry_id, target) do update
    set status = 'pending', tries = 0, error = null, updated_at = $3
    where known.status = 'failed'
    returning entry_id
)
insert into work (kind, job_id, attempt, state, next_at, created_at)
select 'enroll', jobs.id, jobs.attempt, 'due', $3, $3
from jobs, wanted
where jobs.id = $1
on conflict (kind, job_id, attempt) do update
set
    state = 'due', next_at = excluded.next_at, created_at = excluded.created_at, tries = 0,
    last_error = null, finished_at = null
where work.state <> 'due';

-- name: read_enrolment
-- A job's entry as MLflow is to have it: with its run, and the logged model whose files were
-- registered, as far as those were carried.
select
    entry.id as entry_id, entry.name, entry.version, entry.project_id, entry.storage_uri,
    entry.evaluation_summary, entry.receipt_sha256, entry.created_by, entry.created_at as since,
    jobs.id as job_id, $2::int as attempt, registrations.tries,
    mirrors.job_id is not null as is_mirrored,
    coalesce(mirrors.settled or mirrors.detail ? 'ended', false) as is_carried,
    (
        select tracking_run_id
        from experiment_runs
        where
            experiment_runs.job_id = jobs.id
            and experiment_runs.attempt = $2
            and (main or run = '')
            and tracking_run_id is not null
        order by main desc
        limit 1
    ) as tracking_run_id,
    (
        select tracking_model_id
        from logged_models
        where
            logged_models.job_id = jobs.id
            and logged_models.attempt = $2
            and model in (
                select substring(uri from '/mlflow/models/(m-[0-9a-f]{32})/')
                from artifacts
                where
                    artifacts.job_id = jobs.id
                    and artifacts.attempt = $2
                    and starts_with(artifacts.name, 'model/')
            )
        limit 1
    ) as tracking_model_id
from jobs
join models as entry on entry.id = jobs.output_model_entry_id
join registrations on registrations.entry_id = entry.id and registrations.target = 'mlflow'
left join mirrors on mirrors.job_id = jobs.id and mirrors.attempt = $2
where jobs.id = $1;

-- name: note_enrolment
-- How it stands.
update registrations
set status = $3, name = $4, version = $5, error = $6, tries = $7, updated_at = $8
where entry_id = $1 and target = $2;

