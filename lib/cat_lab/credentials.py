"""Find AWS credentials once, before anything slow starts."""

from __future__ import annotations

from typing import Any

from cat_normalize.core.errors import PipelineError


def find_credentials() -> Any:
    """Return a boto3 session with credentials from boto3's own chain.

    A metadata service that does not answer is tried once, for one second.

    Raises:
        PipelineError: there are none, or they cannot be read.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from botocore.session import get_session

    session = get_session()
    session.set_config_variable("metadata_service_timeout", 1)
    session.set_config_variable("metadata_service_num_attempts", 1)
    try:
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError()
        credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise PipelineError(str(error)) from error
    return boto3.Session(botocore_session=session)
