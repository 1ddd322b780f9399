"""People who sign in elsewhere, through a real provider on a real socket, and its bad days."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import jwt
import pytest

from common.access import project
from common.access.provider import Provider, ProviderSettings
from common.access.published import FLOOR, KEYS_LAST, PublishedKeys, fetch
from common.errors import Unauthenticated, Unavailable
from common.postgres import transaction
from functions.jobs.app import create_app
from tests.asgi import serving
from tests.identity_provider import AUDIENCE, IdentityProvider, identity_provider
from tests.integration.functions.conftest import environ_of
from tests.jobs import PROJECT, make_job
from tests.keys import now_utc
from tests.postgres_server import Database

VISION = {"projects": {str(PROJECT): "member"}}


class Clock:
    """Ours alone: it moves when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    with identity_provider() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(idp: IdentityProvider, clock: Clock) -> Provider:
    return provider_of(idp, clock)


def provider_of(idp: IdentityProvider, clock: Clock, **settings: Any) -> Provider:
    text = json.dumps({"issuer": idp.issuer, "audience": AUDIENCE} | settings)
    return Provider(ProviderSettings.parse(text), PublishedKeys(idp.issuer, fetch, clock))


class TestAProvider:
    async def test_vouches_for_who_signed_in(
        self, provider: Provider, idp: IdentityProvider
    ) -> None:
        user = await provider.verify(idp.token("first"), now_utc())
        assert (user.subject, user.roles, user.minted) == ("grace", {}, "provider")

    async def test_is_asked_once_for_many(self, provider: Provider, idp: IdentityProvider) -> None:
        token = idp.token("first")
        await asyncio.gather(*(provider.verify(token, now_utc()) for _ in range(20)))
        assert idp.asked == ["/.well-known/openid-configuration", "/keys"]

    async def test_may_rotate_its_key_at_any_time(
        self, provider: Provider, idp: IdentityProvider, clock: Clock
    ) -> None:
        before = idp.token("first")
        await provider.verify(before, now_utc())
        idp.rotate("second")
        clock.seconds += FLOOR
        assert (await provider.verify(idp.token("second"), now_utc())).subject == "grace"
        assert (await provider.verify(before, now_utc())).subject == "grace"

    async def test_takes_back_a_key_by_not_publishing_it(
        self, provider: Provider, idp: IdentityProvider, clock: Clock
    ) -> None:
        retired = idp.token("first")
        await provider.verify(retired, now_utc())
        idp.rotate("second", keep=False)
        clock.seconds += KEYS_LAST
        with pytest.raises(Unauthenticated):
            await provider.verify(retired, now_utc())

    async def test_is_not_asked_again_within_the_floor_for_keys_that_somebody_makes_up(
        self, provider: Provider, idp: IdentityProvider, clock: Clock
    ) -> None:
        await provider.verify(idp.token("first"), now_utc())
        idp.rotate("second", keep=False)
        idp.published = ["first"]
        clock.seconds += FLOOR
        for _ in range(5):
            with pytest.raises(Unauthenticated):
                await provider.verify(idp.token("second"), now_utc())
        assert idp.asked.count("/keys") == 2

    async def test_may_be_away_for_long_without_shutting_out_who_has_a_known_key(
        self, provider: Provider, idp: IdentityProvider, clock: Clock
    ) -> None:
        token = idp.token("first")
        await provider.verify(token, now_utc())
        idp.away = True
        for _ in range(5):
            clock.seconds += KEYS_LAST
            assert (await provider.verify(token, now_utc())).subject == "grace"

    async def test_that_was_never_reached_makes_callers_wait(
        self, provider: Provider, idp: IdentityProvider, clock: Clock
    ) -> None:
        idp.away = True
        with pytest.raises(Unavailable):
            await provider.verify(idp.token("first"), now_utc())
        idp.away = False
        clock.seconds += FLOOR
        assert (await provider.verify(idp.token("first"), now_utc())).subject == "grace"


class TestAToken:
    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "another"},
            {"iss": "https://elsewhere.example"},
            {"sub": None},
            {"exp": None},
            {"iat": None},
            {"sub": ""},
            {"exp": 1},
            {"nbf": 4_000_000_000},
            {"iat": 4_000_000_000},
        ],
    )
    async def test_is_refused_for_a_claim(
        self, provider: Provider, idp: IdentityProvider, claims: dict[str, Any]
    ) -> None:
        with pytest.raises(Unauthenticated):
            await provider.verify(idp.token("first", **claims), now_utc())

    async def test_may_be_off_by_the_clocks_difference(
        self, provider: Provider, idp: IdentityProvider
    ) -> None:
        token = idp.token("first", exp=int(time.time()))
        skewed = datetime.fromtimestamp(int(time.time()) + 50, UTC)
        assert (await provider.verify(token, skewed)).subject == "grace"
        with pytest.raises(Unauthenticated):
            await provider.verify(token, skewed + timedelta(seconds=20))

    async def test_cannot_be_signed_with_the_published_key_as_a_secret(
        self, provider: Provider, idp: IdentityProvider
    ) -> None:
        claims = jwt.decode(idp.token("first"), options={"verify_signature": False})
        forged = hs256(claims, idp.public_pem("first"))
        with pytest.raises(Unauthenticated):
            await provider.verify(forged, now_utc())

    async def test_cannot_go_unsigned(self, provider: Provider, idp: IdentityProvider) -> None:
        claims = jwt.decode(idp.token("first"), options={"verify_signature": False})
        unsigned = jwt.encode(claims, None, algorithm="none", headers={"kid": "first"})
        with pytest.raises(Unauthenticated):
            await provider.verify(unsigned, now_utc())

    async def test_is_not_verified_by_a_published_secret(
        self, provider: Provider, idp: IdentityProvider
    ) -> None:
        secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldCE"
        idp.extra_keys = [{"kty": "oct", "kid": "shared", "k": secret, "alg": "HS256"}]
        claims = jwt.decode(idp.token("first"), options={"verify_signature": False})
        with pytest.raises(Unauthenticated):
            await provider.verify(hs256(claims, secret.encode(), kid="shared"), now_utc())


def hs256(claims: dict[str, Any], secret: bytes, kid: str = "first") -> str:
    """By hand: PyJWT refuses to sign with what looks like a public key."""
    import base64
    import hmac

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "kid": kid, "typ": "JWT"}).encode())
    signed = head + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.digest(secret, signed, "sha256"))).decode()


class TestGroups:
    async def test_give_the_roles_that_the_settings_name(
        self, idp: IdentityProvider, clock: Clock
    ) -> None:
        groups = {"vision": VISION, "platform": {"administers": True}}
        provider = provider_of(idp, clock, groupsClaim="teams", groups=groups)
        member = await provider.verify(idp.token("first", teams=["vision", "x"]), now_utc())
        assert (member.roles, member.administers) == ({str(PROJECT): "member"}, False)
        operator = await provider.verify(idp.token("first", teams="platform"), now_utc())
        assert operator.administers

    async def test_an_address_counts_only_where_it_was_verified(
        self, idp: IdentityProvider, clock: Clock
    ) -> None:
        provider = provider_of(idp, clock, subjectClaim="email")
        claims = {"email": "grace@example.com", "email_verified": True}
        user = await provider.verify(idp.token("first", **claims), now_utc())
        assert user.subject == "grace@example.com"
        with pytest.raises(Unauthenticated):
            await provider.verify(
                idp.token("first", **claims | {"email_verified": False}), now_utc()
            )


class TestOneWhoSignedIn:
    async def test_finds_the_jobs_of_the_projects_that_it_is_a_member_of(
        self, idp: IdentityProvider, database: Database, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool)
        named = json.dumps({"issuer": idp.issuer, "audience": AUDIENCE})
        app = create_app(environ_of(database.url) | {"OIDC_PROVIDER": named})
        async with serving(app) as client:
            assert (await show(client, idp, "stranger", job_id)).status_code == 404
            await add_member(pool, "grace")
            answer = await show(client, idp, "grace", job_id)
            assert answer.status_code == 200, answer.text
            idp.rotate("second", keep=False)
            assert (await show(client, idp, "grace", job_id)).status_code == 200


async def show(
    client: httpx.AsyncClient, idp: IdentityProvider, subject: str, job_id: Any
) -> httpx.Response:
    header = {"authorization": f"Bearer {idp.token('first', subject)}"}
    return await client.get(f"/llm-ops/v1/training/jobs/{job_id}", headers=header)


async def add_member(pool: asyncpg.Pool, subject: str) -> None:
    async with transaction(pool) as connection:
        await project.lock(connection, PROJECT, by="ada", now=now_utc())
        await project.put_member(connection, PROJECT, subject, "viewer", by="ada", now=now_utc())
