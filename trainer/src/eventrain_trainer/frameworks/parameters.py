"""Hyperparameters of a framework: checked together, each violation named."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Rule = Callable[[Any], Any]
T = TypeVar("T")

# What a trainJobSpec calls what the frameworks know under a longer name.
ALIASES: Mapping[str, str] = {"lr": "learning_rate", "num_epochs": "epochs"}


def take(
    kind: Callable[..., T],
    rules: Mapping[str, Rule],
    given: Mapping[str, Any],
    *,
    epochs: int | None = None,
    aliases: Mapping[str, str] = ALIASES,
) -> T:
    """What is given, by the framework's own names; `epochs` is the environment's, which comes
    last. Names that no rule knows are left to others. Raises ValueError."""
    named: dict[str, Any] = {"epochs": epochs} if epochs else {}
    for name, value in given.items():
        known = aliases.get(name, name)
        if known in rules and (name not in aliases or known not in given):
            named[known] = value
    wrong: list[str] = []
    taken: dict[str, Any] = {}
    for name, value in named.items():
        try:
            taken[name] = rules[name](value)
        except (TypeError, ValueError) as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise ValueError("hyperparameters: " + "; ".join(wrong))
    return kind(**taken)


def whole(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or int(value) != float(value) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
        return int(value)

    return check


def real(above: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not above < float(value) <= most:
            raise ValueError(f"must be a number above {above} and up to {most}, not {value!r}")
        return float(value)

    return check


def real_or_zero(most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        zero = not isinstance(value, bool) and value == 0
        return 0.0 if zero else real(0, most)(value)

    return check


def one_of(*names: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}, not {value!r}")
        return str(value)

    return check


def architecture(*names: str) -> Callable[[Any], str]:
    """A name, or an object whose `type` is one: both are what people submit."""
    check_name = one_of(*names)

    def check(value: Any) -> str:
        if isinstance(value, Mapping):
            asked: Mapping[str, Any] = value
            value = asked.get("type")
        return check_name(value)

    return check


def layers(value: Any) -> tuple[int, ...]:
    sizes = value if isinstance(value, list | tuple) else [value]
    return tuple(whole(1, 4096)(size) for size in sizes)


# What every framework takes alike.
COMMON: Mapping[str, Rule] = {
    "epochs": whole(1, 100_000),
    "learning_rate": real(0, 10),
    "batch_size": whole(1, 1_000_000),
    "seed": whole(0, 2**32 - 1),
    "checkpoint_every": whole(1, 100_000),
    "epoch_seconds": real_or_zero(3600),
    "validation_share": real(0, 0.9),
}
