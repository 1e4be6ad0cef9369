"""The shapes of items in DynamoDB JSON as typed structs (contract §1).

An attribute value is an object with one member, its type descriptor; so another member is an unknown field.
Everything else that the contract does not name is ignored.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType, field


class StringValue(Struct, forbid_unknown_fields=True, gc=False):
    """An attribute value that must be a string."""

    S: str


class OptionalString(Struct, forbid_unknown_fields=True, gc=False):
    """A string, or DynamoDB's NULL."""

    S: str | UnsetType = UNSET
    NULL: bool | UnsetType = UNSET


class DynamoMessage(Struct, gc=False):
    """What the contract reads of a message in DynamoDB JSON."""

    sender: StringValue = field(name="from")
    text: OptionalString | UnsetType = UNSET
    timestamp: OptionalString | UnsetType = UNSET


class MessageValue(Struct, forbid_unknown_fields=True, gc=False):
    """One message: a map."""

    M: DynamoMessage


class ConversationValue(Struct, forbid_unknown_fields=True, gc=False):
    """The messages: a list, or a string of JSON."""

    L: list[MessageValue] | UnsetType = UNSET
    S: str | UnsetType = UNSET


class Message(Struct, gc=False, omit_defaults=True):
    """One message of column 7: the canonical sender, the text, and the timestamp where there is one."""

    sender: str = field(name="from")
    text: str | None = None
    timestamp: str | None = None


class Feedback(Struct, gc=False, omit_defaults=True):
    """One feedback; column 8 is this struct's JSON, absent members left out."""

    type: str
    comment: str | None = None
    option: str | None = None


class DynamoFeedback(Struct, gc=False):
    """What the contract reads of a feedback in DynamoDB JSON."""

    type: StringValue
    comment: OptionalString | UnsetType = UNSET
    option: OptionalString | UnsetType = UNSET


class FeedbackValue(Struct, forbid_unknown_fields=True, gc=False):
    """The feedback: a map, or a string of JSON."""

    M: DynamoFeedback | UnsetType = UNSET
    S: str | UnsetType = UNSET


class Item(Struct, gc=False):
    """The attributes that the contract reads; ``UserData`` of any shape is no fault of the item."""

    PK: StringValue
    SK: StringValue
    UserData: Raw = Raw()
    CreatedAt: StringValue | UnsetType = UNSET
    Conversation: ConversationValue | UnsetType = UNSET
    Feedback: FeedbackValue | UnsetType = UNSET


class ExportLine(Struct, forbid_unknown_fields=True, gc=False):
    """A line of an export: an object with this one member."""

    Item: Item


class RawItem(Struct, gc=False):
    """An item whose attributes, but for the keys, may have any shape."""

    PK: StringValue
    SK: StringValue
    UserData: Raw = Raw()
    CreatedAt: Raw = Raw()
    Conversation: Raw = Raw()
    Feedback: Raw = Raw()


class RawExportLine(Struct, forbid_unknown_fields=True, gc=False):
    """A line of an export, whatever the item is."""

    Item: Raw


class User(Struct, gc=False):
    """Who the user is: tidy values, the city without its remark; None where nothing is left."""

    nombre: str | None = None
    gerencia: str | None = None
    ciudad: str | None = None
    readable: bool = True
    """False where ``UserData`` has another shape than the contract's."""


class PlainUser(Struct, gc=False):
    """``UserData`` as a string of JSON has it."""

    nombre: str | None = None
    gerencia: str | None = None
    ciudad: str | None = None


class DynamoUser(Struct, gc=False):
    """What the contract reads of ``UserData`` in DynamoDB JSON."""

    nombre: OptionalString | UnsetType = UNSET
    gerencia: OptionalString | UnsetType = UNSET
    ciudad: OptionalString | UnsetType = UNSET


class UserValue(Struct, forbid_unknown_fields=True, gc=False):
    """Who the user is: a map, a string of JSON, or NULL."""

    M: DynamoUser | UnsetType = UNSET
    S: str | UnsetType = UNSET
    NULL: bool | UnsetType = UNSET
