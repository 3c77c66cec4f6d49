"""The error tree. Every error a person may see names the file, server or argument at fault and what to do.

FireflyError                exit 2
├── UsageError              an argument or combination of arguments is wrong
├── ConfigError             servers.json, replay.toml or a setting is wrong
├── StoreError              the recording is missing, damaged, foreign, locked or full
├── ServerError             an upstream server did not start, died, hung or spoke garbage
├── TaskError               a task file does not fit the recording or its own schema
├── ModelError              a model endpoint failed or is not configured
└── CheckError              exit 1: everything ran, and the answer is no
    └── DriftError          exit 3: the live servers no longer answer as recorded
"""

from __future__ import annotations


class FireflyError(Exception):
    """Base of all errors that are reported as one line, without a traceback."""

    exit_code = 2


class UsageError(FireflyError):
    """An argument, or a combination of arguments, is wrong."""


class ConfigError(FireflyError):
    """A configuration file is missing, malformed, or names something that does not exist."""


class StoreError(FireflyError):
    """The recording is missing, damaged, not ours, locked or cannot be written."""


class ServerError(FireflyError):
    """An upstream MCP server did not start, died, hung, or spoke something that is not MCP."""


class TaskError(FireflyError):
    """A task file is malformed or does not belong to the recording."""


class ModelError(FireflyError):
    """A model endpoint is not configured or failed."""


class CheckError(FireflyError):
    """Everything ran, and the check says no."""

    exit_code = 1


class DriftError(CheckError):
    """Live servers no longer answer as recorded."""

    exit_code = 3
