"""Where packages come from: what pip was told on this machine, said to uv.

uv reads no configuration of pip's. A machine whose packages come from a mirror or a folder of wheels
has said so to pip, and needs not say it twice.
"""

import ast
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence

TORCH_INDEX = "EVENTRAIN_TORCH_INDEX"
# Later ones win, as with pip: for all commands, for this one, from the environment.
SECTIONS = ("global", "install", ":env:")
LINE = re.compile(r"(global|install|:env:)\.([a-z-]+)=('.*'|\".*\")")


def uv_options(told: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> list[str]:
    """`told` is pip's configuration. EVENTRAIN_TORCH_INDEX names an index with other builds of torch,
    such as https://download.pytorch.org/whl/cpu."""
    options = list(_options(told))
    if environ.get(TORCH_INDEX):
        options += ["--index", environ[TORCH_INDEX]]
    # As pip does: the best version that any of them has.
    return [*options, "--index-strategy", "unsafe-best-match"]


def uv_environment(told: Mapping[str, str]) -> dict[str, str]:
    """A certificate that pip was told to trust."""
    return {"SSL_CERT_FILE": told["cert"]} if told.get("cert") else {}


def ask_pip(pip: Sequence[str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """pip's configuration; nothing where there is no pip to ask."""
    try:
        answer = subprocess.run(
            [*pip, "config", "list"], env=dict(environ), capture_output=True, text=True, check=False
        )
    except OSError:
        return {}
    return read(answer.stdout)


def read(listing: str) -> dict[str, str]:
    """What `pip config list` printed."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listing.splitlines():
        if entry := LINE.fullmatch(line.strip()):
            found[entry[1]][entry[2]] = str(ast.literal_eval(entry[3]))
    return {name: value for section in SECTIONS for name, value in found[section].items()}


def _options(told: Mapping[str, str]) -> Iterator[str]:
    for name, option in (
        ("find-links", "--find-links"),
        ("extra-index-url", "--index"),
        ("index-url", "--default-index"),
        ("trusted-host", "--allow-insecure-host"),
    ):
        for value in told.get(name, "").split():
            yield from (option, value)
    if told.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        yield "--no-index"
