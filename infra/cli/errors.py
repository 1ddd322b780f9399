"""What a command can fail with beside what a call can (`eventrain_client.errors`).

EventrainError
└── CommandFault          this installation or a file of the user is not as it must be
    └── UsageFault        the command was typed in a way that cannot be carried out
"""

from __future__ import annotations

from eventrain_client.errors import EventrainError


class CommandFault(EventrainError):
    pass


class UsageFault(CommandFault):
    pass
