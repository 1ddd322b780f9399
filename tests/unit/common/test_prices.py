"""prices.yaml."""

import msgspec
import pytest

from common.prices import parse


def test_gives_a_price_by_type() -> None:
    found = parse(b"currency: EUR\nperHour: {cpu: 0.04, h100: 4}")
    assert (found.currency, found.per_hour) == ("EUR", {"cpu": 0.04, "h100": 4.0})


@pytest.mark.parametrize(
    "text",
    ["perHour: {cpu: 1}", "currency: USD\nperHour: {cpu: -1}", "currency: USD\nperhour: {}", "[]"],
)
def test_refuses_what_is_no_list_of_prices(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        parse(text.encode())
