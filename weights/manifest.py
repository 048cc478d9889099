"""Writes `manifest.toml`, the list of every weights file that Limen may load."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from packages import Original

HEADER = """\
# Every weights file that Limen may load. Written by convert.py: do not edit by hand.
# A file is loaded only when its SHA-256 is the one below and its tensors are exactly the network's.
"""


@dataclass(frozen=True)
class Entry:
    """One `[[weights]]` table."""

    id: str
    role: str
    architecture: str
    input: str
    output_size: int
    licence: str
    licence_file: str
    training: str
    source: Original
    feature_norm_min: float | None = None
    """For an encoder: the least length of its output for a face that can be recognised (LFW-dev)."""
    sha256: str | None = None
    """Given only for a file that is not committed; otherwise computed from the file."""
    projects: str | None = None
    """For a projection: the id of the encoder whose output it takes."""
    import_command: str | None = None
    """For a file that is not committed: the name `limen weights import` knows it by."""

    @property
    def file(self) -> str:
        return f"{self.id}.safetensors"


def write(folder: Path, entries: list[Entry]) -> None:
    tables = [_table(folder, entry) for entry in entries]
    (folder / "manifest.toml").write_text("\n".join([HEADER, *tables]))


def _table(folder: Path, entry: Entry) -> str:
    sha256 = entry.sha256 or hashlib.sha256((folder / entry.file).read_bytes()).hexdigest()
    rows = [
        ("id", entry.id),
        ("role", entry.role),
        ("architecture", entry.architecture),
        ("projects", entry.projects),
        ("import", entry.import_command),
        ("file", entry.file),
        ("sha256", sha256),
        ("input", entry.input),
        ("output_size", entry.output_size),
        ("feature_norm_min", entry.feature_norm_min),
        ("licence", entry.licence),
        ("licence_file", entry.licence_file),
        ("training", entry.training),
    ]
    package = entry.source.package
    source = [
        ("registry", package.registry),
        ("package", package.name),
        ("version", package.version),
        ("path", entry.source.path),
        ("sha256", entry.source.sha256),
        ("archive_sha256", package.sha256),
    ]
    lines = ["[[weights]]", *_rows(rows), "", "[weights.source]", *_rows(source)]
    return "\n".join(lines) + "\n"


def _rows(rows: list[tuple[str, object]]) -> list[str]:
    return [f"{key} = {_value(key, value)}" for key, value in rows if value is not None]


def _value(key: str, value: object) -> str:
    # A JSON string is a TOML basic string; these two are inline tables already.
    return str(value) if key == "input" else json.dumps(value, ensure_ascii=False)
