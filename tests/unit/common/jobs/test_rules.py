"""Every rule of a job request, each broken alone."""

import time
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from common import gpu_types, trainers
from common.jobs import request, rules
from common.jobs.offer import Offer

CONFIG = Path(__file__).parents[4] / "infra" / "base" / "config"
PROJECT = UUID("11111111-1111-4111-8111-111111111111")
DATASET = "33333333-3333-4333-8333-333333333333"
OFFER = Offer(
    "dev",
    gpu_types.parse((CONFIG / "gpu-types.yaml").read_bytes())["dev"],
    msgspec.structs.replace(
        trainers.parse((CONFIG / "trainers.yaml").read_bytes()), allowed_buckets=["shared"]
    ),
    "eventrain",
)
CPU: dict[str, Any] = {
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": {"cpuCores": 2, "memory": "4Gi", "maxDuration": 60},
    "hyperparameters": {"architecture": "mlp"},
}
GPU: dict[str, Any] = {
    "jobType": "distributed",
    "resourceProfile": {"gpuCount": 2, "gpuType": "nvidia-t4", "maxDuration": 1440},
}
SPEC: dict[str, Any] = {
    "job_type": "SFT",
    "model_family": "llama",
    "base_model_ref": "llama-3-8b",
    "dataset_ref": {"name": "d", "version": "1", "type": "sft_pair"},
    "method": "lora",
}
DIGEST = "sha256:" + "a" * 64


def fields(raw: dict[str, Any]) -> list[str]:
    read, shape = request.read(raw)
    return [each.field for each in (*shape, *rules.check(read, OFFER, PROJECT))]


def with_profile(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return base | {"resourceProfile": base["resourceProfile"] | changes}


def with_spec(**changes: Any) -> dict[str, Any]:
    return CPU | {"trainJobSpec": SPEC | changes}


def with_source(
    uri: str, digest: str | None = DIGEST, entrypoint: str | None = "train.py"
) -> dict[str, Any]:
    source = {"uri": uri, "digest": digest}
    return CPU | {"trainer": {"source": source, "entrypoint": entrypoint}}


def in_git(uri: str) -> dict[str, Any]:
    return with_source(f"git+https://example.com/a/b{uri}", None)


def with_hook(url: str) -> dict[str, Any]:
    return CPU | {"notifications": {"onCompletion": [url]}}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"architecture": "mlp"}
    for _ in range(levels):
        value = {"architecture": "mlp", "x": value}
    return value


ALLOWED: dict[str, dict[str, Any]] = {
    "on the CPU": CPU,
    "on GPUs": GPU,
    "with a spec": with_spec(),
    "with a spec that pretrains": with_spec(
        job_type="PRETRAIN",
        base_model_ref=None,
        method="full",
        dataset_ref={"type": "pretrain_corpus"},
    ),
    "an embedding, whatever the data": with_spec(
        job_type="EMBEDDING", dataset_ref={"type": "rag_qa"}
    ),
    "one node": with_profile(GPU, numNodes=1),
    "a listed image": CPU | {"trainer": {"image": "eventrain/trainer-mine:2"}},
    "code below the project": with_source(f"s3://eventrain/projects/{PROJECT}/code.tar"),
    "code in an allowed bucket": with_source("s3://shared/code.tar"),
    "code in git, the commit beside it": with_source("git+https://example.com/a/b", "a" * 40),
    "code in git": in_git(f"@{'a' * 40}"),
    "code in a folder of git": in_git(f"@{'a' * 40}#subdirectory=train/it"),
    "data of the named dataset": CPU
    | {
        "datasetId": DATASET,
        "trainJobSpec": SPEC
        | {
            "dataset_ref": {
                "type": "sft_pair",
                "storage_uri": f"s3://eventrain/datasets/{DATASET}/a.csv",
            }
        },
    },
    "a public webhook": with_hook("https://hooks.example.com:8443/x?y=1"),
    "a secret by reference": CPU | {"secrets": {"HF_TOKEN": "huggingface/token"}},
    "shared memory within memory": CPU | {"sharedMemory": "1Gi"},
}

BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("no job type", {k: v for k, v in CPU.items() if k != "jobType"}, "jobType"),
    ("finetune without a model", CPU | {"jobType": "finetune"}, "modelId"),
    ("no architecture", CPU | {"hyperparameters": {}}, "hyperparameters.architecture"),
    (
        "pretrain without an architecture",
        CPU | {"jobType": "pretrain", "hyperparameters": {"architecture": ""}},
        "hyperparameters.architecture",
    ),
    ("no profile", {k: v for k, v in CPU.items() if k != "resourceProfile"}, "resourceProfile"),
    ("no duration", with_profile(CPU, maxDuration=None), "resourceProfile.maxDuration"),
    ("over a day", with_profile(CPU, maxDuration=1441), "resourceProfile.maxDuration"),
    ("several nodes", with_profile(GPU, numNodes=2), "resourceProfile.numNodes"),
    ("no GPU count", with_profile(GPU, gpuCount=None), "resourceProfile.gpuCount"),
    ("no GPU type", with_profile(GPU, gpuType=None), "resourceProfile.gpuType"),
    ("unknown GPU", with_profile(GPU, gpuType="h100"), "resourceProfile.gpuType"),
    ("disabled GPU", with_profile(GPU, gpuType="nvidia-a100-80gb"), "resourceProfile.gpuType"),
    ("too many GPUs", with_profile(GPU, gpuCount=3), "resourceProfile.gpuCount"),
    ("distributed on one", with_profile(GPU, gpuCount=1), "resourceProfile.gpuCount"),
    ("distributed on none", CPU | {"jobType": "distributed"}, "useGpu"),
    ("no cores", with_profile(CPU, cpuCores=None), "resourceProfile.cpuCores"),
    ("too many cores", with_profile(CPU, cpuCores=33), "resourceProfile.cpuCores"),
    ("no memory", with_profile(CPU, memory=None), "resourceProfile.memory"),
    ("too much memory", with_profile(CPU, memory="129Gi"), "resourceProfile.memory"),
    ("memory of nothing", with_profile(CPU, memory="0"), "resourceProfile.memory"),
    ("more shared than all", CPU | {"sharedMemory": "5Gi"}, "sharedMemory"),
    ("no shared memory", CPU | {"sharedMemory": "0"}, "sharedMemory"),
    (
        "large hyperparameters",
        CPU | {"hyperparameters": {"architecture": "x" * 70_000}},
        "hyperparameters",
    ),
    ("deep hyperparameters", CPU | {"hyperparameters": nested(10)}, "hyperparameters"),
    ("a model name of signs", CPU | {"outputModelName": "..--"}, "outputModelName"),
    ("unknown framework", CPU | {"trainer": {"framework": "caffe"}}, "trainer.framework"),
    ("another's image", CPU | {"trainer": {"image": "evil/x:1"}}, "trainer.image"),
    ("code of another project", with_source("s3://eventrain/projects/x/c"), "trainer.source.uri"),
    ("code in a dead end", with_source("s3://eventrain/a/../b"), "trainer.source.uri"),
    ("code in another bucket", with_source("s3://elsewhere/c"), "trainer.source.uri"),
    ("code from a web page", with_source("https://example.com/c"), "trainer.source.uri"),
    ("a password in git", with_source("git+https://u:p@e.com/r", "a" * 40), "trainer.source.uri"),
    ("code of a branch", in_git("@main"), "trainer.source.uri"),
    ("code of whatever is newest", in_git(""), "trainer.source.uri"),
    ("code of a short commit", in_git("@abcdef0"), "trainer.source.uri"),
    ("code above git", in_git(f"@{'a' * 40}#subdirectory=../x"), "trainer.source.uri"),
    ("code of an egg", in_git(f"@{'a' * 40}#egg=x"), "trainer.source.uri"),
    (
        "another commit beside it",
        with_source(f"git+https://e.com/r@{'a' * 40}", "b" * 40),
        "trainer.source.digest",
    ),
    ("a folder of S3", with_source("s3://shared/c/"), "trainer.source.uri"),
    ("code without a digest", with_source("s3://shared/c", None), "trainer.source.digest"),
    ("nothing to run", with_source("s3://shared/c", entrypoint=None), "trainer.entrypoint"),
    (
        "something to run above",
        with_source("s3://shared/c", entrypoint="../x"),
        "trainer.entrypoint",
    ),
    (
        "something to run elsewhere",
        with_source("s3://shared/c", entrypoint="/x"),
        "trainer.entrypoint",
    ),
    ("a commit for S3", with_source("s3://shared/c", "a" * 40), "trainer.source.digest"),
    ("our own variable", CPU | {"env": {"JOB_ID": "1"}}, "env.JOB_ID"),
    ("our own secret", CPU | {"secrets": {"CALLBACK_TOKEN": "a/b"}}, "secrets.CALLBACK_TOKEN"),
    ("too many arguments", CPU | {"trainer": {"args": ["x" * 4_000] * 9}}, "trainer.args"),
    ("one name twice", CPU | {"env": {"A": "1"}, "secrets": {"A": "a/b"}}, "secrets.A"),
    ("too much env", CPU | {"env": {f"A{n}": "x" * 30_000 for n in range(5)}}, "env"),
    ("a contradiction", CPU | {"trainJobSpec": SPEC | {"use_gpu": True}}, "trainJobSpec.use_gpu"),
    ("no family", with_spec(model_family=None), "trainJobSpec.model_family"),
    ("unknown family", with_spec(model_family="eliza"), "trainJobSpec.model_family"),
    ("no kind", with_spec(job_type=None), "trainJobSpec.job_type"),
    (
        "data of another kind",
        with_spec(dataset_ref={"type": "rag_qa"}),
        "trainJobSpec.dataset_ref.type",
    ),
    (
        "data elsewhere",
        with_spec(dataset_ref={"type": "sft_pair", "storage_uri": "s3://elsewhere/d"}),
        "trainJobSpec.dataset_ref.storage_uri",
    ),
    ("no base", with_spec(base_model_ref=None), "trainJobSpec.base_model_ref"),
    ("several nodes in spec", with_spec(resources={"nodes": 2}), "trainJobSpec.resources.nodes"),
    ("a base elsewhere", with_spec(base_model_ref="s3://x/m"), "trainJobSpec.base_model_ref"),
    (
        "a base to pretrain",
        with_spec(job_type="PRETRAIN", method="full", dataset_ref=None),
        "trainJobSpec.base_model_ref",
    ),
    (
        "a method to pretrain",
        with_spec(job_type="PRETRAIN", base_model_ref=None, dataset_ref=None),
        "trainJobSpec.method",
    ),
    *(
        (f"the webhook {url}", with_hook(url), "notifications.onCompletion.0")
        for url in (
            *(
                "hook",
                "ftp://a.example",
                "http://",
                "http://a b.example",
                "http://[::1",
                "http://a:x",
            ),
            *("http://u:p@a.example", "http://localhost/x", "http://127.0.0.1", "http://[::1]/"),
            *("http://10.1.2.3", "http://169.254.169.254/latest", "http://2130706433/"),
            *("http://[::ffff:10.0.0.1]/", "http://printer.local"),
        )
    ),
]


class TestRules:
    @pytest.mark.parametrize("raw", ALLOWED.values(), ids=ALLOWED.keys())
    def test_lets_through(self, raw: dict[str, Any]) -> None:
        assert fields(raw) == []

    @pytest.mark.parametrize(
        ("raw", "field"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN]
    )
    def test_names_the_one_field_that_breaks_a_rule(self, raw: dict[str, Any], field: str) -> None:
        assert list(dict.fromkeys(fields(raw))) == [field]

    def test_tells_all_at_once(self) -> None:
        found = fields(
            with_profile(GPU, numNodes=2, gpuType="h100", gpuCount=None, maxDuration=None)
            | {"jobType": "finetune", "env": {"ATTEMPT": "1"}, "labels": 5}
        )
        assert set(found) == {
            *("labels", "modelId", "env.ATTEMPT"),
            *(f"resourceProfile.{n}" for n in ("numNodes", "gpuType", "gpuCount", "maxDuration")),
        }

    def test_costs_less_than_a_millisecond(self) -> None:
        raw = with_spec() | {"labels": {f"l{n}": "v" for n in range(20)}}
        fields(raw)
        began = time.process_time()
        for _ in range(50):
            fields(raw)
        assert (time.process_time() - began) / 50 < 0.001

    def test_webhooks_inside_are_allowed_where_the_configuration_says_so(self) -> None:
        read, _ = request.read(with_hook("http://127.0.0.1:9000/hook"))
        inside = msgspec.structs.replace(OFFER.trainers, allow_private_webhooks=True)
        offer = Offer("dev", OFFER.gpu_types, inside, "eventrain")
        assert list(rules.check(read, offer, PROJECT)) == []

    def test_webhooks_in_prod_are_told_over_https_unless_the_configuration_says_otherwise(
        self,
    ) -> None:
        read, _ = request.read(with_hook("http://hooks.example.com/"))
        prod = Offer("prod", OFFER.gpu_types, OFFER.trainers, "eventrain")
        plain = msgspec.structs.replace(OFFER.trainers, allow_http_webhooks=True)
        lax = Offer("prod", OFFER.gpu_types, plain, "eventrain")
        (found,) = rules.check(read, prod, PROJECT)
        assert (found.field, found.reason) == (
            "notifications.onCompletion.0",
            "must begin with https://",
        )
        assert list(rules.check(read, lax, PROJECT)) == []
