import pytest

from infra.local.cluster.faults import Act, Faults

_CREATE = Act("create", "jobs", "n", "train-1")
_LIST = Act("list", "jobs", "n", "")


class TestFaults:
    def test_a_fault_strikes_as_often_as_it_was_told(self) -> None:
        faults = Faults()
        faults.add("internal", verb="create", times=2, skip=1)

        struck = [len(faults.strike(_CREATE)) for _ in range(5)]

        assert struck == [0, 1, 1, 0, 0]

    def test_several_strike_together(self) -> None:
        faults = Faults()
        faults.add("slow", seconds=1)
        faults.add("internal")

        assert [each.kind for each in faults.strike(_LIST)] == ["slow", "internal"]

    def test_only_later_pages_expire(self) -> None:
        faults = Faults()
        faults.add("expired")

        assert faults.strike(_LIST) == []
        assert len(faults.strike(Act("list", "jobs", "n", "", paged=True))) == 1

    def test_a_subresource_is_a_resource_of_its_own(self) -> None:
        faults = Faults()
        faults.add("internal", resource="pods")

        assert faults.strike(Act("get", "pods/log", "n", "p")) == []

    def test_an_unknown_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no fault 'fire'"):
            Faults().add("fire")

    def test_hooks_are_called_once_and_in_order(self) -> None:
        faults, seen = Faults(), list[str]()
        faults.on("create", "jobs", lambda: seen.append("first"))
        faults.on("*", "*", lambda: seen.append("second"), times=None)

        for _ in range(2):
            for call in faults.calls(_CREATE, after=False):
                call()

        assert seen == ["first", "second", "second"]
        assert faults.calls(_CREATE, after=True) == []
