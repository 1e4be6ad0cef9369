"""What the state machine and Glue do on AWS, done here: an event is taken, and the job runs for its key."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cat_lab.local import glue_job as job
from cat_lab.local.events import Queues
from cat_normalize.core import layout
from cat_normalize.core.errors import InputError
from cat_normalize.core.files import private_folder
from cat_normalize.jobs import events as arrival

if TYPE_CHECKING:
    from cat_lab.local import LocalAws

LOG_NAME = "glue-job.log"
_LIBRARIES = "--extra-py-files"
_ERROR = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception)\b.*)")


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event taken from the queue, there still until its run has ended."""

    event: str
    receipt: str

    @property
    def key(self) -> str:
        """The CSV's key, or how the message begins if it is no event of S3."""
        try:
            return arrival.run_arguments(self.event)["--input_key"]
        except InputError:
            return self.event[:80]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    ``stays`` is a CSV older than the Parquet, refused in good order. ``reason`` is the error's one line,
    empty after ``done``; ``tail`` the last lines of the run's output, empty unless it ``failed``.
    """

    key: str
    status: Literal["done", "stays", "failed"]
    reason: str = ""
    tail: str = ""
    manifest: dict[str, Any] | None = None


class Worker:
    """Takes one event at a time and runs the Glue job for it; a failed one is put into the other queue.

    Args:
        aws: the local AWS.
        queues: as `loop.provision` or `loop.listen` made them.
        folder: of the runs' log, ``glue-job.log``.
        python: what runs the script.
        places: where in an event the arguments of its run are.
    """

    def __init__(
        self,
        aws: LocalAws,
        queues: Queues,
        folder: Path,
        python: job.Python | None = None,
        places: Mapping[str, str] = arrival.RUN_ARGUMENTS,
    ) -> None:
        self._aws, self._queues, self._places = aws, queues, places
        self._python = python or job.Python()
        self._sqs, self._s3, self._glue = (aws.client(each) for each in ("sqs", "s3", "glue"))
        self.log = folder / LOG_NAME

    def take(self, seconds: int = 0) -> Arrived | None:
        """Return the next event, waiting so many seconds for one; None if there is none."""
        found = self._sqs.receive_message(
            QueueUrl=self._queues.events, MaxNumberOfMessages=1, WaitTimeSeconds=seconds
        )
        for message in found.get("Messages", ()):
            return Arrived(message["Body"], message["ReceiptHandle"])
        return None

    def run(self, arrived: Arrived) -> Ended:
        """Run the job for an event and take the event off the queue.

        Raises:
            LocalAwsError: the local AWS ended meanwhile; the run is ended too.
        """
        ended = self._tried(arrived)
        if ended.status == "failed":
            why = {"ERROR_MESSAGE": {"DataType": "String", "StringValue": ended.reason}}
            self._sqs.send_message(
                QueueUrl=self._queues.failed, MessageBody=arrived.event, MessageAttributes=why
            )
        self._sqs.delete_message(QueueUrl=self._queues.events, ReceiptHandle=arrived.receipt)
        return ended

    def _tried(self, arrived: Arrived) -> Ended:
        from botocore.exceptions import ClientError

        try:
            arguments = arrival.run_arguments(arrived.event, self._places)
            with private_folder() as folder:
                return self._submitted(arrived.key, arguments, folder)
        except (InputError, ClientError) as error:  # no such job, script or wheel: on AWS the run fails too
            return Ended(arrived.key, "failed", f"{type(error).__name__}: {error}")

    def _submitted(self, key: str, given: Mapping[str, str], folder: Path) -> Ended:
        """Run the job's script as its definition says; a run's own arguments win."""
        definition = self._glue.get_job(JobName=layout.GLUE_JOB)["Job"]
        arguments = definition["DefaultArguments"] | given
        script = self._fetched(definition["Command"]["ScriptLocation"], folder)
        wheels = [self._fetched(uri, folder) for uri in arguments.pop(_LIBRARIES, "").split(",") if uri]
        words = ["--JOB_NAME", layout.GLUE_JOB, *(word for pair in arguments.items() for word in pair)]
        line = job.command(self._aws.settings, folder, script, words, wheels)
        environment = job.environment(self._aws.child_environment(), self._python)
        start = self.log.stat().st_size if self.log.exists() else 0
        with job.started(line, environment, folder, self.log.absolute()) as process:
            while (code := process.poll()) is None:
                self._aws.check()
                time.sleep(0.1)
        with self.log.open("rb") as log:
            log.seek(start)
            return _ended(key, code, log.read().decode("utf-8", "replace").splitlines())

    def _fetched(self, uri: str, folder: Path) -> Path:
        bucket, key = layout.split_s3(uri)
        path = folder / key.rpartition("/")[2]
        path.write_bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        return path


def _ended(key: str, code: int, lines: list[str]) -> Ended:
    """Tell how a run ended from its exit code and output, whose last line is the manifest if it went well."""
    tail = "\n".join(lines[-10:])
    if code == 0:
        manifest = _manifest(lines)
        if manifest is None:
            return Ended(key, "failed", "the job's output does not end with a manifest", tail)
        return Ended(key, "done", manifest=manifest)
    errors = [found[1] for line in lines if (found := _ERROR.match(line))]
    reason = errors[-1] if errors else f"spark-submit ended with {code}"
    if fnmatchcase(reason, arrival.IN_ORDER):
        return Ended(key, "stays", reason)
    return Ended(key, "failed", reason, tail)


def _manifest(lines: list[str]) -> dict[str, Any] | None:
    try:
        made = json.loads(lines[-1])
    except (ValueError, IndexError):
        return None
    return made if isinstance(made, dict) else None
