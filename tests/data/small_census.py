"""Files like those of the census, with a few rows."""

import gzip
from pathlib import Path

ROWS = [
    ["39", "State-gov", "77516", "Bachelors", "13", "Never-married", "Adm", "No", "White", "Male", "2174", "0", "40"],
    ["50", "Self-emp", "83311", "Masters", "13", "Married", "Exec", "Husband", "White", "Male", "0", "0", "13"],
    ["38", "?", "215646", "HS-grad", "9", "Divorced", "Clean", "No", "Black", "Female", "0", "0", "40"],
]
COUNTRIES, INCOME = ["Cuba", "?", "Peru"], ["<=50K", ">50K", "<=50K"]


def write_census(path: Path) -> Path:
    rows = [",".join([*row, c, i]) for row, c, i in zip(ROWS, COUNTRIES, INCOME, strict=True)]
    text = "\n".join([",".join(f"column {k}" for k in range(15)), *rows, ""])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
