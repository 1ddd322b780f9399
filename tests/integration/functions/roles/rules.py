"""Who may call what: every route that is open to anybody, once, with the least role that it takes.

    anybody       no token at all; the body says who asks
    caller        any valid token; what is shown or made is the caller's own
    viewer, member, admin
                  of the project that the thing belongs to; for others it is not there (404)
    some viewer, some admin
                  with that role in any project; what others own is not in the list
    installation  who administers the installation; 403 for everybody else
    trainer       a job token for just this job, and nobody else's

A route that has no line here fails test_roles.py: add one, and
in world.py the body that such a call needs, and how what stands in braces is made anew for each.
"""

API = "/llm-ops/v1"
JOBS = f"{API}/training/jobs"
JOB = f"{JOBS}/{{jobId}}"
SOURCES = f"{API}/training/sources"
MODELS, DATASETS = f"{API}/catalog/models", f"{API}/catalog/datasets"
MODEL, DATASET = f"{MODELS}/{{model_id}}", f"{DATASETS}/{{dataset_id}}"
PROJECTS = f"{API}/projects"
PROJECT = f"{PROJECTS}/{{projectId}}"
HOOKS = f"{API}/webhooks"
LETTERS = f"{API}/admin/dead-letters"

RULES: dict[tuple[str, str], str] = {
    ("GET", f"{API}/training/gpu-types"): "caller",
    ("GET", f"{API}/training/frameworks"): "caller",
    # jobs
    ("POST", JOBS): "member",
    ("POST", "/v1/jobs"): "member",
    ("GET", JOBS): "caller",
    ("GET", JOB): "viewer",
    ("GET", "/v1/jobs/{jobId}"): "viewer",
    ("DELETE", JOB): "member",
    ("POST", f"{JOB}/cancel"): "member",
    ("POST", "/v1/jobs/{jobId}/cancel"): "member",
    ("POST", f"{JOB}/resubmit"): "member",
    ("POST", f"{API}/training/jobs/{{job_id}}/register-model"): "member",
    ("POST", SOURCES): "member",
    ("POST", f"{SOURCES}/complete"): "member",
    # what happened to a job
    ("GET", f"{JOB}/timeline"): "viewer",
    ("GET", f"{JOB}/attempts"): "viewer",
    ("GET", f"{JOB}/checkpoints"): "viewer",
    ("GET", f"{JOB}/validations"): "viewer",
    ("GET", f"{JOB}/artifacts"): "viewer",
    ("GET", f"{JOB}/logs"): "viewer",
    ("GET", f"{JOB}/points"): "viewer",
    ("GET", f"{API}/training/experiments/{{jobId}}"): "viewer",
    ("POST", f"{JOB}/metrics"): "member",
    ("GET", f"{JOB}/experiment-run"): "viewer",
    ("POST", f"{JOB}/experiment-run"): "member",
    ("POST", f"{JOB}/experiment-run/metrics"): "member",
    ("POST", f"{API}/experiments/search"): "caller",
    ("GET", f"{API}/health/integrations"): "caller",
    # the catalog
    ("GET", MODELS): "caller",
    ("POST", MODELS): "member",
    ("GET", MODEL): "viewer",
    ("DELETE", MODEL): "admin",
    ("PATCH", f"{MODEL}/status"): "member",
    ("POST", f"{MODEL}/upload"): "member",
    ("POST", f"{MODEL}/uploads"): "member",
    ("POST", f"{MODEL}/uploads/complete"): "member",
    ("POST", f"{MODEL}/uploads/abort"): "member",
    ("GET", f"{MODEL}/files"): "viewer",
    ("GET", f"{MODEL}/lineage"): "viewer",
    ("GET", f"{MODEL}/receipt"): "viewer",
    ("GET", f"{API}/catalog/receipt-keys"): "caller",
    ("GET", DATASETS): "caller",
    ("POST", DATASETS): "member",
    ("GET", DATASET): "viewer",
    ("DELETE", DATASET): "admin",
    ("GET", f"{DATASET}/preview"): "viewer",
    ("POST", f"{DATASET}/upload"): "member",
    ("POST", f"{DATASET}/uploads"): "member",
    ("POST", f"{DATASET}/uploads/complete"): "member",
    ("POST", f"{DATASET}/uploads/abort"): "member",
    ("GET", f"{DATASET}/files"): "viewer",
    ("GET", f"{DATASET}/lineage"): "viewer",
    # people
    ("GET", PROJECTS): "caller",
    ("POST", PROJECTS): "installation",
    ("GET", PROJECT): "viewer",
    ("PATCH", PROJECT): "admin",
    ("GET", f"{PROJECT}/members"): "viewer",
    ("PUT", f"{PROJECT}/members/{{user}}"): "admin",
    ("DELETE", f"{PROJECT}/members/{{user}}"): "admin",
    ("GET", f"{API}/tokens"): "caller",
    ("POST", f"{API}/tokens"): "caller",
    ("POST", f"{API}/tokens/refresh"): "anybody",
    ("DELETE", f"{API}/tokens/{{tokenId}}"): "admin",
    ("GET", f"{API}/audit"): "some admin",
    ("GET", f"{API}/ledger"): "caller",
    # who is told
    ("GET", HOOKS): "some admin",
    ("POST", HOOKS): "admin",
    ("POST", f"{HOOKS}/secret"): "admin",
    ("DELETE", f"{HOOKS}/{{webhookId}}"): "admin",
    ("POST", f"{HOOKS}/{{webhookId}}/secret"): "admin",
    ("POST", f"{HOOKS}/{{webhookId}}/test"): "admin",
    ("GET", f"{HOOKS}/deliveries"): "some viewer",
    ("POST", f"{HOOKS}/deliveries/{{deliveryId}}/redeliver"): "member",
    # streams
    ("POST", f"{JOBS}/live/token"): "caller",
    ("GET", f"{JOBS}/live"): "caller",
    ("GET", f"{JOB}/live"): "viewer",
    # operations
    ("GET", f"{API}/admin/doctor"): "some admin",
    ("GET", f"{API}/admin/retention"): "some admin",
    ("GET", LETTERS): "some admin",
    ("GET", f"{LETTERS}/{{letterId}}"): "admin",
    ("POST", f"{LETTERS}/{{letterId}}/replay"): "admin",
    # trainers
    ("POST", "/v1/jobs/{jobId}/heartbeat"): "trainer",
    ("POST", "/v1/jobs/{jobId}/event"): "trainer",
    ("POST", "/v1/jobs/{jobId}/addresses"): "trainer",
    ("POST", "/v1/jobs/{jobId}/done"): "trainer",
}

# A trainer of the job may call these too.
ALSO_TRAINERS = {("POST", f"{JOB}/metrics")}
# Who may look at the thing is told 404 about something else than the thing.
EMPTY = {("GET", f"{DATASET}/preview"), ("GET", f"{MODEL}/receipt")}
