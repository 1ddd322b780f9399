"""`python -m infra.deploy.release <tier> <registry> <tag or digest>`: which images a tier runs.

Writes the tier's component `release` and its trainers.yaml. The migration's Job is named after the
image of the functions, since a Job cannot be changed: another image is another Job. Images of one
release share a tag; with a digest, which is that of the functions, `--tag` names the trainers'.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

INFRA = Path(__file__).parents[1]
OVERLAYS = INFRA / "overlays"
SHIPPED = re.compile(r"\beventrain/(trainer-[a-z*-]+):(\S+)")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
COMPONENT = """\
# Written by `python -m infra.deploy.release`. The migration's Job is named after the image that it runs.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
  - name: eventrain/functions
    newName: {registry}eventrain/functions
    {by}: {functions}
  - name: eventrain/mlflow
    newName: {registry}eventrain/mlflow
patches:
  - target:
      group: batch
      kind: Job
      name: migrate
    patch: |-
      - op: replace
        path: /metadata/name
        value: migrate-{suffix}
"""
TRAINERS = """\
configMapGenerator:
  - name: eventrain-config
    namespace: eventrain
    behavior: merge
    files:
      - trainers.yaml
    options:
      disableNameSuffixHash: true
"""


@dataclass(frozen=True)
class Release:
    """`registry` is what stands before `eventrain/...`, empty for images that are on the nodes."""

    registry: str
    functions: str
    trainers: str

    @property
    def suffix(self) -> str:
        """What tells this release's Job from the next one's: of a digest, its beginning."""
        if DIGEST.fullmatch(self.functions):
            return self.functions.removeprefix("sha256:")[:12]
        return re.sub(r"[^a-z0-9]+", "-", self.functions.lower())


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy.release")
    parser.add_argument("tier", choices=("dev", "stg", "prod"))
    parser.add_argument("registry", help="such as registry.example.com; - for none")
    parser.add_argument("functions", help="the tag or the digest (sha256:...) of the functions")
    parser.add_argument("--tag", help="the tag of the trainers, where a digest was given")
    given = parser.parse_args(arguments)
    if DIGEST.fullmatch(given.functions) and not given.tag:
        parser.error("with a digest, --tag must name the trainers' images")
    registry = "" if given.registry == "-" else f"{given.registry.rstrip('/')}/"
    release = Release(registry, given.functions, given.tag or given.functions)
    write(release, OVERLAYS / given.tier / "release")


def write(release: Release, folder: Path) -> None:
    """Replaces the component."""
    for file in folder.iterdir():
        file.unlink()
    for name, text in files(release).items():
        (folder / name).write_text(text, encoding="utf-8")


def files(release: Release) -> dict[str, str]:
    """The files of the component, by name. Where the base's trainers will do, there are no others."""
    component = COMPONENT.format(
        registry=release.registry,
        by="digest" if DIGEST.fullmatch(release.functions) else "newTag",
        functions=release.functions,
        suffix=release.suffix,
    )
    shipped = (INFRA / "base" / "config" / "trainers.yaml").read_text(encoding="utf-8")
    moved = _moved(shipped, release)
    if moved == shipped:
        return {"kustomization.yaml": component}
    return {"kustomization.yaml": component + TRAINERS, "trainers.yaml": moved}


def _moved(shipped: str, release: Release) -> str:
    """The trainers with this release's images; a pattern for any tag stays one."""

    def move(image: re.Match[str]) -> str:
        tag = image[2] if image[2] == "*" else release.trainers
        return f"{release.registry}eventrain/{image[1]}:{tag}"

    return SHIPPED.sub(move, shipped)


if __name__ == "__main__":
    main(sys.argv[1:])
