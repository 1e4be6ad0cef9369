"""Run the Glue job for each event, in place of the state machine and Glue."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from cat_lab.local import glue_job, provision
from cat_lab.local.aws import LocalAws
from cat_normalize.core import layout, manifest
from cat_normalize.core.errors import InputError
from cat_normalize.core.files import private_folder
from cat_normalize.core.manifest import Etl2Manifest
from cat_normalize.jobs import events

LOG_NAME = "glue-job.log"
_ERROR = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception)\b.*)")


@dataclass(frozen=True, slots=True)
class Event:
    """An event received from the queue; it stays there, hidden, until its run has ended."""

    body: str
    receipt: str

    @property
    def key(self) -> str:
        """The key of the CSV, or the start of the message if it is not an S3 event."""
        try:
            return events.run_arguments(self.body)["--input_key"]
        except InputError:
            return self.body[:80]


@dataclass(frozen=True, slots=True)
class JobRun:
    """How a run of the job ended.

    Attributes:
        key: of the CSV.
        status: ``stale`` if the CSV is older than the Parquet, which stays unchanged.
        reason: one line of the error; empty if ``done``.
        tail: the last lines of the output if ``failed``.
        manifest: of ETL-2, if ``done``.
    """

    key: str
    status: Literal["done", "stale", "failed"]
    reason: str = ""
    tail: str = ""
    manifest: Etl2Manifest | None = None


class Worker:
    """Receive one event at a time and run the Glue job for it; a failed event goes to the other queue.

    Args:
        aws: a local AWS with job and rule (`provision.create_csv_trigger`).
        folder: of the log of all runs, ``glue-job.log``.
        python: variables that select the job's Python, see `glue_job.environment`.
        arguments: each argument of a run, and where the event has its value (`events.RUN_ARGUMENTS`).
    """

    def __init__(
        self,
        aws: LocalAws,
        folder: Path,
        python: Mapping[str, str] | None = None,
        arguments: Mapping[str, str] = events.RUN_ARGUMENTS,
    ) -> None:
        self._aws, self._python, self._arguments = aws, python, arguments
        self._sqs, self._s3, self._glue = (aws.client(each) for each in ("sqs", "s3", "glue"))
        names = (provision.EVENTS, provision.FAILED)
        self._events, self._failed = (self._sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in names)
        self.log = folder / LOG_NAME

    def receive(self, seconds: int = 0) -> Event | None:
        """Return the next event; None if there is none within `seconds`."""
        found = self._sqs.receive_message(
            QueueUrl=self._events, MaxNumberOfMessages=1, WaitTimeSeconds=seconds
        )
        for message in found.get("Messages", ()):
            return Event(message["Body"], message["ReceiptHandle"])
        return None

    def run(self, event: Event) -> JobRun:
        """Run the job for an event and delete the event from the queue.

        Raises:
            LocalAwsError: the local AWS ended; the run is ended too.
        """
        done = self._run(event)
        if done.status == "failed":
            reason = {"ERROR_MESSAGE": {"DataType": "String", "StringValue": done.reason}}
            self._sqs.send_message(QueueUrl=self._failed, MessageBody=event.body, MessageAttributes=reason)
        self._sqs.delete_message(QueueUrl=self._events, ReceiptHandle=event.receipt)
        return done

    def _run(self, event: Event) -> JobRun:
        from botocore.exceptions import ClientError

        try:
            arguments = events.run_arguments(event.body, self._arguments)
            with private_folder() as folder:
                return self._submit(event.key, arguments, folder)
        except (
            InputError,
            ClientError,
        ) as error:  # job, script or wheel is missing: the run fails, as on AWS
            return JobRun(event.key, "failed", f"{type(error).__name__}: {error}")

    def _submit(self, key: str, given: Mapping[str, str], folder: Path) -> JobRun:
        """Run the job's script with the job's default arguments; the run's own take precedence.

        The wheels that Glue would install are unpacked for it; without any, those installed here are used.
        """
        job = self._glue.get_job(JobName=layout.GLUE_JOB)["Job"]
        arguments = job["DefaultArguments"] | given
        script = self._download(job["Command"]["ScriptLocation"], folder)
        arguments.pop("--python-modules-installer-option", None)
        uri = arguments.pop("--additional-python-modules", None)
        modules = [glue_job.unpack(self._download(uri, folder), folder / "modules")] if uri else []
        words = ["--JOB_NAME", layout.GLUE_JOB, *(word for pair in arguments.items() for word in pair)]
        line = glue_job.command(self._aws.settings, folder, script, words)
        environment = glue_job.environment(self._aws.child_environment(), self._python, modules)
        start = self.log.stat().st_size if self.log.exists() else 0
        with glue_job.started(line, environment, folder, self.log.absolute()) as process:
            while (code := process.poll()) is None:
                self._aws.check()
                time.sleep(0.1)
        with self.log.open("rb") as log:
            log.seek(start)
            return _result(key, code, log.read().decode("utf-8", "replace").splitlines())

    def _download(self, uri: str, folder: Path) -> Path:
        bucket, key = layout.split_s3(uri)
        path = folder / key.rpartition("/")[2]
        path.write_bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        return path


def _result(key: str, code: int, lines: list[str]) -> JobRun:
    """Return how a run ended; the last line of a successful run's output is the manifest."""
    tail = "\n".join(lines[-10:])
    if code == 0:
        try:
            return JobRun(key, "done", manifest=manifest.decode(lines[-1].encode(), Etl2Manifest))
        except (IndexError, InputError):
            return JobRun(key, "failed", "the job's output does not end with a manifest", tail)
    errors = [found[1] for line in lines if (found := _ERROR.match(line))]
    reason = errors[-1] if errors else f"spark-submit ended with {code}"
    if fnmatchcase(reason, events.IN_ORDER):
        return JobRun(key, "stale", reason)
    return JobRun(key, "failed", reason, tail)
