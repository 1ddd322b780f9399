"""gpu-types.yaml, as it is shipped and as it could be broken."""

from pathlib import Path

import msgspec
import pytest

from common import gpu_types

SHIPPED = Path(__file__).parents[3] / "infra" / "base" / "config" / "gpu-types.yaml"
ONE = """
dev:
  - {id: a, label: A, enabled: true, priority: PRIORITY, resourceName: nvidia.com/gpu,
     perGpu: {cpu: "4", memory: 16Gi, sharedMemory: 4Gi}, maxPerJob: 2}
"""


class TestGpuTypes:
    def test_the_shipped_file_offers_something_in_every_environment(self) -> None:
        offered = gpu_types.parse(SHIPPED.read_bytes())
        assert offered.keys() == {"dev", "stg", "prod"}
        assert all(any(each.enabled for each in types) for types in offered.values())

    def test_are_sorted_by_priority(self) -> None:
        first, second = ONE.replace("PRIORITY", "20"), ONE.replace("PRIORITY", "10")
        text = first + second.replace("\ndev:\n", "").replace("id: a", "id: b")
        assert [each.id for each in gpu_types.parse(text.encode())["dev"]] == ["b", "a"]

    @pytest.mark.parametrize(
        ("is_", "becomes"),
        [("maxPerJob: 2", "maxPerJob: 0"), ("16Gi", "much"), ("label: A", "lable: A")],
    )
    def test_a_mistake_in_the_file_is_refused(self, is_: str, becomes: str) -> None:
        text = ONE.replace("PRIORITY", "1").replace(is_, becomes)
        with pytest.raises((msgspec.ValidationError, ValueError)):
            gpu_types.parse(text.encode())

    def test_a_name_is_given_once(self) -> None:
        text = ONE.replace("PRIORITY", "1")
        with pytest.raises(ValueError, match="twice"):
            gpu_types.parse((text + text.replace("\ndev:\n", "")).encode())
