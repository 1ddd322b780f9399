import re
from datetime import UTC, datetime, timedelta

import httpx

from common.settings import Storage
from common.storage.objects import Objects
from common.storage.presign import presign

HOUR = timedelta(hours=1)
MIB = 1 << 20
# A server may also say 400 where there is no valid signature at all.
REFUSED = (400, 403)


def sign(storage: Storage, method: str, key: str, **query: str) -> str:
    return presign(storage, method, key, datetime.now(UTC), HOUR, query=query)


class TestAPresignedAddress:
    async def test_puts_and_gets(
        self, storage: Storage, objects: Objects, http: httpx.AsyncClient
    ) -> None:
        key = "jobs/1/1/artifacts/a b+ü~.bin"
        put = await http.put(sign(storage, "PUT", key), content=b"model")
        assert put.status_code == 200
        assert await objects.get_bytes(key) == b"model"
        assert (await http.get(sign(storage, "GET", key))).content == b"model"

    async def test_does_only_what_it_was_signed_for(
        self, storage: Storage, objects: Objects, http: httpx.AsyncClient
    ) -> None:
        await objects.put_bytes("mine", b"x")
        url = sign(storage, "GET", "mine")
        assert (await http.put(url, content=b"y")).status_code in REFUSED
        assert (await http.get(url.replace("/mine?", "/yours?"))).status_code in REFUSED
        assert (await http.get(url.partition("?")[0])).status_code in REFUSED
        assert await objects.get_bytes("mine") == b"x"

    async def test_expires(
        self, storage: Storage, objects: Objects, http: httpx.AsyncClient
    ) -> None:
        await objects.put_bytes("old", b"x")
        earlier = datetime.now(UTC) - timedelta(minutes=2)
        url = presign(storage, "GET", "old", earlier, timedelta(minutes=1))
        assert (await http.get(url)).status_code in REFUSED

    async def test_uploads_in_parts(
        self, storage: Storage, objects: Objects, http: httpx.AsyncClient
    ) -> None:
        key = "jobs/1/1/checkpoints/large"
        created = await http.post(sign(storage, "POST", key, uploads=""))
        found = re.search("<UploadId>(.+?)</UploadId>", created.text)
        assert found
        upload = found.group(1)
        tags: list[str] = []
        for number, content in enumerate([b"a" * 5 * MIB, b"b"], start=1):
            url = sign(storage, "PUT", key, partNumber=str(number), uploadId=upload)
            tags.append((await http.put(url, content=content)).headers["etag"])
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            for number, tag in enumerate(tags, start=1)
        )
        done = await http.post(
            sign(storage, "POST", key, uploadId=upload),
            content=f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>",
        )
        assert done.status_code == 200
        whole = await objects.head(key)
        assert whole
        assert whole.size == 5 * MIB + 1

    async def test_gives_up_an_upload(
        self, storage: Storage, objects: Objects, http: httpx.AsyncClient
    ) -> None:
        upload = await objects.start_upload("parts/none")
        url = sign(storage, "DELETE", "parts/none", uploadId=upload)
        assert (await http.delete(url)).status_code == 204
        assert await objects.head("parts/none") is None

    async def test_lists_a_prefix(
        self, storage: Storage, objects: Objects, http: httpx.AsyncClient
    ) -> None:
        await objects.put_bytes("datasets/1/a.csv", b"x")
        url = sign(storage, "GET", "", **{"list-type": "2", "prefix": "datasets/1/"})
        assert "<Key>datasets/1/a.csv</Key>" in (await http.get(url)).text
