"""Arguments that are paths name files that exist, of the kind that the tool speaks of."""

from __future__ import annotations

from pathlib import Path
from random import Random

from firefly_agents.offline.files import Folder, candidates, may_be_path, piece, role
from firefly_agents.offline.memory import ValueMemory
from firefly_mcp.observe.view import View
from tests.agents.planning import arguments_of, tool

FOLDER = Folder(
    ("manual.pdf", "notes/bread.md", "sales.csv", "sales.xlsx"),
    "/srv/work",
    {"notes/bread.md": ("# Bread", "Knead the dough.")},
)
READ_PDF = tool("extract_text", "Extract the text of a PDF.", path="string")


def first(info: object, name: str = "path", **more: object) -> str:
    (slot,) = [slot for slot in info.slots if slot.name == name]  # type: ignore[attr-defined]
    return candidates(slot, FOLDER, Random(0), **more)[0]  # type: ignore[arg-type]


def test_a_file_is_chosen_by_the_kind_that_the_tool_speaks_of() -> None:
    assert first(READ_PDF) == "manual.pdf"
    assert first(tool("read_sheet", "Read an Excel workbook.", file_path="string"), "file_path") == "sales.xlsx"


def test_folders_new_files_and_things_that_are_no_paths_are_told_apart() -> None:
    listing = tool("list_directory", path="string")
    made = tool("create_pdf", "Creates a PDF.", output_path="string")
    query = tool("query_json", json_path="string")
    assert [role(info.slots[0]) for info in (listing, made, query)] == ["folder", "new", ""]
    assert first(listing) == "/srv/work"
    assert first(made, "output_path").endswith(".pdf")
    assert first(made, "output_path") not in FOLDER.paths


def test_a_server_that_wants_absolute_paths_gets_them() -> None:
    memory = ValueMemory()
    error = "path must be absolute: manual.pdf"
    memory.learn(READ_PDF.key, {"path": "manual.pdf"}, View("text", ""), False, error=error)
    assert arguments_of(READ_PDF, memory=memory, files={"shop": FOLDER}) == {"path": "/srv/work/manual.pdf"}


def test_where_a_file_was_refused_a_folder_is_given() -> None:
    info = tool("scan", path="string")
    assert first(info) in FOLDER.paths
    assert first(info, refused=("file",)) == "/srv/work"


def test_a_value_of_a_result_is_taken_for_a_path_only_if_it_looks_like_one_of_that_kind() -> None:
    (slot,) = READ_PDF.slots
    assert [may_be_path(slot, value) for value in ("out/page.pdf", "1.3", "sales.csv", "https://example.com/x.pdf")] == [
        True,
        False,
        False,
        False,
    ]


def test_what_is_to_be_replaced_in_a_file_stands_in_it() -> None:
    edit = tool("edit_file", path="string", old_text="string")
    slot = next(slot for slot in edit.slots if slot.name == "old_text")
    assert piece(slot, FOLDER, {"path": "/srv/work/notes/bread.md"}, Random(0)) in ("# Bread", "Knead the dough.")
    assert piece(slot, FOLDER, {"path": "sales.csv"}, Random(0)) is None


def test_a_folder_holds_the_lines_of_its_small_texts(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one\n\ntwo\n")
    (tmp_path / "b.bin").write_bytes(b"\xff\xfe\x00")
    folder = Folder.of({"a.md": tmp_path / "a.md", "b.bin": tmp_path / "b.bin"}, "")
    assert folder.lines == {"a.md": ("one", "two")}
    assert folder.absolute("a.md") == "a.md"
