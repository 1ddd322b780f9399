"""Presigned addresses (SigV4 in the query), made without a client library and without a call."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote, urlsplit

from common.settings import Storage

Method = Literal["GET", "HEAD", "PUT", "POST", "DELETE"]

LONGEST = timedelta(days=7)


def presign(
    storage: Storage,
    method: Method,
    key: str,
    now: datetime,
    expires_in: timedelta,
    *,
    bucket: str | None = None,
    query: Mapping[str, str] | None = None,
) -> str:
    """An address at the public endpoint with which anyone may do this one thing until it expires.
    The query holds what S3 itself reads: `uploads`, `partNumber`, `uploadId`, `list-type`. An
    empty key addresses the bucket, for listings."""
    endpoint = urlsplit(storage.public_endpoint_url)
    seconds = int(min(expires_in, LONGEST).total_seconds())
    path = f"{endpoint.path.rstrip('/')}/{bucket or storage.bucket}"
    path = quote(f"{path}/{key}" if key else path, safe="/~")
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{storage.region}/s3/aws4_request"
    signed_query = _query(
        {
            **(query or {}),
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{storage.access_key_id}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
    )
    host = _host(storage.public_endpoint_url)
    asked = f"{method}\n{path}\n{signed_query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    signature = _mac(_signing_key(storage, stamp[:8]), to_sign).hex()
    address = f"{endpoint.scheme}://{endpoint.netloc}{path}"
    return f"{address}?{signed_query}&X-Amz-Signature={signature}"


def _query(values: Mapping[str, str]) -> str:
    pairs = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in values.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def _host(endpoint_url: str) -> str:
    """The Host header that a client will send: a default port is left out."""
    endpoint = urlsplit(endpoint_url)
    default = {"http": 80, "https": 443}[endpoint.scheme]
    name = f"[{endpoint.hostname}]" if ":" in (endpoint.hostname or "") else endpoint.hostname
    return str(name) if endpoint.port in (None, default) else f"{name}:{endpoint.port}"


def _signing_key(storage: Storage, day: str) -> bytes:
    key = f"AWS4{storage.secret_access_key}".encode()
    for part in (day, storage.region, "s3", "aws4_request"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
