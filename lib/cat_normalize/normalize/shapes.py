"""DynamoDB JSON as typed structs (contract §1): strict where the contract is, blind to what it ignores.

An attribute value is an object with one member, its type descriptor; another one is an unknown field.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType, field


class StringValue(Struct, forbid_unknown_fields=True, gc=False):
    """An attribute value that has to be a string."""

    S: str


class OptionalString(Struct, forbid_unknown_fields=True, gc=False):
    """A string, or DynamoDB's NULL."""

    S: str | UnsetType = UNSET
    NULL: bool | UnsetType = UNSET


NOTHING = Raw(b"?")
"""No JSON: what stands where a value is not given."""


class Text(Struct, forbid_unknown_fields=True, gc=False):
    """A string, or DynamoDB's NULL; the string as it stands in JSON, and whether it is one is not checked."""

    S: Raw = NOTHING
    NULL: bool | UnsetType = UNSET


class MessageMembers(Struct, gc=False):
    """What the contract reads of a message; what stands beside it is ignored."""

    sender: StringValue = field(name="from")
    text: Text | UnsetType = UNSET
    timestamp: Text | UnsetType = UNSET


class MessageValue(Struct, forbid_unknown_fields=True, gc=False):
    """One message: a map."""

    M: MessageMembers


class ConversationValue(Struct, forbid_unknown_fields=True, gc=False):
    """The messages: a list, or a string of JSON."""

    L: list[MessageValue] | UnsetType = UNSET
    S: str | UnsetType = UNSET


class FeedbackMembers(Struct, gc=False):
    """What the contract reads of a feedback."""

    type: StringValue
    comment: OptionalString | UnsetType = UNSET
    option: OptionalString | UnsetType = UNSET


class FeedbackValue(Struct, forbid_unknown_fields=True, gc=False):
    """The feedback: a map, or a string of JSON."""

    M: FeedbackMembers | UnsetType = UNSET
    S: str | UnsetType = UNSET


class UserMembers(Struct, gc=False):
    """What the contract reads of a user."""

    nombre: OptionalString | UnsetType = UNSET
    gerencia: OptionalString | UnsetType = UNSET
    ciudad: OptionalString | UnsetType = UNSET


class UserValue(Struct, forbid_unknown_fields=True, gc=False):
    """Who the user is: a map, a string of JSON, or NULL."""

    M: UserMembers | UnsetType = UNSET
    S: str | UnsetType = UNSET
    NULL: bool | UnsetType = UNSET


class Item(Struct, gc=False):
    """An item as nearly every one is; one that is not is looked at again as an `Envelope`.

    ``UserData`` is empty where absent; whatever its shape, it is no fault of the item.
    """

    PK: StringValue
    SK: StringValue
    UserData: Raw = Raw()
    CreatedAt: StringValue | UnsetType = UNSET
    Conversation: ConversationValue | UnsetType = UNSET
    Feedback: FeedbackValue | UnsetType = UNSET


class WrappedItem(Struct, forbid_unknown_fields=True, gc=False):
    """A line of an export: an object with this one member."""

    Item: Item


class Envelope(Struct, gc=False):
    """The attributes the contract reads, of any shape but the keys'.

    An absent key is UNSET, any other absent attribute an empty ``Raw``.
    """

    PK: StringValue | UnsetType = UNSET
    SK: StringValue | UnsetType = UNSET
    UserData: Raw = Raw()
    CreatedAt: Raw = Raw()
    Conversation: Raw = Raw()
    Feedback: Raw = Raw()
    Item: Raw = Raw()


class Wrapper(Struct, forbid_unknown_fields=True, gc=False):
    """A line of an export, whatever the item."""

    Item: Raw
