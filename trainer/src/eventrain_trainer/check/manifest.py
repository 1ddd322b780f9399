"""A framework's manifest and README, as far as they can be judged without a run.

YAML and JSON Schema are not in Python: `pip install eventrain-trainer[check]` brings both.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eventrain_trainer.check.row import Broken, NotSeen
from eventrain_trainer.mock.program import MANIFEST

MOST_LINES = 20
REQUIRED = ("name", "title", "description", "takes", "leaves", "parameters")
TAKES = ("dataset", "model", "job_types", "gpu")
JOB_TYPES = {"finetune", "from_scratch", "pretrain", "distributed"}
NO_SUCH_WORD = "no-such-word"


def read(folder: Path | None) -> dict[str, Any]:
    """Raises NotSeen where there is none, or nothing to read it with; Broken for no mapping."""
    if folder is None:
        raise NotSeen(f"it has no {MANIFEST}: a script, not a framework")
    try:
        import yaml
    except ImportError:
        raise NotSeen("needs PyYAML: install eventrain-trainer[check]") from None
    try:
        found: Any = yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Broken(f"{MANIFEST} is not YAML: {error}") from error
    if not isinstance(found, dict):
        raise Broken(f"{MANIFEST} is not a mapping")
    return found


def check(folder: Path | None) -> str:
    """Names all that is wrong. Raises Broken, NotSeen."""
    manifest = read(folder)
    assert folder is not None
    wrong = [*_words(manifest, folder), *_schema(manifest), *_readme(folder)]
    if wrong:
        raise Broken("; ".join(wrong))
    return f"{len(properties(manifest))} parameters"


def properties(manifest: Mapping[str, Any]) -> dict[str, Any]:
    schema = manifest.get("parameters")
    found: Any = schema.get("properties") if isinstance(schema, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def out_of_bounds(folder: Path | None) -> dict[str, Any]:
    """For each parameter with bounds a value beyond them. Raises NotSeen where none has any."""
    beyond = {name: _beyond(schema) for name, schema in properties(read(folder)).items()}
    wrong = {name: value for name, value in beyond.items() if value is not None}
    if not wrong:
        raise NotSeen("no parameter of its manifest has bounds")
    return wrong


def _beyond(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return None
    if "minimum" in schema:
        return schema["minimum"] - 1
    if "exclusiveMinimum" in schema:
        return schema["exclusiveMinimum"]
    if "maximum" in schema:
        return schema["maximum"] + 1
    if "enum" in schema:
        return NO_SUCH_WORD
    return None


def _words(manifest: Mapping[str, Any], folder: Path) -> Iterator[str]:
    yield from (f"{name} is missing" for name in REQUIRED if name not in manifest)
    if manifest.get("name") not in (None, folder.name, folder.name.replace("_", "-")):
        yield f"name is {manifest['name']}, its folder {folder.name}"
    takes = manifest.get("takes")
    if takes is None:
        return
    if not isinstance(takes, dict):
        yield "takes is not a mapping"
        return
    yield from (f"takes.{name} is missing" for name in TAKES if name not in takes)
    if unknown := set(takes.get("job_types") or ()) - JOB_TYPES:
        yield f"takes.job_types: {', '.join(sorted(unknown))} is none of {', '.join(sorted(JOB_TYPES))}"


def _schema(manifest: Mapping[str, Any]) -> Iterator[str]:
    try:
        import jsonschema
    except ImportError:
        raise NotSeen("needs jsonschema: install eventrain-trainer[check]") from None
    schema = manifest.get("parameters")
    if schema is None:
        return
    validator = jsonschema.Draft202012Validator
    try:
        validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        yield f"parameters is no JSON Schema: {error.message}"
        return
    for name, each in properties(manifest).items():
        if not isinstance(each, dict) or "default" not in each:
            yield f"parameters.{name} has no default"
            continue
        for error in validator(each).iter_errors(each["default"]):
            yield f"the default of {name} breaks its own schema: {error.message}"
    for alias, name in (manifest.get("aliases") or {}).items():
        if name not in properties(manifest):
            yield f"aliases: {alias} stands for {name}, which is no parameter"


def _readme(folder: Path) -> Iterator[str]:
    readme = folder / "README.md"
    if not readme.is_file():
        yield "README.md is missing"
        return
    lines = [line for line in readme.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        yield "README.md is empty"
    if len(lines) > MOST_LINES:
        yield f"README.md has {len(lines)} lines; {MOST_LINES} are read, more are not"
