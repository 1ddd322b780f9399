"""What `models` and `datasets` have in common: a list, one entry, its lineage and its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from infra.cli.options import json_flag
from infra.cli.session import Session

if TYPE_CHECKING:
    from eventrain_client.catalog import Datasets, Models
    from eventrain_client.client import Client
    from eventrain_client.drivers import Blocking

entry = click.argument("entry_id", metavar="ID")


class Shelf(click.Group):
    """`eventrain models` lists and `eventrain models ID` shows, as they did before there was more.
    `default` is the command that a word stands for that is no command."""

    def __init__(self, *args: Any, default: str = "show", **options: Any) -> None:
        super().__init__(*args, **options)
        self._default = default

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Its commands, and whatever its default command would complete."""
        found = super().shell_complete(ctx, incomplete)
        default = self.get_command(ctx, self._default)
        for parameter in default.params[:1] if default else ():
            found += parameter.shell_complete(ctx, incomplete)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = args and self.get_command(ctx, args[0])
        return super().resolve_command(ctx, args if known else [self._default, *args])


def shelf_of(client: Client, kind: str) -> Models[Blocking] | Datasets[Blocking]:
    return client.models if kind == "models" else client.datasets


def show(session: Session, found: Any, picture: Callable[[Any], Any]) -> None:
    if session.output.as_json:
        session.output.data(found)
    else:
        session.output.show(picture(found))


def add_common(group: click.Group, kind: str) -> None:
    """`lineage`, `files`, `upload`, `download` and `delete` for `models` or `datasets`."""

    @group.command()
    @entry
    @json_flag
    @click.pass_obj
    def lineage(session: Session, entry_id: str) -> None:
        """Show what it was made from, and what was made of it."""
        from infra.cli import catalog_page

        with session.client() as client:
            show(session, shelf_of(client, kind).lineage(entry_id), catalog_page.lineage)

    @group.command()
    @entry
    @json_flag
    @click.pass_obj
    def files(session: Session, entry_id: str) -> None:
        """List its files."""
        from infra.cli import catalog_page

        with session.client() as client:
            show(session, shelf_of(client, kind).files(entry_id), catalog_page.files)

    _add_transfers(group, kind)
    _add_delete(group, kind)


def _add_transfers(group: click.Group, kind: str) -> None:
    existing = click.Path(exists=True, dir_okay=False, path_type=Path)

    @group.command()
    @entry
    @click.argument("files", nargs=-1, required=True, type=existing)
    @json_flag
    @click.pass_obj
    def upload(session: Session, entry_id: str, files: tuple[Path, ...]) -> None:
        """Add files; a large one goes to the store in parts."""
        found: Any = None
        with session.client() as client:
            for file in files:
                found = shelf_of(client, kind).upload(entry_id, file)
                session.output.progress(f"uploaded {file.name}")
        show(session, found, lambda found: f"They lie at {found['storage_uri']}")

    @group.command()
    @entry
    @click.option(
        "--to", "folder", type=click.Path(path_type=Path), default=".", help="Where to; here."
    )
    @json_flag
    @click.pass_obj
    def download(session: Session, entry_id: str, folder: Path) -> None:
        """Fetch its files, and hold each to its digest."""
        with session.client() as client:
            fetched = [str(path) for path in shelf_of(client, kind).download(entry_id, folder)]
        show(session, {"files": fetched}, lambda found: "\n".join(found["files"]) or "No files.")


def _add_delete(group: click.Group, kind: str) -> None:
    @group.command()
    @entry
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @json_flag
    @click.pass_obj
    def delete(session: Session, entry_id: str, yes: bool) -> None:
        """Delete it with its files; refused while something depends on it."""
        if not yes:
            click.confirm(f"Delete {kind[:-1]} {entry_id} and its files?", abort=True)
        with session.client() as client:
            gone = shelf_of(client, kind).delete(entry_id)
        show(session, gone, lambda gone: f"{gone['name']} {gone['version']} is deleted.")


def refuse(message: str) -> NoReturn:
    from infra.cli.errors import CommandFault

    raise CommandFault(message)
