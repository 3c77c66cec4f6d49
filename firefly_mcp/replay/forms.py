"""A request in the forms in which the recording may hold it: redacted by the rules of each recorded session.

Sessions may have been recorded under different rules. A request is looked up as each of them would have written it, the least
redacted form first; what is logged of it is redacted by all of them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping

from firefly_mcp.jsonio import JSON, JsonObject
from firefly_mcp.redact import Redactor
from firefly_mcp.redaction_rules import NO_RULES, RedactionRules, parse_rules
from firefly_mcp.servers import expand
from firefly_mcp.servers.secrecy import header_parts, hides_something
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording


class RequestForms:
    """Redacts requests as a recording's sessions were redacted."""

    def __init__(
        self, recording: Recording, given: RedactionRules = NO_RULES, *, variables: Mapping[str, str] = os.environ
    ) -> None:
        """Read the rules that the recorded sessions keep.

        Args:
            recording: its sessions' rules apply.
            given: rules of a file, as one form more.
            variables: where the values of ``environment`` rules are, and those of the variables that the recorded servers'
                ``env`` and ``headers`` refer to. What is not set now is unknown, and not looked for.

        Raises:
            ConfigError: stored rules are malformed.
        """
        found = {
            parse_rules(session.config.get("redaction") or {}, f"{recording.path}: rules of session {session.id}")
            for session in queries.sessions(recording, evidence_only=True)
        }
        if given:
            found.add(given)
        self.rules = functools.reduce(RedactionRules.union, sorted(found, key=lambda rules: str(rules.to_json())), NO_RULES)
        """All of them in one: what a session recorded from now on is redacted by."""
        found.add(self.rules)
        secrets = _configured(recording, variables)
        ordered = sorted(found, key=lambda rules: (len(str(rules.to_json())), str(rules.to_json())))
        self._redactors = [Redactor(secrets, rules=rules, variables=variables) for rules in ordered]

    def of(self, params: JsonObject, server: str, tool: str | None = None) -> tuple[JsonObject, list[JsonObject]]:
        """The one form of a request that may be written down, redacted by all rules; and its distinct forms to look up."""
        logged = first = self._redactors[0].params(params, server=server, tool=tool) or {}
        forms = [first]
        for redactor in self._redactors[1:]:
            form = redactor.params(params, server=server, tool=tool) or {}
            logged = redactor.params(logged, server=server, tool=tool) or {}
            if form not in forms:
                forms.append(form)
        return logged, forms

    def untouched(self, data: bytes) -> bool:
        """Whether a request, still encoded, holds nothing that any rule would change: its one form is the request itself."""
        return all(redactor.passes(data) for redactor in self._redactors)

    def told(self, value: JSON) -> JSON:
        """Any other message of a client, redacted by all rules."""
        for redactor in self._redactors:
            value = redactor.result(value)
        return value


def _configured(recording: Recording, variables: Mapping[str, str]) -> list[str]:
    """The values, as they are now, of variables in which recorded servers found their credentials."""
    found: list[str] = []
    for spec in queries.servers(recording).values():
        for section in ("env", "headers"):
            for name, written in (spec.get(section) or {}).items():
                for variable in expand.names(str(written)):
                    value = variables.get(variable, "")
                    parts = header_parts(value) if section == "headers" else [value]
                    found += [part for part in parts if hides_something(name, part) or hides_something(variable, part)]
    return list(dict.fromkeys(found))
