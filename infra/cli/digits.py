"""The demo's data: scikit-learn's 1,797 handwritten digits, from the trainer's environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

from infra.cli.errors import CommandFault

CLONE = Path(__file__).resolve().parents[2]
PYTHON = CLONE / ".venvs" / "trainer-sklearn" / "bin" / "python"
PROGRAM = """
import csv, sys
from sklearn.datasets import load_digits
digits = load_digits()
with open(sys.argv[1], "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow([*digits.feature_names, "label"])
    for pixels, label in zip(digits.data, digits.target):
        rows.writerow([*(int(pixel) for pixel in pixels), int(label)])
"""


def write_digits(folder: Path) -> Path:
    """A CSV with a heading: 64 pixels from 0 to 16 and the label, a row an image."""
    if not PYTHON.exists():
        raise CommandFault(f"{PYTHON} is not there.", advice="Run `make demo`, which installs it.")
    file = folder / "digits.csv"
    made = subprocess.run(
        [str(PYTHON), "-c", PROGRAM, str(file)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        reason = made.stderr.strip().rpartition("\n")[2]
        raise CommandFault(f"The demo's data could not be made: {reason}.")
    return file
