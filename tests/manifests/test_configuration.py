"""The files of the ConfigMap `eventrain-config`."""

import re
from typing import Any

import pytest

from tests.manifests.objects import BASE, read_yaml

CONFIG = BASE / "config"
GPU_TYPES: dict[str, list[dict[str, Any]]] = read_yaml(CONFIG / "gpu-types.yaml")
TRAINERS = read_yaml(CONFIG / "trainers.yaml")
PRICES = read_yaml(CONFIG / "prices.yaml")
RETRY = read_yaml(CONFIG / "retry-rules.yaml")
QUANTITY = re.compile(r"\d+(\.\d+)?(m|Ki|Mi|Gi)?")


class TestGpuTypes:
    def test_are_listed_for_each_environment(self) -> None:
        assert set(GPU_TYPES) == {"dev", "stg", "prod"}

    @pytest.mark.parametrize("environment", GPU_TYPES)
    def test_have_ids_and_priorities_of_their_own(self, environment: str) -> None:
        types = GPU_TYPES[environment]
        assert any(t["enabled"] for t in types)
        assert len({t["id"] for t in types}) == len({t["priority"] for t in types}) == len(types)

    @pytest.mark.parametrize("environment", GPU_TYPES)
    def test_say_all_that_a_pod_needs(self, environment: str) -> None:
        for gpu in GPU_TYPES[environment]:
            assert {"label", "resourceName", "nodeSelector", "tolerations"} <= set(gpu)
            assert set(gpu["perGpu"]) == {"cpu", "memory", "sharedMemory"}
            assert all(QUANTITY.fullmatch(amount) for amount in gpu["perGpu"].values())
            assert gpu["maxPerJob"] >= 1


class TestPrices:
    def test_are_given_for_a_core_and_for_each_gpu_type_that_anybody_offers(self) -> None:
        offered = {gpu["id"] for gpus in GPU_TYPES.values() for gpu in gpus}
        assert set(PRICES["perHour"]) == {"cpu", *offered}
        assert PRICES["currency"]


class TestTrainers:
    def test_have_a_default_that_exists(self) -> None:
        assert TRAINERS["defaultFramework"] in TRAINERS["frameworks"]

    def test_have_an_image_for_each_kind_of_training_with_and_without_a_gpu(self) -> None:
        images = TRAINERS["trainJobSpec"]["images"]
        assert set(images) == {"PRETRAIN", "SFT", "RAG_TUNING", "RLHF", "EMBEDDING"}
        assert all({"framework", "cpu", "gpu"} == set(image) for image in images.values())

    def test_use_only_images_that_are_allowed(self) -> None:
        allowed = [re.escape(p).replace(r"\*", "[^/]*") for p in TRAINERS["allowedImages"]]
        frameworks = [framework["images"] for framework in TRAINERS["frameworks"].values()]
        kinds = TRAINERS["trainJobSpec"]["images"].values()
        for image in (i[unit] for i in [*frameworks, *kinds] for unit in ("cpu", "gpu")):
            assert any(re.fullmatch(pattern, image) for pattern in allowed)


class TestRetryRules:
    RULES: list[dict[str, Any]] = RETRY["rules"]

    def test_have_names_of_their_own(self) -> None:
        names = [rule["name"] for rule in self.RULES]
        assert len(names) == len(set(names))

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"])
    def test_are_complete(self, rule: dict[str, Any]) -> None:
        assert set(rule) == {"name", "when", "class", "budget", "advice"}
        assert set(rule["when"]) <= {"errorClass", "reasons", "exitCodes", "logPattern"}
        assert rule["class"] in {"transient", "permanent", "user"}
        assert rule["budget"] in {"retries", "preemptions"}
        re.compile(rule["when"].get("logPattern", ""))

    def test_end_with_one_that_always_holds_and_have_no_other(self) -> None:
        assert [rule["name"] for rule in self.RULES if not rule["when"]] == [self.RULES[-1]["name"]]

    def test_name_a_reason_and_an_exit_code_once(self) -> None:
        """But for what the trainer says of one."""
        seen = [rule["when"] for rule in self.RULES if "errorClass" not in rule["when"]]
        for key in ("reasons", "exitCodes"):
            named = [value for when in seen for value in when.get(key, [])]
            assert len(named) == len(set(named))

    @pytest.mark.parametrize(
        ("line", "rule"),
        [
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
                "gpu-out-of-memory",
            ),
            ("RuntimeError: CUDA error: device-side assert triggered", "gpu-assertion"),
            ("RuntimeError: CUDA error: an illegal memory access was encountered", "gpu-fault"),
            (
                "[E ProcessGroupNCCL.cpp] Watchdog caught collective operation timeout",
                "collective-fault",
            ),
            ("torch.distributed.DistBackendError: NCCL error in: x.cpp", "collective-fault"),
            ("ConnectionResetError: [Errno 104] Connection reset by peer", "connection-lost"),
            ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "connection-lost"),
            ("ModuleNotFoundError: No module named 'numpi'", "broken-program"),
            ("OSError: [Errno 28] No space left on device", "disk-full"),
            ("loss is 3.2 after 10 steps", None),
        ],
    )
    def test_read_a_log_line_as_a_person_would(self, line: str, rule: str | None) -> None:
        patterns = [
            (r["name"], r["when"]["logPattern"]) for r in self.RULES if "logPattern" in r["when"]
        ]
        found = next((name for name, pattern in patterns if re.search(pattern, line)), None)
        assert found == rule
