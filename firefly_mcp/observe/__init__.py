"""What was seen: the data inside results, whether a call succeeded, which value flowed where, what a tool returns. Pure."""

from firefly_mcp.observe.flow import Flow, flows
from firefly_mcp.observe.infer import Field, infer_fields, infer_schema, string_format
from firefly_mcp.observe.leaves import Leaf, find_all, json_path, json_pointer, leaves, pointer_steps, walk
from firefly_mcp.observe.prose import Found, regex_for, values_in
from firefly_mcp.observe.success import is_success, told_error
from firefly_mcp.observe.told import values_told
from firefly_mcp.observe.values import THRESHOLD, informative, number_in, value_key
from firefly_mcp.observe.view import View, json_inside, result_text, result_view

__all__ = [
    "THRESHOLD",
    "Field",
    "Flow",
    "Found",
    "Leaf",
    "View",
    "find_all",
    "flows",
    "infer_fields",
    "infer_schema",
    "informative",
    "is_success",
    "json_inside",
    "json_path",
    "json_pointer",
    "leaves",
    "number_in",
    "pointer_steps",
    "regex_for",
    "result_text",
    "result_view",
    "string_format",
    "told_error",
    "value_key",
    "values_in",
    "values_told",
    "walk",
]
