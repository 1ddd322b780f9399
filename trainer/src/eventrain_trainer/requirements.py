"""What a program asks for beside its framework: an environment of its own on top of this one."""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from eventrain_trainer.child import Watch
from eventrain_trainer.preparation import must

FILE = "requirements.txt"
ASKED = ("install", "--disable-pip-version-check", "--no-input", "--quiet", "--requirement", FILE)


def asked(folder: Path) -> bool:
    """Whether its requirements.txt names anything."""
    file = folder / FILE
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def install(folder: Path, venv: Path, environ: Mapping[str, str], watch: Watch) -> Path:
    """The interpreter that sees what the folder's requirements.txt names, and behind it all that
    the framework's own sees. Raises CannotPrepare."""
    python = venv / "bin" / "python"
    borrowed = _pip_of_the_base()
    without = ["--without-pip"] if borrowed else []
    made = watch.run([sys.executable, "-m", "venv", *without, str(venv)], environ)
    must(made, "no environment could be made")
    (site_packages,) = venv.glob("lib/python*/site-packages")
    (site_packages / "framework.pth").write_text(_see_ours(), encoding="utf-8")
    pip = [*borrowed, "--python", str(python)] if borrowed else [str(python), "-m", "pip"]
    must(watch.run([*pip, *ASKED], environ, folder), f"{FILE} could not be installed")
    return python


def activated(venv: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """What a shell would find that has entered the environment."""
    path = f"{venv / 'bin'}:{environ.get('PATH', '')}".rstrip(":")
    return {**environ, "VIRTUAL_ENV": str(venv), "PATH": path}


def _pip_of_the_base() -> list[str]:
    """The pip of the interpreter that this environment was made from, which takes seconds less than
    one more installed for one use; nothing where there is none."""
    base = {"base": sys.base_prefix, "platbase": sys.base_prefix}
    there = Path(sysconfig.get_path("purelib", vars=base), "pip").is_dir()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [str(Path(sys.base_prefix, "bin", version)), "-m", "pip"] if there else []


def _see_ours() -> str:
    """A site of ours added, and not only put on the path, so that its own .pth files count."""
    paths = sysconfig.get_paths()
    ours = dict.fromkeys((paths["purelib"], paths["platlib"]))
    return "".join(f"import site; site.addsitedir({path!r})\n" for path in ours)
