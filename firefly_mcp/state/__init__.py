"""State: which calls may affect which, what a call's answer may depend on, and where a session's state began."""
