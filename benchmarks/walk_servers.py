"""What walks over stateful servers are made of: for each server its tools, with the values that their arguments may have.

A value is a list to choose from; a string ``"@key"`` in it stands for a value that an earlier answer held under that key (or,
for prose, that the server's pattern found in it), and ``"#"`` within a string for a number that no earlier call used. A tool
that stands several times is called more often.
"""

from __future__ import annotations

from typing import Any

Arguments = dict[str, Any]

_WORDS = ["bread", "rye", "garden", "ledger", "harbour", "lantern"]
_TEXTS = ["bake at noon", "water the roses", "count the boxes", "call Ada about the bread", "rye needs a day"]
_ENTITIES = ["Ada", "Bert", "Cleo", "Dora"]
_OBSERVATION = [{"entityName": name, "contents": [text]} for name in _ENTITIES for text in _TEXTS[:3]]
_RELATION = [{"from": a, "to": b, "relationType": "knows"} for a in _ENTITIES for b in _ENTITIES if a != b]
_GRAPH: list[tuple[str, Arguments]] = [
    ("create_entities", {"entities": [[{"name": n, "entityType": "person", "observations": []}] for n in _ENTITIES]}),
    ("add_observations", {"observations": [[item] for item in _OBSERVATION]}),
    ("add_observations", {"observations": [[item] for item in _OBSERVATION]}),
    ("create_relations", {"relations": [[item] for item in _RELATION]}),
    ("delete_observations", {"deletions": [[{"entityName": n, "observations": [_TEXTS[0]]}] for n in _ENTITIES]}),
    ("delete_relations", {"relations": [[item] for item in _RELATION]}),
    ("delete_entities", {"entityNames": [[n] for n in _ENTITIES]}),
    ("read_graph", {}),
    ("search_nodes", {"query": [*_ENTITIES, "bread", "roses"]}),
    ("search_nodes", {"query": [*_ENTITIES, "bread", "roses"]}),
    ("open_nodes", {"names": [[n] for n in _ENTITIES]}),
    ("open_nodes", {"names": [[n] for n in _ENTITIES]}),
]
_TABLES = ["bees", "hives"]
_INSERTS = [f"INSERT INTO {t} VALUES ({n}, '{w}')" for t in _TABLES for n, w in enumerate(_WORDS)]
_SELECTS = [f"SELECT count(*) AS n FROM {t}" for t in _TABLES] + [f"SELECT * FROM {t} WHERE id < 3" for t in _TABLES]
_CREATES = [f"CREATE TABLE {t} (id INTEGER, name TEXT)" for t in _TABLES]
_CHANGES = [f"UPDATE {t} SET name = '{w}' WHERE id = 1" for t in _TABLES for w in _WORDS[:2]] + [
    f"DELETE FROM {t} WHERE id = 2" for t in _TABLES
]
_USERS = ["mia_li_3668", "olivia_gonzalez_2305", "omar_davis_3817", "sofia_kim_7287", "aarav_garcia_1177"]
_DATES = ["2024-05-16", "2024-05-20", "2024-05-24"]
_PAIR: Arguments = {"origin": ["JFK", "SFO", "ATL"], "destination": ["SEA", "MCO", "LAX"], "date": _DATES}
_COLUMNS = ["BACKLOG", "TODO", "DOING"]
_FILES = ["bread.md", "rye.md", "plan.md"]
_PLACES = ["alpha", "beta"]
_PATHS = ["{work}/a.txt", "{work}/b.txt", "{work}/sub/c.txt"]

WALKS: dict[str, list[tuple[str, Arguments]]] = {
    "@allpepper/memory-bank-mcp": [
        ("list_projects", {}),
        ("list_project_files", {"projectName": _PLACES}),
        ("memory_bank_read", {"projectName": _PLACES, "fileName": _FILES}),
        ("memory_bank_read", {"projectName": _PLACES, "fileName": _FILES}),
        ("memory_bank_write", {"projectName": _PLACES, "fileName": _FILES, "content": _TEXTS}),
        ("memory_bank_update", {"projectName": _PLACES, "fileName": _FILES, "content": _TEXTS}),
    ],
    "agent-toolkit-mcp-server": [
        ("note_write", {"name": _WORDS[:4], "content": _TEXTS}),
        ("note_append", {"name": _WORDS[:4], "content": _TEXTS}),
        ("note_add_tags", {"name": _WORDS[:4], "tags": ["home", "work"]}),
        ("note_read", {"name": _WORDS[:4]}),
        ("note_tail", {"name": _WORDS[:4], "lines": [2]}),
        ("note_list", {}),
        ("note_search", {"query": ["bread", "roses"]}),
        ("note_delete", {"name": _WORDS[:4]}),
        ("todo_create", {"text": [f"{word} #" for word in _WORDS]}),
        ("todo_create", {"text": [f"{word} #" for word in _WORDS]}),
        ("todo_list", {}),
        ("todo_get", {"id": ["@id"]}),
        ("todo_update", {"id": ["@id"], "text": _TEXTS}),
        ("todo_complete", {"id": ["@id"]}),
        ("todo_comment_add", {"todo_id": ["@id"], "body": _TEXTS}),
        ("todo_comment_list", {"todo_id": ["@id"]}),
        ("todo_delete", {"id": ["@id"]}),
    ],
    "ai-todo": [
        ("add_task", {"description": [f"{word} #" for word in _WORDS], "tags": [["home"], ["work"]]}),
        ("add_task", {"description": [f"{word} #" for word in _WORDS], "tags": [["home"], ["work"]]}),
        ("add_subtask", {"parent_id": ["@"], "description": _TEXTS}),
        ("list_tasks", {}),
        ("list_tasks", {"tag": ["home", "work"]}),
        ("get_active_tasks", {}),
        ("show_task", {"task_id": ["@"]}),
        ("show_task", {"task_id": ["@"]}),
        ("start_task", {"task_id": ["@"]}),
        ("stop_task", {"task_id": ["@"]}),
        ("complete_task", {"task_id": ["@"]}),
        ("undo_task", {"task_id": ["@"]}),
        ("modify_task", {"task_id": ["@"], "description": _TEXTS}),
        ("add_note", {"task_id": ["@"], "note_text": _TEXTS}),
        ("delete_task", {"task_id": ["@"]}),
        ("restore_task", {"task_id": ["@"]}),
    ],
    "mcp-server-sqlite": [
        ("create_table", {"query": _CREATES}),
        ("write_query", {"query": _INSERTS}),
        ("write_query", {"query": _INSERTS}),
        ("write_query", {"query": _CHANGES}),
        ("read_query", {"query": _SELECTS}),
        ("read_query", {"query": _SELECTS}),
        ("list_tables", {}),
        ("describe_table", {"table_name": _TABLES}),
        ("append_insight", {"insight": _TEXTS}),
    ],
    "mcp-server-duckdb": [
        ("query", {"query": _CREATES}),
        ("query", {"query": _INSERTS}),
        ("query", {"query": _CHANGES}),
        ("query", {"query": _SELECTS}),
        ("query", {"query": _SELECTS}),
    ],
    "@modelcontextprotocol/server-memory": _GRAPH,
    "@itseasy21/mcp-knowledge-graph": _GRAPH,
    "tau2-airline": [
        ("get_user_details", {"user_id": _USERS}),
        ("get_user_details", {"user_id": _USERS}),
        ("get_reservation_details", {"reservation_id": ["@reservations"]}),
        ("get_reservation_details", {"reservation_id": ["@reservations"]}),
        ("list_all_airports", {}),
        ("search_direct_flight", _PAIR),
        ("search_onestop_flight", _PAIR),
        ("get_flight_status", {"flight_number": ["@flight_number"], "date": _DATES}),
        ("calculate", {"expression": ["2 + 3", "12 * 7"]}),
        ("send_certificate", {"user_id": _USERS, "amount": [50, 100]}),
        ("cancel_reservation", {"reservation_id": ["@reservations"]}),
        (
            "update_reservation_baggages",
            {
                "reservation_id": ["@reservations"],
                "total_baggages": [2, 3],
                "nonfree_baggages": [0, 1],
                "payment_id": ["@payment_id"],
            },
        ),
        ("get_call_log", {}),
    ],
    "tau2-mock": [
        ("get_users", {}),
        ("create_task", {"user_id": ["user_1"], "title": _WORDS}),
        ("update_task_status", {"task_id": ["@task_id"], "status": ["completed", "pending"]}),
        ("check_notifications", {}),
        ("get_call_log", {}),
    ],
    "mockworld-crm": [
        ("create_record", {"type": ["customer", "lead"], "name": _WORDS}),
        ("create_record", {"type": ["customer", "lead"], "name": _WORDS}),
        ("get_record", {"record_id": ["@id"]}),
        ("get_record", {"record_id": ["@id"]}),
        ("update_record", {"record_id": ["@id"], "name": _WORDS}),
        ("archive_record", {"record_id": ["@id"]}),
        ("restore_record", {"record_id": ["@id"]}),
        ("delete_record", {"record_id": ["@id"]}),
        ("list_records", {}),
        ("list_records", {"type": ["customer", "lead"]}),
    ],
    "mockworld-files": [
        ("put_object", {"key": _FILES, "size": [10, 20]}),
        ("get_object", {"key": _FILES}),
        ("list_objects", {}),
        ("list_objects", {"prefix": ["b", "r"]}),
        ("delete_object", {"key": _FILES}),
    ],
    "mockworld-payments": [
        ("create_customer", {"name": _WORDS, "balance": [5000]}),
        ("create_charge", {"customer_id": ["@id"], "amount": [100, 250]}),
        ("capture_charge", {"charge_id": ["@id"]}),
        ("refund_charge", {"charge_id": ["@id"]}),
        ("get_charge", {"charge_id": ["@id"]}),
        ("get_customer", {"customer_id": ["@id"]}),
    ],
    "@stevestomp/ohno-mcp": [
        ("create_task", {"title": [f"{word} #" for word in _WORDS]}),
        ("create_task", {"title": [f"{word} #" for word in _WORDS]}),
        ("get_tasks", {}),
        ("get_task", {"task_id": ["@task_id", "@id"]}),
        ("get_project_status", {}),
        ("update_task_status", {"task_id": ["@task_id", "@id"], "status": ["in_progress", "done"]}),
        ("set_blocker", {"task_id": ["@task_id", "@id"], "reason": _TEXTS}),
        ("resolve_blocker", {"task_id": ["@task_id", "@id"]}),
        ("get_blocked_tasks", {}),
        ("archive_task", {"task_id": ["@task_id", "@id"]}),
        ("get_kanban_board", {}),
    ],
    "kanbanger": [
        ("setup_project", {}),
        ("add_task", {"title": [f"{word} #" for word in _WORDS], "column": _COLUMNS}),
        ("add_task", {"title": _WORDS, "column": _COLUMNS}),
        ("move_task", {"title": _WORDS, "from_column": _COLUMNS, "to_column": _COLUMNS}),
        ("delete_task", {"title": _WORDS, "column": _COLUMNS}),
        ("list_tasks", {}),
        ("list_tasks", {"column": _COLUMNS}),
        ("get_sync_status", {}),
    ],
    "@modelcontextprotocol/server-filesystem": [
        ("write_file", {"path": _PATHS, "content": _TEXTS}),
        ("create_directory", {"path": ["{work}/sub"]}),
        ("read_text_file", {"path": _PATHS}),
        ("read_text_file", {"path": _PATHS}),
        ("list_directory", {"path": ["{work}", "{work}/sub"]}),
        ("directory_tree", {"path": ["{work}"]}),
        ("search_files", {"path": ["{work}"], "pattern": ["**/*.txt"]}),
        ("move_file", {"source": _PATHS, "destination": _PATHS}),
        ("edit_file", {"path": _PATHS, "edits": [[{"oldText": "the", "newText": "every"}]]}),
    ],
    "mcp-mathematics": [
        ("calculate_expression", {"expr": ["2 + 3", "12 * 7", "sqrt(16)"]}),
        ("create_session", {"session_id": _PLACES, "variables": [{"x": 2}]}),
        ("session_calculate", {"session_id": _PLACES, "expr": ["x + 1", "2 * 3"], "var_name": ["x", "y"]}),
        ("list_session_variables", {"session_id": _PLACES}),
        ("get_calculation_history", {"limit": [5]}),
        ("clear_history", {}),
        ("delete_session", {"session_id": _PLACES}),
        ("list_functions", {}),
    ],
    "mcpgex": [
        ("add_test_case", {"input_string": ["a1", "b22", "c"], "expected_matches": [["1"], ["22"], []]}),
        ("get_test_cases", {}),
        ("test_regex", {"pattern": ["\\d+", "[a-z]"]}),
        ("clear_test_cases", {}),
    ],
}

PROSE: dict[str, str] = {"ai-todo": r"#(\d+(?:\.\d+)*)"}
"""Where ids stand in servers' prose."""
