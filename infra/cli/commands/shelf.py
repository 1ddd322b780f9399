"""What `models` and `datasets` have in common: a list, one entry, its lineage and its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from infra.cli.options import json_flag
from infra.cli.session import Session

entry = click.argument("entry_id", metavar="ID")


class Shelf(click.Group):
    """`eventrain models` lists and `eventrain models ID` shows, as they did before there was more."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = args and self.get_command(ctx, args[0])
        return super().resolve_command(ctx, args if known else ["show", *args])


def ask(session: Session, below: str, *, method: str = "GET", **options: Any) -> Any:
    with session.client() as client:
        return client.catalog(below, method=method, **options)


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

        show(session, ask(session, f"{kind}/{entry_id}/lineage"), catalog_page.lineage)

    @group.command()
    @entry
    @json_flag
    @click.pass_obj
    def files(session: Session, entry_id: str) -> None:
        """List its files."""
        from infra.cli import catalog_page

        show(session, ask(session, f"{kind}/{entry_id}/files"), catalog_page.files)

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
        from infra.cli import transfer

        found: Any = None
        with session.client() as client:
            for file in files:
                found = transfer.send(client.catalog, f"{kind}/{entry_id}", file)
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
        from infra.cli import transfer

        listed = ask(session, f"{kind}/{entry_id}/files")
        fetched = [str(transfer.fetch(file, folder)) for file in listed]
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
        gone = ask(session, f"{kind}/{entry_id}", method="DELETE")
        show(session, gone, lambda gone: f"{gone['name']} {gone['version']} is deleted.")


def refuse(message: str) -> NoReturn:
    from infra.cli.errors import CommandFault

    raise CommandFault(message)
