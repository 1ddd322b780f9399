"""Who may call, as the environment says."""

from dataclasses import dataclass, field
from typing import Self

from common.access.provider import ProviderSettings
from common.access.rate import Rate, parse
from common.environ import Reader, boolean, postgres_url
from common.settings import Concern, Database, UserKeys
from common.tokens.keyring import KeyRing


@dataclass(frozen=True)
class Access(Concern):
    """The local key; an identity provider, where there is one; who administers the installation,
    whoever vouches for them; and how often a caller may call what. `database` is one connection."""

    ring: KeyRing = field(repr=False)
    database: Database = field(repr=False)
    provider: ProviderSettings | None = None
    administrators: frozenset[str] = frozenset()
    rates: dict[str, Rate] = field(default_factory=dict[str, Rate])

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(
            UserKeys.read(reader).ring,
            Database(
                reader.value("DATABASE_URL", postgres_url),
                1,
                reader.value("DATABASE_POOLED_BY_TRANSACTION", boolean, "false"),
                reader.text("FUNCTION_TARGET", "eventrain"),
            ),
            reader.value("OIDC_PROVIDER", _provider, " "),
            frozenset(reader.text("ADMINISTRATORS", " ").split()),
            reader.value("RATE_LIMITS", parse, "{}"),
        )


def _provider(text: str) -> ProviderSettings | None:
    return ProviderSettings.parse(text) if text.strip() else None
