"""One commit of a git repository, and nothing of its history."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from eventrain_trainer.child import Watch
from eventrain_trainer.preparation import CannotPrepare, must

SCHEME = "git+https://"
COMMIT = re.compile(r"[0-9a-f]{40}")
PASSING = re.compile(r"Could not resolve|Connection|[Tt]imed out|early EOF|returned error: 5\d\d")


@dataclass(frozen=True, slots=True)
class Repository:
    url: str
    commit: str
    folder: str = ""


def parse(uri: str, digest: str) -> Repository:
    """`git+https://host/path@commit#subdirectory=folder`; the commit may be the digest instead.
    Raises CannotPrepare for what is not pinned."""
    parts = urlsplit(uri)
    path, _, named = parts.path.partition("@")
    commit = named or digest.rpartition(":")[2]
    if not uri.startswith(SCHEME) or not COMMIT.fullmatch(commit):
        raise CannotPrepare(f"{uri} does not name a commit by its 40 digits, over https")
    folder = parts.fragment.removeprefix("subdirectory=")
    return Repository(f"https://{parts.netloc}{path}", commit, folder)


def check_out(
    wanted: Repository,
    target: Path,
    environ: Mapping[str, str],
    watch: Watch,
    protocols: str = "https",
) -> Path:
    """The folder that was asked for, of that commit. What git itself needs, to log in for one, it
    finds in the environment. Raises CannotPrepare."""
    git = shutil.which("git", path=environ.get("PATH"))
    if git is None:
        raise CannotPrepare("this image has no git: submit the folder instead, or another image")
    ours = {**environ, "GIT_ALLOW_PROTOCOL": protocols, "GIT_TERMINAL_PROMPT": "0"}
    what = f"{wanted.commit[:12]} of {wanted.url} could not be fetched"
    for words in (
        ("init", "--quiet", str(target)),
        ("-C", str(target), "fetch", "--quiet", "--depth=1", "--", wanted.url, wanted.commit),
        ("-C", str(target), "checkout", "--quiet", "--detach", wanted.commit),
    ):
        must(watch.run([git, *words], ours), what, PASSING)
    return target / wanted.folder
