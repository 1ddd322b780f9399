"""What keeps the local stack from running, each as one sentence a person can act on.

StackProblem
├── HomeProblem      the folder: in use, read-only, full
├── PortTaken        another program listens there
├── PartMissing      a binary or a file of the clone is not there
├── PartFailed       a part was started and did not come up
└── ManifestProblem  a manifest says what the stack cannot follow
"""


class StackProblem(Exception):
    """The local stack cannot run."""


class HomeProblem(StackProblem):
    """The home folder cannot be used."""


class PortTaken(StackProblem):
    """The gateway's port is taken."""


class PartMissing(StackProblem):
    """Something that the stack starts is not installed."""


class PartFailed(StackProblem):
    """Something that the stack started did not come up."""


class ManifestProblem(StackProblem):
    """A manifest cannot be followed on one machine."""


class Interrupted(StackProblem):
    """The stack was asked to stop."""
