"""Keeps what a broker could not deliver, shows it to administrators, and sends it again."""

from collections.abc import Callable
from datetime import datetime

from common import cursor
from common.access.permission import demand
from common.errors import Forbidden, Unavailable
from common.events import Event
from common.jobs.outbox import Publish
from common.letter import Letter, Letters, letter_of
from common.tokens.user_token import User
from eventing.catalogue import EventType
from functions.dead_letter.schema import DeadLetter, DeadLetters, whole, without_data

Now = Callable[[], datetime]


async def dead_letter(event: Event, *, letters: Letters, now: Now) -> None:
    """Called by the broker for an event that nobody took. Keeps it, with the broker's own word
    about the failure among its attributes. A tick of the clock is dropped: the next one does its
    work, and an outage would leave thousands. Fails only without the store.
    """
    if not is_tick(event):
        await letters.keep(letter_of(event, now()))


def is_tick(event: Event) -> bool:
    """Whether it is the clock's; its type is the source's own, an extension says what it means."""
    return EventType.SYNC_REQUESTED in (event.type, event.extensions.get("eventtype"))


async def list_letters(
    user: User, *, limit: int, after: str | None, letters: Letters
) -> DeadLetters:
    """The letters of the projects that the caller administers, the oldest first. Raises Forbidden
    for who administers none."""
    _demand_some(user)
    place = cursor.read(after, tuple[str])
    page = await letters.page(lambda each: _may(user, each), limit, place[0] if place else "")
    following = cursor.write(page.last_key) if page.last_key else None
    return {"deadLetters": [without_data(each) for each in page.letters], "nextCursor": following}


async def show_letter(user: User, letter_id: str, *, letters: Letters) -> DeadLetter:
    """Raises NotFound and Forbidden."""
    return whole(await _find(user, letter_id, letters))


async def replay_letter(
    user: User, letter_id: str, *, letters: Letters, publish: Publish, now: Now
) -> DeadLetter:
    """Gives the event to the broker again, with its id: consumers act on what the database says,
    so that a second delivery changes nothing. Marked before it is sent, for if nobody takes it
    again the broker brings a letter that bears no mark. Raises NotFound, Forbidden, Unavailable.
    """
    letter = await _find(user, letter_id, letters)
    marked = await letters.mark(letter, now())
    if not await publish(letter.event()):
        await letters.mark(letter, letter.replayed_at)
        raise Unavailable("The broker takes no events just now; the letter is kept.")
    return whole(marked)


async def _find(user: User, letter_id: str, letters: Letters) -> Letter:
    letter = await letters.find(letter_id)
    if letter.project_id is None:
        _demand_some(user)
    else:
        demand(user, letter.project_id, "admin")
    return letter


def _may(user: User, letter: Letter) -> bool:
    return letter.project_id is None or user.may(letter.project_id, "admin")


def _demand_some(user: User) -> None:
    if not user.administers and not any(user.may(each, "admin") for each in user.projects):
        raise Forbidden("This needs the role admin.")
