"""Run a local AWS: a moto server with the pipeline's resources, and the sample in its table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cat_lab import sample
from cat_lab.installed import require
from cat_lab.local import environment, provision
from cat_lab.local.server import Server
from cat_normalize.core.settings import Settings


@dataclass(frozen=True, slots=True)
class LocalAws:
    """A running local AWS and three ways to reach it without real credentials.

    Use `client` for one client, `activate` for this process, `child_environment` for another process.
    """

    settings: Settings
    _server: Server = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The address of every service, such as ``http://127.0.0.1:40123``."""
        return self._server.endpoint()

    @property
    def environment(self) -> dict[str, str]:
        """The variables to set; `child_environment` also removes those that must not be set."""
        return environment.variables(self.settings, os.environ)

    def child_environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment for another process.

        It is `base` (by default this process's) without ``AWS_`` variables and the pipeline's settings,
        plus `environment`.
        """
        base = os.environ if base is None else base
        return environment.without_aws(base) | environment.variables(self.settings, base)

    @contextmanager
    def activate(self) -> Iterator[None]:
        """Connect this process and boto3's default session to it until the end of the block."""
        with environment.activated(self.settings):
            yield

    def client(self, service: str) -> Any:
        """Return a boto3 client that needs no environment."""
        return environment.client(self.settings, service)

    def check(self) -> None:
        """Raise LocalAwsError, with the last lines of the log, if it has ended."""
        self._server.check()


@contextmanager
def running(settings: Settings, log_dir: Path, seed: bool = True) -> Iterator[LocalAws]:
    """Run a local AWS until the end of the block.

    Args:
        settings: names and region; the endpoint is replaced.
        log_dir: folder of the log, ``local-aws.log``.
        seed: whether to put the sample into the table.

    Raises:
        MissingPackageError: moto is not installed.
        LocalAwsError: the server did not start, or a resource could not be created.
    """
    require("moto")
    from botocore.exceptions import BotoCoreError, ClientError

    plain = replace(settings, endpoint_url=None)
    its_own = environment.without_aws(os.environ) | environment.variables(plain, os.environ)
    with Server(log_dir, its_own) as server:
        items = sample.items() if seed else []  # generated while the server starts
        aws = LocalAws(replace(plain, endpoint_url=server.endpoint()), server)
        try:
            provision.create_all(aws.settings)
            sample.put(aws.client("dynamodb"), aws.settings.table_name, items)
        except (BotoCoreError, ClientError) as error:
            raise server.error(f"could not be made ready: {error}") from error
        yield aws
