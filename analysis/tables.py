"""Tables as files: CSV that no spreadsheet runs, JSON Lines, and Parquet, which keeps types."""

import io
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

_INT64 = np.iinfo(np.int64)

_FORMULA = ("=", "+", "-", "@", "\t", "\n")


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A format that tables leave in.

    Parameters
    ----------
    label : str
        For people.
    media_type : str
        For browsers.
    write : callable
        Makes the content of a file of a table.
    """

    label: str
    media_type: str
    write: Callable[[pd.DataFrame], bytes]


def to_csv(table: pd.DataFrame) -> bytes:
    """Comma-separated values; no cell and no heading begins with what spreadsheets run.

    Lines within a cell are divided by line feeds: a lone carriage return would end the row.

    Parameters
    ----------
    table : DataFrame
        Its index is left out.

    Examples
    --------
    >>> to_csv(pd.DataFrame({"said": ["=1+1", None], "rate": [0.5, float("nan")]})).decode()
    "said,rate\\n'=1+1,0.5\\n,\\n"
    """
    cells = _named(table)
    for name in cells.columns:
        if not pd.api.types.is_numeric_dtype(cells[name]):
            cells[name] = cells[name].map(_disarmed)
    return cells.rename(columns=_disarmed).to_csv(index=False, lineterminator="\n").encode()


def to_jsonl(table: pd.DataFrame) -> bytes:
    """A JSON object a line; null where there is no value.

    Parameters
    ----------
    table : DataFrame
        Its index is left out.

    Examples
    --------
    >>> to_jsonl(pd.DataFrame({"said": ["=1+1"], "rate": [float("nan")]})).decode()
    '{"said": "=1+1", "rate": null}\\n'
    """
    rows = _named(table).to_dict("records")
    lines = ({name: _plain(value) for name, value in row.items()} for row in rows)
    return "".join(
        json.dumps(line, ensure_ascii=False, allow_nan=False, default=str) + "\n" for line in lines
    ).encode()


def to_parquet(table: pd.DataFrame) -> bytes:
    """Columns with their types; one that mixes them, or that no type holds, holds texts.

    Parameters
    ----------
    table : DataFrame
        Its index is left out.
    """
    cells = _named(table)
    for name in cells.columns:
        if cells[name].dtype == object and not _has_type(cells[name]):
            cells[name] = cells[name].map(str, na_action="ignore")
    file = io.BytesIO()
    cells.to_parquet(file, index=False)
    return file.getvalue()


FORMATS: Mapping[str, TableFormat] = {
    "csv": TableFormat("CSV", "text/csv", to_csv),
    "jsonl": TableFormat("JSONL", "application/jsonl", to_jsonl),
    "parquet": TableFormat("Parquet", "application/vnd.apache.parquet", to_parquet),
}
"""By the ending of a file."""


def from_records(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows as a table in which whole numbers stay whole where some are missing.

    Parameters
    ----------
    rows : sequence of mapping of str to object
        None where there is no value.

    Examples
    --------
    >>> to_csv(from_records([{"seed": 1, "wer": 2.0}, {"seed": None, "wer": 1.5}])).decode()
    'seed,wer\\n1,2.0\\n,1.5\\n'
    """
    table = pd.DataFrame(rows)
    for name in table.columns:
        known = [row[name] for row in rows if row.get(name) is not None]
        if known and all(
            type(value) is int and _INT64.min <= value <= _INT64.max for value in known
        ):
            table[name] = table[name].astype("Int64")
    return table


def own_name(name: str, taken: Collection[str]) -> str:
    """A name, with a number behind where it is taken.

    Examples
    --------
    >>> own_name("seconds", ["seconds", "seconds (2)"])
    'seconds (3)'
    """
    number, own = 1, name
    while own in taken:
        number += 1
        own = f"{name} ({number})"
    return own


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """A copy whose columns have texts as names, each its own, as Parquet asks for."""
    names: list[str] = []
    for name in map(str, table.columns):
        names.append(own_name(name, names))
    copy = table.copy()
    copy.columns = pd.Index(names)
    return copy


def _disarmed(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _has_type(column: pd.Series) -> bool:
    """Whether Parquet has a type for all cells of a column."""
    if column.dropna().map(type).nunique() > 1:
        return False
    try:
        pa.array(column, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def _plain(value: object) -> object:
    """A value as JSON has it, in lists and mappings too; None where there is no number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [_plain(own) for own in value]
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
