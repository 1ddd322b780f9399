from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from common import answers
from common.errors import NotFound, TooLarge
from common.settings import Storage
from common.storage.objects import Objects, open_objects
from common.storage.presign import presign

HOUR = timedelta(hours=1)


async def keys(objects: Objects, prefix: str) -> list[str]:
    return [found.key async for found in objects.walk(prefix)]


@pytest.fixture
async def objects(store: Storage) -> AsyncGenerator[Objects, None]:
    async with open_objects(store) as opened:
        await opened.ensure_bucket()
        yield opened


class TestObjects:
    async def test_reads_what_it_put(self, objects: Objects) -> None:
        await objects.put_bytes("a/one.bin", b"\0\1\2")
        assert await objects.get_bytes("a/one.bin") == b"\0\1\2"
        found = await objects.head("a/one.bin")
        assert found
        assert found.size == 3

    async def test_says_what_is_not_there(self, objects: Objects) -> None:
        assert await objects.head("nothing") is None
        with pytest.raises(NotFound):
            await objects.get_bytes("nothing")

    async def test_reads_no_more_than_its_limit(self, objects: Objects) -> None:
        await objects.put_bytes("large", b"x" * 11)
        with pytest.raises(TooLarge):
            await objects.get_bytes("large", limit=10)
        assert len(await objects.get_bytes("large", limit=11)) == 11

    async def test_walks_page_after_page(self, objects: Objects, store: Storage) -> None:
        names = [f"walk/{number:04}" for number in range(25)]
        for name in names:
            await objects.put_bytes(name, b"x")
        async with open_objects(store, page_size=10) as in_small_pages:
            assert await keys(in_small_pages, "walk/") == names

    async def test_copies_what_is_not_there_yet(self, objects: Objects) -> None:
        await objects.put_bytes("jobs/1/1/artifacts/m", b"new")
        await objects.copy("jobs/1/1/artifacts/m", "models/m/1/m")
        assert await objects.get_bytes("models/m/1/m") == b"new"

    async def test_goes_on_where_an_earlier_copy_stopped(self, objects: Objects) -> None:
        await objects.put_bytes("from/m", b"new")
        await objects.put_bytes("to/m", b"old")
        await objects.copy("from/m", "to/m")
        assert await objects.get_bytes("to/m") == b"old"
        await objects.put_bytes("to/m", b"torn off")
        await objects.copy("from/m", "to/m")
        assert await objects.get_bytes("to/m") == b"new"

    async def test_copies_nothing_from_nothing(self, objects: Objects) -> None:
        with pytest.raises(NotFound):
            await objects.copy("nowhere", "somewhere")

    async def test_deletes_a_folder_and_nothing_beside_it(self, objects: Objects) -> None:
        for name in ("gone/1", "gone/2/3", "gone-not/1"):
            await objects.put_bytes(name, b"x")
        assert await objects.delete_prefix("gone/") == 2
        assert await keys(objects, "gone") == ["gone-not/1"]
        with pytest.raises(ValueError, match="folder"):
            await objects.delete_prefix("gone-not")

    async def test_makes_its_bucket_again_without_harm(self, objects: Objects) -> None:
        await objects.put_bytes("kept", b"x")
        await objects.ensure_bucket()
        assert await objects.get_bytes("kept") == b"x"

    async def test_joins_an_upload_in_parts(
        self, objects: Objects, store: Storage, http: httpx.AsyncClient
    ) -> None:
        upload = await objects.start_upload("parts/whole")
        query = {"partNumber": "1", "uploadId": upload}
        url = presign(store, "PUT", "parts/whole", datetime.now(UTC), HOUR, query=query)
        tag = (await http.put(url, content=b"part")).headers["etag"]
        await objects.finish_upload("parts/whole", upload, {1: tag})
        assert await objects.get_bytes("parts/whole") == b"part"


class TestAStoreThatIsAway:
    async def test_is_temporary(self, storage: Storage) -> None:
        away = Storage("http://127.0.0.1:9", "http://127.0.0.1:9", "b", "r", "k", "s")
        async with open_objects(away) as objects:
            with pytest.raises(Exception, match=r"127\.0\.0\.1:9") as failed:
                await objects.put_bytes("k", b"x")
        assert answers.http_answer(failed.value)[0] == 503
        assert answers.broker_answer(failed.value) == 503

    async def test_is_not_blamed_for_a_wrong_key(self, storage: Storage) -> None:
        stranger = Storage(storage.endpoint_url, storage.endpoint_url, "bucket", "r", "k", "wrong")
        async with open_objects(stranger) as objects:
            with pytest.raises(Exception, match=r"Access|Signature|Forbidden|403") as failed:
                await objects.put_bytes("k", b"x")
        assert answers.http_answer(failed.value)[0] == 500
