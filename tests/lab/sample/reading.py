"""Items of the sample as plain values, and its conversations as the report sees them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cat_normalize.core.settings import Rules

Item = dict[str, Any]
FALLBACK = re.compile("|".join(Rules().fallback_patterns), re.IGNORECASE)
SENDERS = {"usuario": "user", "assistant": "bot", "catia": "bot"}


@dataclass
class Talk:
    """One conversation of the ordinary items, as the report sees it."""

    user: str
    at: datetime
    messages: list[tuple[str, str, datetime | None]]

    @property
    def unanswered(self) -> bool:
        return self.messages[-1][0] == "user"

    @property
    def not_understood(self) -> bool:
        return any(sender == "bot" and FALLBACK.search(text) for sender, text, _ in self.messages)

    @property
    def questions(self) -> list[str]:
        return [text for sender, text, _ in self.messages if sender == "user"]

    def replies(self) -> Iterator[float | None]:
        """Yield the seconds to each answer, None where they are unknown."""
        for (before, _, asked), (sender, _, answered) in zip(self.messages, self.messages[1:], strict=False):
            if (before, sender) == ("user", "bot"):
                yield (answered - asked).total_seconds() if asked and answered else None


def kind(item: Item) -> str:
    return str(item["SK"]["S"]).split("#")[0]


def instant(item: Item) -> datetime:
    return datetime.fromisoformat(item["SK"]["S"].split("#")[1])


def plain(value: Any) -> Any:
    """Return messages, user data or feedback as plain values, from either form."""
    match value:
        case {"S": str(text)} if text.startswith(("[", "{")):
            return json.loads(text)
        case {"S": text}:
            return text
        case {"M": members}:
            return {name: plain(member) for name, member in members.items()}
        case {"L": members}:
            return [plain(member) for member in members]
    return None


def talk(item: Item) -> Talk:
    """Return the conversation of an item."""
    return Talk(item["PK"]["S"], instant(item), [_message(each) for each in plain(item["Conversation"])])


def plain_form(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in letters if not unicodedata.category(c).startswith("M"))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())


def _message(message: dict[str, str]) -> tuple[str, str, datetime | None]:
    sender, at = message["from"].lower(), message.get("timestamp")
    return SENDERS.get(sender, sender), message["text"], datetime.fromisoformat(at) if at else None
