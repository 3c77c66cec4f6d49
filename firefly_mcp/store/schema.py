"""The recording's tables, as SQL that anyone may read. ``docs/reference/recording.md`` explains each column."""

from __future__ import annotations

APPLICATION_ID = 0x46464C59  # "FFLY"

V1 = """
CREATE TABLE info (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE server (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  spec TEXT NOT NULL DEFAULT '{}',
  added_at REAL NOT NULL
);
CREATE TABLE tool_snapshot (
  id INTEGER PRIMARY KEY,
  server_id INTEGER NOT NULL REFERENCES server(id),
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  description TEXT,
  input_schema TEXT,
  output_schema TEXT,
  annotations TEXT,
  definition TEXT NOT NULL,
  protocol_version TEXT,
  position INTEGER NOT NULL DEFAULT 0,
  seen_at REAL NOT NULL,
  UNIQUE (server_id, name, hash)
);
CREATE TABLE session (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  transport TEXT NOT NULL DEFAULT '',
  client_info TEXT NOT NULL DEFAULT '{}',
  protocol_version TEXT NOT NULL DEFAULT '',
  labels TEXT NOT NULL DEFAULT '{}',
  config TEXT NOT NULL DEFAULT '{}',
  started_at REAL NOT NULL,
  ended_at REAL
);
CREATE TABLE connection (
  session_id INTEGER NOT NULL REFERENCES session(id),
  server_id INTEGER NOT NULL REFERENCES server(id),
  protocol_version TEXT NOT NULL DEFAULT '',
  initialize TEXT NOT NULL DEFAULT '{}',
  origin TEXT NOT NULL DEFAULT 'unknown',
  PRIMARY KEY (session_id, server_id)
) WITHOUT ROWID;
CREATE TABLE blob (
  hash TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  data TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE call (
  id INTEGER PRIMARY KEY,
  session_id INTEGER NOT NULL REFERENCES session(id),
  seq INTEGER NOT NULL,
  server_id INTEGER NOT NULL REFERENCES server(id),
  method TEXT NOT NULL,
  tool TEXT,
  params TEXT NOT NULL,
  args_hash TEXT NOT NULL,
  normalized_hash TEXT,
  identity_hash TEXT,
  request_meta TEXT,
  result_hash TEXT,
  is_error INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  status TEXT NOT NULL DEFAULT 'interrupted',
  started_at REAL NOT NULL,
  duration_ms REAL,
  overlaps INTEGER NOT NULL DEFAULT 0,
  match TEXT,
  source_call INTEGER,
  detail TEXT
);
CREATE INDEX call_session ON call (session_id, seq);
CREATE INDEX call_exact ON call (args_hash, server_id);
CREATE TABLE call_event (
  id INTEGER PRIMARY KEY,
  call_id INTEGER,
  session_id INTEGER NOT NULL,
  offset_ms REAL NOT NULL,
  direction TEXT NOT NULL,
  message TEXT NOT NULL
);
CREATE INDEX call_event_call ON call_event (call_id);
CREATE TABLE effect (
  server_id INTEGER NOT NULL REFERENCES server(id),
  writer TEXT NOT NULL,
  reader TEXT NOT NULL,
  affects INTEGER NOT NULL,
  source TEXT NOT NULL,
  evidence TEXT NOT NULL DEFAULT '{}',
  PRIMARY KEY (server_id, writer, reader)
) WITHOUT ROWID;
CREATE TABLE edge (
  source_server TEXT NOT NULL,
  source_tool TEXT NOT NULL,
  target_server TEXT NOT NULL,
  target_tool TEXT NOT NULL,
  argument TEXT NOT NULL,
  score REAL NOT NULL,
  evidence TEXT NOT NULL,
  PRIMARY KEY (source_server, source_tool, target_server, target_tool, argument)
) WITHOUT ROWID;
CREATE TABLE trajectory (
  id INTEGER PRIMARY KEY,
  session_id INTEGER REFERENCES session(id),
  dag TEXT NOT NULL,
  calls TEXT NOT NULL,
  bindings TEXT NOT NULL,
  outcome TEXT NOT NULL DEFAULT '{}',
  added_at REAL NOT NULL
);
CREATE TABLE task (
  id TEXT PRIMARY KEY,
  status TEXT NOT NULL,
  task TEXT NOT NULL,
  added_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE verdict (
  task_id TEXT NOT NULL,
  gate TEXT NOT NULL,
  passed INTEGER NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  at REAL NOT NULL,
  PRIMARY KEY (task_id, gate)
) WITHOUT ROWID;
"""

REPLAY_INDEX = """
CREATE TABLE candidate_tool (
  id INTEGER PRIMARY KEY,
  server_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  stamp TEXT NOT NULL,
  UNIQUE (server_id, name)
);
CREATE TABLE candidate (
  call_id INTEGER PRIMARY KEY,
  tool_id INTEGER NOT NULL,
  session_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  args BLOB NOT NULL,
  normalized BLOB,
  identity BLOB,
  state BLOB NOT NULL,
  outcome BLOB NOT NULL
);
CREATE INDEX candidate_args ON candidate (args);
CREATE INDEX candidate_normalized ON candidate (normalized) WHERE normalized IS NOT NULL;
CREATE INDEX candidate_identity ON candidate (identity) WHERE identity IS NOT NULL;
CREATE INDEX candidate_session ON candidate (session_id, position);
CREATE TABLE candidate_text (
  call_id INTEGER NOT NULL,
  argument TEXT NOT NULL,
  text_hash TEXT NOT NULL,
  PRIMARY KEY (call_id, argument)
) WITHOUT ROWID;
CREATE TABLE candidate_run (
  session_id INTEGER NOT NULL,
  server_id INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  answered INTEGER NOT NULL,
  stamp TEXT NOT NULL,
  PRIMARY KEY (session_id, server_id)
) WITHOUT ROWID;
CREATE TABLE learned_effect (
  server_id INTEGER PRIMARY KEY,
  stamp TEXT NOT NULL,
  observed TEXT NOT NULL,
  volatile TEXT NOT NULL
);
"""

V2 = f"""
DROP INDEX call_exact;
{REPLAY_INDEX}
CREATE TABLE embedder (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  dimensions INTEGER NOT NULL,
  config TEXT NOT NULL DEFAULT '{{}}'
);
CREATE TABLE vector (
  embedder_id INTEGER NOT NULL REFERENCES embedder(id),
  text_hash TEXT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (embedder_id, text_hash)
) WITHOUT ROWID;
CREATE TABLE simulated (
  server_id INTEGER NOT NULL REFERENCES server(id),
  tool TEXT NOT NULL,
  args_hash TEXT NOT NULL,
  state_key TEXT NOT NULL,
  model TEXT NOT NULL,
  result_hash TEXT NOT NULL,
  call_id INTEGER,
  sources TEXT NOT NULL DEFAULT '[]',
  added_at REAL NOT NULL,
  PRIMARY KEY (server_id, tool, args_hash, state_key, model)
) WITHOUT ROWID;
"""

INDEX_TABLES = ("candidate", "candidate_text", "candidate_tool", "candidate_run", "learned_effect")
"""The replay index: derived from the calls, emptied and rebuilt at will, and no part of what a recording says."""
