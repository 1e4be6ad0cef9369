"""What a CSV's arrival sets off on the local AWS: the stacks' rule, onto a queue, and the Glue job.

moto's rules reach queues but no state machine, and its Glue jobs only pretend to run: `worker` does both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cat_lab.local.provision import client
from cat_normalize.core import layout
from cat_normalize.core.settings import Settings
from cat_normalize.jobs import events as arrival

EVENTS = layout.RULE
FAILED = f"{layout.RULE}-failed"
_ROLE = "arn:aws:iam::123456789012:role/glue"  # moto's account; nobody takes the role
_LONGEST = 12 * 60 * 60  # seconds; the longest that SQS hides a message from others


@dataclass(frozen=True, slots=True)
class Queues:
    """The addresses of the two queues: events that wait, and events whose run failed."""

    events: str
    failed: str


def provision(settings: Settings, script: Path) -> Queues:
    """Upload the Glue script, define the job and make the rule; objects put before start nothing.

    Raises:
        OSError: the script cannot be read.
    """
    key = settings.scripts_prefix + script.name
    client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=script.read_bytes())
    client(settings, "glue").create_job(
        Name=layout.GLUE_JOB,
        Role=_ROLE,
        Command={
            "Name": "glueetl",
            "PythonVersion": "3",
            "ScriptLocation": layout.s3_uri(settings.bucket, key),
        },
        GlueVersion="5.1",
        DefaultArguments=arrival.job_arguments(settings),
    )
    return listen(settings, arrival.pattern(settings))


def listen(settings: Settings, pattern: dict[str, Any]) -> Queues:
    """Make the two queues, and the rule that puts the events of a pattern into the first."""
    sqs, events = client(settings, "sqs"), client(settings, "events")
    hidden = {"VisibilityTimeout": str(_LONGEST)}
    queue = sqs.create_queue(QueueName=EVENTS, Attributes=hidden)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=layout.RULE, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=layout.RULE, Targets=[{"Id": "queue", "Arn": arn}])
    return Queues(queue, sqs.create_queue(QueueName=FAILED)["QueueUrl"])
