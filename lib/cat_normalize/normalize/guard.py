"""What cannot be right is not published (contract §6): all items rejected, or far fewer users than before."""

from __future__ import annotations

from cat_normalize.core.errors import AllRejectedError, ShrunkError
from cat_normalize.normalize.rows import Summary


def refuse_all_rejected(summary: Summary, rejects: str = "the rejects") -> None:
    """Refuse a run of which nothing but rejects came; an empty table is none.

    Args:
        summary: the run's counts.
        rejects: where the rejects are, for the message.

    Raises:
        AllRejectedError: with the counts by reason.

    >>> refuse_all_rejected(Summary(items_read=2, registrations=2))
    """
    if not all_rejected(summary):
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(summary.rejected_by_reason.items()))
    raise AllRejectedError(
        f"all {summary.items_read} items were rejected ({reasons}), so no CSV was published. Look at "
        f"{rejects}: was it the table that was read, and are its items of the shape of contract §1?"
    )


def all_rejected(summary: Summary) -> bool:
    """Tell whether items were read and every one was rejected."""
    return summary.rejected == summary.items_read > 0


def refuse_shrunk(summary: Summary, earlier_users: int, percent: int, earlier: str = "the last run") -> None:
    """Refuse a run with fewer users than a share of an earlier one's.

    Args:
        summary: the run's counts.
        earlier_users: the users of the earlier run.
        percent: the share; 0 lets any number pass.
        earlier: what the message calls the earlier run.

    Raises:
        ShrunkError: with both counts.

    >>> refuse_shrunk(Summary(users=50), 100, 50)
    >>> refuse_shrunk(Summary(users=49), 100, 50)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cat_normalize.core.errors.ShrunkError: 49 users, less than 50 % of the 100 of the last run; ...
    """
    if summary.users * 100 < percent * earlier_users:
        raise ShrunkError(
            f"{summary.users} users, less than {percent} % of the {earlier_users} of {earlier}; nothing was "
            "published. Look at the table and the filters; if so few are right, allow it "
            "(allow_shrink, --allow-shrink)"
        )
