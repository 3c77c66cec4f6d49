"""Paths as arguments: files of the server's folder, of the kind that the tool speaks of, and names for new ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from random import Random

from firefly_agents.offline.slots import Slot
from firefly_agents.offline.words import words

_NAMES = frozenset(
    "path file filename filepath folder directory dir dirname repo repository workspace workbook document root cwd".split()
)
_FOLDERS = frozenset("folder directory dir dirname repo repository workspace root cwd".split())
_NEW = frozenset("output out destination dest target save new".split())
_OLD = frozenset("input source src from in".split())
_MAKES = frozenset("create write save export generate new make render draw compose add".split())
_NO_PATH = re.compile(r"(?i)\b(?:json ?path|xpath|dotted|url path|endpoint|object key|property path|svg path|route)\b")
_SAYS_PATH = re.compile(
    r"(?i)\b(?:(?:absolute|relative|full|local|file|directory|folder|output|input) ?path|path (?:to|of|for)|file ?name"
    r"|(?:file|folder|directory) (?:to|in which|where)|local file)\b"
)
_KINDS: dict[str, str] = {
    ".pdf": "pdf",
    ".xlsx": "excel xlsx xl workbook spreadsheet sheet worksheet",
    ".csv": "csv tsv tabular dataset dataframe",
    ".docx": "docx word document doc",
    ".png": "png image picture photo jpg jpeg qr barcode img ocr vision pixel",
    ".db": "sqlite db database sql",
    ".md": "markdown md note vault",
    ".py": "python py code module source script lint",
    ".bib": "bib bibtex citation reference bibliography",
    ".ttl": "turtle ttl rdf ontology triple sparql owl shacl",
    ".graphql": "graphql sdl",
    ".beancount": "beancount ledger accounting account transaction balance",
    ".json": "json",
    ".html": "html web",
    ".svg": "svg diagram",
    ".txt": "txt",
    ".drawio": "drawio diagram",
    ".geojson": "geojson",
    ".pptx": "pptx presentation slide",
    ".xml": "xml musicxml",
    ".abc": "abc",
    ".mid": "midi mid",
    ".wav": "wav audio sound",
    ".yaml": "yaml yml",
    ".zip": "zip archive",
}
_SMALL = 20_000
_STEMS = "draft plan summary result copy sample list report".split()


@dataclass(frozen=True)
class Folder:
    """What a server finds in its working folder.

    Attributes:
        paths: of its files, relative, with slashes.
        root: the folder as the server sees it; empty where that differs from run to run.
        lines: what the small texts among them say, by path.
    """

    paths: tuple[str, ...] = ()
    root: str = ""
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, contents: Mapping[str, Path], root: str) -> Folder:
        """The folder with these files in it, by their path in it."""
        lines = {}
        for name, path in contents.items():
            if path.stat().st_size <= _SMALL:
                try:
                    lines[name] = tuple(line for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
                except UnicodeDecodeError:
                    continue
        return cls(tuple(contents), root, lines)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that hold files, itself first."""
        found = {str(parent) for path in self.paths for parent in PurePosixPath(path).parents}
        return tuple(sorted(found | {"."}))

    def absolute(self, path: str) -> str:
        """A path as the server sees it; unchanged where the folder's own is not known."""
        if not self.root:
            return path
        return self.root if path == "." else f"{self.root}/{path}"


@lru_cache(maxsize=20_000)
def role(slot: Slot) -> str:
    """What kind of path an argument takes: ``file``, ``folder``, ``new`` (a file that need not exist), or nothing."""
    if slot.kind not in ("string", "any"):
        return ""
    own = set(words(slot.name))
    said = f"{slot.description}"
    if _NO_PATH.search(f"{slot.name.replace('_', ' ')} {said}"):
        return ""
    if not (own & _NAMES or _SAYS_PATH.search(said[:160])):
        return ""
    verbs = set(words(slot.tool.key.tool)[:3])
    if (
        own & _FOLDERS
        or (verbs & {"directory", "folder", "tree"} and not own & {"file", "filename"})
        or re.match(r"(?i)(?:the |path (?:to|of) (?:the |a )?)?(?:folder|directory|repo)", said)
    ):
        return "folder"
    if re.search(r"(?i)\b(?:repositor(?:y|ies)|(?:working |root )?director(?:y|ies)|folder)\b", said) and not (
        own & {"file", "filename", "filepath"} or re.search(r"(?i)\bfiles?\b", said)
    ):
        return "folder"
    if own & _NEW or (verbs & _MAKES and not own & _OLD and re.search(r"(?i)\b(?:creat|writ|sav|output|new|export)", said)):
        return "new"
    if verbs & {"write", "create", "save"} and not own & _OLD and not slot.tool.key.tool.lower().endswith("sheet"):
        return "new"
    return "file"


@lru_cache(maxsize=20_000)
def extensions(slot: Slot) -> list[str]:
    """The extensions that the tool speaks of, the likeliest first."""
    named = re.findall(r"(?<![\w/])\.(\w{2,9})\b", f"{slot.description} {slot.tool.description[:600]}")
    weights: dict[str, float] = {}
    for share, text in (
        (3.0, f"{slot.name} {slot.description}"),
        (2.5, slot.tool.key.tool),
        (1.0, slot.tool.description[:300]),
        (2.0, slot.tool.key.server),
    ):
        found = set(words(text))
        for extension, kinds in _KINDS.items():
            hits = found & set(kinds.split())
            if hits:
                weights[extension] = weights.get(extension, 0.0) + share * (1.5 if extension[1:] in hits else 1.0)
    for name in named:
        if f".{name.lower()}" in _KINDS:
            weights[f".{name.lower()}"] = weights.get(f".{name.lower()}", 0.0) + 2.5
    return sorted(weights, key=lambda extension: -weights[extension])


def candidates(slot: Slot, folder: Folder, rng: Random, *, strict: bool = False, refused: Collection[str] = ()) -> list[str]:
    """Paths that fit, the best first; each once relative and once as the server sees it. Empty for what is no path.

    Args:
        slot: the argument.
        folder: what lies in the server's folder.
        rng: the source of variety.
        strict: whether a relative path was refused before: absolute ones then come first.
        refused: what errors said of paths given here before: ``file`` where a folder was wanted, ``folder`` the other way.
    """
    kind = role(slot)
    if not kind:
        return []
    if "file" in refused:
        kind = "folder"
    elif "folder" in refused and kind == "folder":
        kind = "file"
    wanted = extensions(slot)
    if kind == "folder":
        chosen = [".", *rng.sample([path for path in folder.folders if path != "."], len(folder.folders) - 1)]
    elif kind == "new":
        suffix = next((extension for extension in wanted), ".txt")
        chosen = [f"{rng.choice(_STEMS)}-{rng.randint(2, 40)}{suffix}" for _ in range(2)]
    else:
        ranked = [path for extension in wanted for path in folder.paths if path.endswith(extension)]
        chosen = ranked[:3] or [path for path in folder.paths if path.endswith((".md", ".csv", ".txt"))][:2]
        if len(ranked) > 3:
            chosen = ranked[:1] + rng.sample(ranked[1:], 2)
    if "place" in refused and folder.root:
        # What may be touched is elsewhere: most often below HOME.
        home = str(PurePosixPath(folder.root).parent / "home")
        folder = Folder(folder.paths, home, folder.lines)
        return [folder.absolute(path) for path in chosen]
    forms = [[path, folder.absolute(path)] for path in chosen]
    if strict or re.search(r"(?i)\babsolute\b", f"{slot.description} {slot.tool.description[:400]}") or kind == "folder":
        forms = [[absolute, relative] for relative, absolute in forms]
    if re.search(r"(?i)\bfile:/{2,3}|\bURIs?\b", slot.description) and folder.root:
        forms = [[f"file://{folder.absolute(path)}"] for path in chosen]
    return list(dict.fromkeys(path for pair in forms for path in pair))


def may_be_path(slot: Slot, value: str) -> bool:
    """Whether a value that a result held can be a path of the kind that an argument takes."""
    if not re.search(r"[/\\]|\.[A-Za-z]\w{0,8}\Z", value) or re.search(r"\s{2}|\n|^https?:", value):
        return False
    suffix = PurePosixPath(value).suffix.lower()
    if not suffix and role(slot) != "folder":
        return False
    wanted = extensions(slot)
    return not (suffix in _KINDS and wanted and role(slot) == "file") or suffix in wanted[:4]


_PIECES = frozenset("old search pattern find anchor needle match substring keyword term query".split())
_COLUMNS = frozenset("column columns field header".split())


def piece(slot: Slot, folder: Folder, siblings: Mapping[str, object], rng: Random) -> str | None:
    """Text of the file that the same call names: a line for ``old_text``, a word to search for, a column's name."""
    own = set(words(slot.name))
    if slot.kind != "string" or not own & (_PIECES | _COLUMNS):
        return None
    named = [str(value) for value in siblings.values() if isinstance(value, str)]
    path = next((path for path in folder.lines for value in named if value == path or value.endswith(f"/{path}")), None)
    if path is None:
        return None
    lines = folder.lines[path]
    if own & _COLUMNS:
        return rng.choice(lines[0].split(",")).strip() if path.endswith(".csv") and lines else None
    line = rng.choice(lines) if lines else ""
    if "old" in own or "anchor" in own:
        return line or None
    found = re.findall(r"[A-Za-z]{4,}", line)
    return rng.choice(found) if found else None
