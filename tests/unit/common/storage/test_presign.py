from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import botocore.auth
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from common.settings import Storage
from common.storage.presign import Method, presign

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda key: not key.startswith("/") and "//" not in key and "." not in key.split("/")
)


def storage(endpoint: str = "http://127.0.0.1:9000") -> Storage:
    return Storage(endpoint, endpoint, "bucket", "eu-west-1", "AKIA", "se/cr+et")


def botocores(method: str, url: str, seconds: int) -> str:
    """What botocore's own signer makes of this address at that time."""
    request = AWSRequest(method=method, url=url)
    signer = S3SigV4QueryAuth(Credentials("AKIA", "se/cr+et"), "s3", "eu-west-1", expires=seconds)
    with patch.object(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None)):
        signer.add_auth(request)
    return str(request.url)


def unsigned(url: str) -> str:
    return "&".join(part for part in url.split("&") if not part.startswith("X-Amz-"))


def parts(url: str) -> tuple[str, set[str]]:
    path, _, query = url.partition("?")
    return path, set(query.split("&"))


class TestPresign:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
    @pytest.mark.parametrize(
        "endpoint",
        ["http://127.0.0.1:9000", "https://s3.example.com", "http://s3:80", "http://[::1]:9000"],
    )
    def test_signs_as_botocore_does(self, method: Method, endpoint: str) -> None:
        ours = presign(storage(endpoint), method, "jobs/1/a b+c~d.bin", NOW, HOUR)
        theirs = botocores(method, ours.partition("?")[0], 3600)
        assert parts(ours) == parts(theirs)

    @given(KEYS)
    def test_signs_any_key_as_botocore_does(self, key: str) -> None:
        ours = presign(storage(), "GET", key, NOW, HOUR)
        assert parts(ours) == parts(botocores("GET", ours.partition("?")[0], 3600))

    @pytest.mark.parametrize(
        "query",
        [
            {"uploads": ""},
            {"partNumber": "2", "uploadId": "a+b/c=="},
            {"list-type": "2", "prefix": "models/a b/"},
        ],
    )
    def test_signs_what_s3_reads_from_the_query(self, query: dict[str, str]) -> None:
        ours = presign(storage(), "POST", "k", NOW, HOUR, query=query)
        bare, _, rest = ours.partition("?")
        own = "&".join(p for p in rest.split("&") if not p.startswith("X-Amz-"))
        assert parts(ours) == parts(botocores("POST", f"{bare}?{own}", 3600))

    def test_speaks_of_the_public_endpoint(self) -> None:
        settings = Storage("http://inside", "https://outside/s3", "b", "r", "a", "s")
        assert presign(settings, "GET", "k", NOW, HOUR).startswith("https://outside/s3/b/k?")

    def test_lasts_no_longer_than_s3_allows(self) -> None:
        assert "X-Amz-Expires=604800&" in presign(storage(), "PUT", "k", NOW, timedelta(days=30))
