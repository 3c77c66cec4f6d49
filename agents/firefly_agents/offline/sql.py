"""SQL for tools that take a statement: what it may be is read from the tool, what it is about from tables seen so far."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from typing import Any

from firefly_agents.offline.vocabulary import by_meaning, fallback
from firefly_mcp.observe.view import View

_CREATE = re.compile(r"(?is)\bcreate\s+table\s+(?:if\s+not\s+exists\s+)?[\"'`\[]?(\w+)[\"'`\]]?\s*\((.*)\)")
_TABLES: list[tuple[str, list[tuple[str, str]]]] = [
    ("books", [("title", "TEXT"), ("author", "TEXT"), ("year", "INTEGER"), ("price", "REAL")]),
    ("members", [("name", "TEXT"), ("city", "TEXT"), ("age", "INTEGER")]),
    ("trips", [("destination", "TEXT"), ("start_date", "TEXT"), ("cost", "REAL")]),
    ("rooms", [("name", "TEXT"), ("floor", "INTEGER"), ("seats", "INTEGER")]),
    ("repairs", [("product", "TEXT"), ("day", "TEXT"), ("cost", "REAL")]),
    ("suppliers", [("company", "TEXT"), ("city", "TEXT"), ("balance", "REAL")]),
]
_ROWS = re.compile(r"(?i)\bint|\breal|\bnum|\bfloat|\bdouble|\bdecimal")


@dataclass
class Tables:
    """The tables that an episode knows of, with their columns and some rows."""

    columns: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)

    def observe(self, arguments: dict[str, Any], view: View) -> None:
        """Take in a successful call: statements that were run, lists of tables, descriptions of columns, rows."""
        statement = next((value for value in arguments.values() if isinstance(value, str) and " " in value), "")
        made = _CREATE.search(statement)
        if made:
            parts = [part.split() for part in made[2].split(",")]
            self.columns[made[1]] = [(part[0], part[1] if len(part) > 1 else "TEXT") for part in parts if part]
            self.created.append(made[1])
            return
        insert = re.match(r"(?i)\s*insert\s+into\s+(\w+)", statement)
        if insert:
            self.filled.append(insert[1])
            return
        value = view.value.get("result", view.value) if isinstance(view.value, dict) else view.value
        if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
            return
        if {"name", "type"} <= value[0].keys():
            table = next((item for item in arguments.values() if isinstance(item, str)), "")
            self.columns[table] = [(str(row["name"]), str(row["type"])) for row in value]
        elif value[0].keys() == {"name"} or value[0].keys() == {"table_name"}:
            for row in value:
                self.columns.setdefault(str(next(iter(row.values()))), [])
        else:
            table_read = re.search(r"(?i)\bfrom\s+(\w+)", statement)
            if table_read and re.match(r"(?i)\s*select\s+\*", statement):
                self.rows[table_read[1]] = value
                self.columns[table_read[1]] = self.columns.get(table_read[1]) or [
                    (key, _type(item)) for key, item in value[0].items()
                ]


def statement(description: str, tables: Tables, rng: Random) -> str:
    """One statement that a tool with this description takes."""
    kinds = [kind for kind in ("CREATE", "INSERT", "SELECT", "UPDATE") if re.search(rf"\b{kind}\b", description)]
    if "CREATE" in kinds and not {"SELECT", "INSERT"} & set(kinds):
        return _create(tables, rng)
    writable = [name for name in tables.created if tables.columns.get(name)]
    if "INSERT" in kinds and "SELECT" not in kinds:
        known = writable or [name for name, columns in tables.columns.items() if columns]
        if known:
            return _insert(known[-1] if writable else rng.choice(known), tables, rng)
        return _create(tables, rng)
    return _select(tables, rng)


def _create(tables: Tables, rng: Random) -> str:
    free = [entry for entry in _TABLES if entry[0] not in tables.columns] or _TABLES
    name, columns = rng.choice(free)
    inside = ", ".join(f"{column} {kind}" for column, kind in [("id", "INTEGER PRIMARY KEY"), *columns])
    return f"CREATE TABLE {name} ({inside})"


def _insert(table: str, tables: Tables, rng: Random) -> str:
    columns = [(name, kind) for name, kind in tables.columns[table] if name.lower() != "id"]
    rows = ", ".join(
        "(" + ", ".join(_literal(_value(name, kind, rng)) for name, kind in columns) + ")" for _ in range(rng.randint(2, 3))
    )
    return f"INSERT INTO {table} ({', '.join(name for name, _ in columns)}) VALUES {rows}"


def _select(tables: Tables, rng: Random) -> str:
    names = list(tables.columns)
    if not names:
        return "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    table = tables.filled[-1] if tables.filled and tables.filled[-1] in names and rng.random() < 0.8 else rng.choice(names)
    columns = tables.columns[table]
    numeric = [name for name, kind in columns if _ROWS.search(kind) and not name.lower().endswith("id")]
    texts = [name for name, kind in columns if not _ROWS.search(kind)]
    rows = tables.rows.get(table, [])
    if not columns or (not rows and rng.random() < 0.25):
        return f"SELECT * FROM {table} LIMIT {rng.randint(4, 8)}"
    where = ""
    if rows and texts and rng.random() < 0.6:
        column = rng.choice([name for name in texts if name in rows[0]] or [next(iter(rows[0]))])
        where = f" WHERE {column} = {_literal(rng.choice(rows)[column])}"
    if numeric and rng.random() < 0.7:
        measure = rng.choice(numeric)
        function = rng.choice(("SUM", "AVG", "MAX", "MIN"))
        if rng.random() < 0.4 and texts and not where:
            return f"SELECT {rng.choice(texts)}, {measure} FROM {table} ORDER BY {measure} DESC, {columns[0][0]} LIMIT 1"
        return f"SELECT {function}({measure}) AS {function.lower()}_{measure} FROM {table}{where}"
    return f"SELECT COUNT(*) AS row_count FROM {table}{where}"


def _value(column: str, kind: str, rng: Random) -> Any:
    want = "string" if not _ROWS.search(kind) else "integer" if "int" in kind.lower() else "number"
    value = by_meaning(column, "", want, rng)
    return fallback(want, rng) if value is None else value


def _literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'" if not isinstance(value, int | float) else repr(value)


def _type(value: Any) -> str:
    return "INTEGER" if isinstance(value, int) else "REAL" if isinstance(value, float) else "TEXT"
