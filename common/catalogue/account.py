"""What a model's receipt tells: which data, program, base model and checkpoint became which files."""

from datetime import datetime
from typing import Any

from common.catalogue import receipt
from common.jobs.registration import Candidate, Entry, Provenance


def account_for(job: Candidate, made_of: Provenance, entry: Entry, now: datetime) -> dict[str, Any]:
    """The payload to be signed, of plain JSON values. What nobody told is null."""
    return {
        "format": receipt.FORMAT,
        "registered_at": now.isoformat(),
        "model": _model(job, entry),
        "files": entry.metadata["files"],
        "job": {
            "id": str(job.job_id),
            "attempt": job.attempt,
            "type": job.job_type,
            "submitted_by": job.submitted_by,
        },
        "code": _code(made_of),
        "datasets": [_input(made_of.dataset)] if made_of.dataset else [],
        "base_model": _input(made_of.base_model) if made_of.base_model else None,
        "hyperparameters": made_of.hyperparameters or {},
        "metrics": job.metrics or {},
        "checkpoint": made_of.checkpoint,
    }


def _model(job: Candidate, entry: Entry) -> dict[str, Any]:
    return {
        "id": str(entry.id),
        "project_id": str(job.project_id),
        "name": entry.name,
        "version": entry.version,
        "type": job.type,
        "storage_uri": entry.storage_uri,
        "model_family": job.model_family,
    }


def _code(made_of: Provenance) -> dict[str, Any]:
    trainer = made_of.trainer or {}
    return {
        "framework": made_of.framework,
        "image": made_of.image,
        "source": trainer.get("source"),
        "entrypoint": trainer.get("entrypoint"),
        "args": trainer.get("args") or [],
    }


def _input(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"digest": receipt.digest_of_files(row["files"])}
