from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.cluster.resource import Key
from infra.local.cluster.store import Change, Store


def _key(name: str) -> Key:
    return Key("secrets", "n", name)


def _body(name: str, **more: Any) -> Any:
    return {"metadata": {"name": name, "namespace": "n", "uid": f"uid-{name}", **more}}


def _names(store: Store, at: int) -> list[str]:
    return [row.name for row in store.rows("secrets", "n", at, None)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "objects.db")
    yield opened
    opened.close()


class TestStore:
    def test_each_change_is_a_new_version(self, store: Store) -> None:
        first = store.put(_key("a"), _body("a"))
        second = store.put(_key("a"), _body("a"))

        versions = [int(each["metadata"]["resourceVersion"]) for each in (first, second)]
        assert versions[1] == versions[0] + 1 == store.revision

    def test_the_past_can_be_read_until_it_is_compacted(self, store: Store) -> None:
        store.put(_key("a"), _body("a"))
        store.put(_key("b"), _body("b"))
        past = store.revision
        store.remove(_key("a"))
        store.put(_key("c"), _body("c"))

        assert _names(store, past) == ["a", "b"]
        assert _names(store, store.revision) == ["b", "c"]
        store.compact()
        assert _names(store, store.revision) == ["b", "c"]
        assert past < store.compacted

    def test_a_failed_transaction_leaves_nothing(self, store: Store) -> None:
        seen: list[Change] = []
        store.listen(seen.append)

        def fail() -> None:
            with store.writing():
                store.put(_key("a"), _body("a"))
                raise ValueError

        with pytest.raises(ValueError):  # noqa: PT011
            fail()

        assert store.get(_key("a")) is None
        assert seen == []

    def test_listeners_hear_of_a_change_after_its_commit(self, store: Store) -> None:
        seen: list[tuple[bool, bool]] = []
        store.listen(lambda change: seen.append((change.removed, store.get(change.key) is None)))

        store.put(_key("a"), _body("a"))
        store.remove(_key("a"))

        assert seen == [(False, False), (True, True)]

    def test_dependents_are_found_by_their_owner(self, store: Store) -> None:
        owner = {"kind": "Job", "name": "j", "uid": "uid-j"}
        store.put(_key("a"), _body("a", ownerReferences=[owner]))
        store.put(_key("b"), _body("b"))
        assert store.owned("uid-j") == [_key("a")]

        store.put(_key("a"), _body("a"))

        assert store.owned("uid-j") == []

    def test_what_was_written_is_there_after_a_restart(self, tmp_path: Path) -> None:
        first = Store(tmp_path / "same.db")
        first.put(_key("a"), _body("a", annotations={"odd": "\ud800 \0"}))
        revision = first.revision
        first.close()

        second = Store(tmp_path / "same.db")

        found = second.get(_key("a"))
        assert found
        assert found["metadata"]["annotations"] == {"odd": "\ud800 \0"}
        assert second.revision == revision
        second.close()
