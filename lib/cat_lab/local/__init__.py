"""The local AWS: moto in a process of its own, with what the stacks make and a sample in the table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cat_lab.errors import LocalAwsError
from cat_lab.local import environment as _environment
from cat_lab.local import provision as _provision
from cat_lab.local.server import Server as _Server
from cat_lab.sample import generator as _sample
from cat_normalize.core.settings import Settings

__all__ = ["LocalAws", "running"]


@dataclass(frozen=True, slots=True)
class LocalAws:
    """A running local AWS: where it is, and three ways to meet it without real credentials.

    `client` for one client, `activate` for this process, `child_environment` for another.
    """

    settings: Settings
    _server: _Server = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The address everything is at, such as ``http://127.0.0.1:40123``."""
        return self._server.endpoint()

    @property
    def environment(self) -> dict[str, str]:
        """What has to be set to meet it; what has to go is gone in `child_environment`."""
        return _environment.variables(self.settings, os.environ)

    def child_environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment for another process.

        That is `base` (this process's own) without any ``AWS_`` variable and without the
        contract's settings, and then `environment`.
        """
        base = os.environ if base is None else base
        return _environment.cleared(base) | _environment.variables(self.settings, base)

    @contextmanager
    def activate(self) -> Iterator[None]:
        """Give this process and boto3's default session that environment until the end of the block."""
        with _environment.activated(self.settings):
            yield

    def client(self, service: str) -> Any:
        """Return a boto3 client that needs no environment."""
        return _provision.client(self.settings, service)

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            LocalAwsError: it has ended; the message ends with the last lines of its log.
        """
        self._server.check()


@contextmanager
def running(settings: Settings, log_dir: Path, seed: bool = True) -> Iterator[LocalAws]:
    """Run a local AWS until the end of the block, made ready under the names of `settings`.

    Args:
        settings: names and region; their endpoint is replaced.
        log_dir: folder of its log, ``local-aws.log``.
        seed: put the sample into the table.

    Raises:
        LocalAwsError: it did not start, or could not be made ready.
    """
    plain = replace(settings, endpoint_url=None)
    its_own = _environment.cleared(os.environ) | _environment.variables(plain, os.environ)
    with _Server(log_dir, its_own) as server:
        items = _sample.items() if seed else []  # meanwhile the child starts
        aws = LocalAws(replace(plain, endpoint_url=server.endpoint()), server)
        _make_ready(aws, items)
        yield aws


def _make_ready(aws: LocalAws, items: list[dict[str, Any]]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _provision.everything(aws.settings)
        _sample.put(aws.client("dynamodb"), aws.settings.table_name, items)
    except (BotoCoreError, ClientError) as error:
        raise LocalAwsError(aws._server.told(f"could not be made ready: {error}")) from error
