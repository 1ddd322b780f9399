"""How a person asks for a job's model to be registered."""

from typing import Annotated, Any

from pydantic import Field

from common.catalogue.body import Line, Name, Uri, Version
from common.web import Body, SnakeBody


class Registration(Body):
    """Under which name. With `storageUri` the model stays where it lies, else the job's artifacts
    are copied to the model's own place."""

    model_name: Name
    model_version: Version
    storage_uri: Uri | None = None
    owner_team: Line | None = None
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]


class PublicKey(SnakeBody):
    kty: str
    crv: str
    use: str
    kid: str
    x: str


class PublicKeys(SnakeBody):
    """With which the receipts of models can be checked: a JSON Web Key Set."""

    keys: list[PublicKey]
