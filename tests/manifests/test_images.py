"""How images are made, as far as it can be read: nothing here builds one."""

import re
import tomllib
from pathlib import Path

import pytest

from common.launch.manifest import NOBODY
from tests.manifests.objects import ROOT, read_yaml

FUNCTIONS = ROOT / "infra" / "images" / "functions.Dockerfile"
TRAINERS = sorted((ROOT / "trainer" / "images").glob("*.Dockerfile"))
LOCKED = [FUNCTIONS, *TRAINERS]
FRAMEWORKS = read_yaml(ROOT / "infra" / "base" / "config" / "trainers.yaml")["frameworks"]
ALL = [*LOCKED, ROOT / "infra" / "images" / "mlflow.Dockerfile"]


def instructions(file: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", file.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def of(file: Path, name: str) -> list[str]:
    return [rest for instruction, rest in instructions(file) if instruction == name]


def copied(file: Path) -> set[str]:
    """What is taken from the clone."""
    sources = [rest.split()[:-1] for rest in of(file, "COPY") if not rest.startswith("--from")]
    return {source for taken in sources for source in taken}


@pytest.mark.parametrize("file", ALL, ids=lambda file: file.name)
class TestImage:
    def test_runs_as_the_number_that_pods_run_as(self, file: Path) -> None:
        assert of(file, "USER") == [f"{NOBODY}:{NOBODY}"]

    def test_has_a_base_that_a_release_can_name_by_digest(self, file: Path) -> None:
        arguments = [rest.partition("=") for rest in of(file, "ARG")]
        assert arguments[0][0] == "PYTHON"
        assert {rest.split()[0] for rest in of(file, "FROM")} == {"${PYTHON}"}

    def test_pins_what_it_installs(self, file: Path) -> None:
        for run in of(file, "RUN"):
            packages = re.findall(r"pip install --no-cache-dir (.*)", run)
            assert all("==" in package for line in packages for package in line.split())

    def test_takes_what_is_there_and_is_not_ignored(self, file: Path) -> None:
        ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        for source in copied(file):
            assert (ROOT / source).exists(), source
            within = [Path(source), *Path(source).parents]
            assert {f"!{each.as_posix()}" for each in within} & set(ignored), source


@pytest.mark.parametrize("file", LOCKED, ids=lambda file: file.name)
class TestLockedImage:
    def test_is_made_in_two_stages_from_the_lock_with_bytecode(self, file: Path) -> None:
        assert len(of(file, "FROM")) == 2
        installs = [run for run in of(file, "RUN") if re.search(r"uv (sync|pip install)", run)]
        locked = [run for run in installs if "--locked --no-dev" in run or "locks/" in run]
        assert locked
        assert all("--no-deps" in run for run in installs if run not in locked)
        assert any("UV_COMPILE_BYTECODE=1" in env for env in of(file, "ENV"))

    def test_uses_the_uv_of_the_clone(self, file: Path) -> None:
        (version,) = re.findall(
            r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE
        )
        assert f"UV_VERSION={version}" in of(file, "ARG")


def test_the_functions_image_holds_the_control_plane_and_nothing_of_the_trainer() -> None:
    (last,) = [i for i, (name, rest) in enumerate(instructions(FUNCTIONS)) if rest == "${PYTHON}"]
    final = [rest.split()[-1] for name, rest in instructions(FUNCTIONS)[last:] if name == "COPY"]
    assert set(final) == {".venv", "common", "eventing", "functions"}


def test_the_functions_image_carries_no_client_of_kubernetes_that_only_tests_use() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = [re.split(r"[\[<>=]", each)[0] for each in project["project"]["dependencies"]]
    assert "kubernetes" not in named
    assert any(str(each).startswith("kubernetes=") for each in project["dependency-groups"]["dev"])


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_names_images_that_the_one_dockerfile_makes(name: str) -> None:
    images = set(FRAMEWORKS[name]["images"].values())
    assert images <= {f"eventrain/trainer-{name}:0.1.0", f"eventrain/trainer-{name}-cuda:0.1.0"}
    assert (ROOT / "trainer" / "locks" / f"{name}.txt").is_file()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_gpu_is_offered_with_a_build_of_torch_that_knows_it(name: str) -> None:
    lock = tomllib.loads((ROOT / "trainer" / "pyproject.toml").read_text(encoding="utf-8"))
    extra = lock["project"]["optional-dependencies"][name]
    needs_cuda = any(requirement.startswith("torch==") for requirement in extra)
    assert ("-cuda" in FRAMEWORKS[name]["images"]["gpu"]) is needs_cuda
