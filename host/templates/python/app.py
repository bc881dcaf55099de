"""Turns {"f": 212} into {"c": 100.0}."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Message, Outcome, Outcome_Drop, Outcome_Fail, Outcome_Replace


class Transform(exports.Transform):
    """What Tidegate calls. What it keeps in `self` lives until a fault or a reload."""

    def init(self, config: str) -> None:
        """Once, before any message. `config` is the rule's `config` as JSON, or empty."""
        if config not in ("", "{}"):
            raise Err(f"this plugin takes no configuration, not {config}")

    def process(self, batch: list[Message]) -> list[Outcome]:
        """One outcome for each message, in order."""
        return [transform(message) for message in batch]


def transform(message: Message) -> Outcome:
    try:
        parsed = json.loads(message.payload)
    except ValueError as error:
        return Outcome_Fail(f"the payload is not JSON: {error}")
    if not isinstance(parsed, dict) or "f" not in parsed:
        return Outcome_Drop()
    fahrenheit = parsed["f"]
    if isinstance(fahrenheit, bool) or not isinstance(fahrenheit, (int, float)):
        return Outcome_Fail("`f` is not a number")
    celsius = round((fahrenheit - 32) / 1.8, 2)
    return Outcome_Replace(json.dumps({"c": celsius}).encode())
