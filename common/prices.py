"""What an hour of a GPU or of a CPU core costs, as prices.yaml says."""

from typing import Annotated

import msgspec

Price = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Currency = Annotated[str, msgspec.Meta(min_length=1, max_length=20)]


class Prices(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """By the id of a GPU's type; a CPU core's under `cpu`."""

    currency: Currency
    per_hour: dict[str, Price] = {}


def parse(content: bytes) -> Prices:
    """Reads prices.yaml. Raises msgspec.MsgspecError."""
    return msgspec.yaml.decode(content, type=Prices)
