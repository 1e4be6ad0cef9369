"""The stacks in an AWS that nobody here wrote: MiniStack's CloudFormation creates them from their templates.

What it cannot create is `left_out`, what its Athena lacks `emulator_child.mend` adds, and in Glue's place
`Glue` runs the job. test_emulator_gaps.py shows that each of these is still needed.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import subprocess
import venv
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from cat_lab.local import LocalAws, child_process, environment, glue_job
from cat_lab.local.server import Server
from cat_normalize.core import layout
from cat_normalize.core.settings import Settings
from deployed import emulator_child
from deployed.conftest import apart, glues_python
from infra.assembly import ACCOUNT, REGION, Assembly

ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
MACHINE = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
METRIC_MATH = "alarms on an expression of metrics"
BUCKET_DEPLOYMENT = "the CDK's function that fills a bucket: it calls the AWS CLI where Lambda unpacks layers"
RUN_JOB = ":states:::glue:startJobRun.sync"
ACTIVITY = f":states:{REGION}:{ACCOUNT}:activity:glue"
"""In the place of `RUN_JOB`, which the emulator's interpreter does not know: the same state calls `Glue`."""


def left_out(body: dict[str, Any]) -> str | None:
    """Return what the emulator lacks to create a resource, or None if it lacks nothing."""
    if body["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in body["Properties"]:
        return METRIC_MATH
    return BUCKET_DEPLOYMENT if body["Type"] == "Custom::CDKBucketDeployment" else None


@contextmanager
def running(folder: Path, *options: str, modules: Path | None = None) -> Iterator[LocalAws]:
    """Run the emulator, whose functions get a Python with nothing installed but the modules in a folder."""
    packages = apart("ministack")
    venv.create(folder / "python", symlinks=True)
    (site,) = (folder / "python").glob("lib/python*/site-packages")
    for each in modules.iterdir() if modules else ():
        (site / each.name).symlink_to(each)
    settings = Settings()
    its_own = environment.without_aws(os.environ) | environment.variables(settings, os.environ)
    its_own |= {"TMPDIR": str(folder), "STATE_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*child_process.TIED, str(folder / "python" / "bin" / "python")]
    command += [emulator_child.__file__, str(packages), *options]
    with Server(folder, its_own, command) as server:
        yield LocalAws(replace(settings, endpoint_url=server.endpoint()), server)


def create_stacks(aws: LocalAws, assembly: Assembly, dist: Path) -> None:
    """Publish the assets of both stacks, as the CDK does, and create the stacks without what is left out.

    The function's code is the zip of this machine's kind, under the key of the one to deploy.
    """
    deployed, own = ((dist / f"lambda-{kind}.zip").read_bytes() for kind in ("arm64", MACHINE))
    publish(aws, assembly, {deployed: own})
    aws.client("stepfunctions").create_activity(name="glue")
    for stack, template in zip(assembly.stacks, (assembly.etl1, assembly.etl2), strict=True):
        create_stack(aws, stack, possible(template.raw))
    fill_bucket(aws, assembly)


def publish(aws: LocalAws, assembly: Assembly, instead: Mapping[bytes, bytes] = MappingProxyType({})) -> None:
    """Publish the assets of both stacks; of some bytes others instead."""
    aws.client("s3").create_bucket(Bucket=ASSETS)
    for stack in assembly.stacks:
        for file in json.loads((assembly.folder / f"{stack}.assets.json").read_text())["files"].values():
            (place,) = file["destinations"].values()
            body = asset(assembly.folder / file["source"]["path"])
            aws.client("s3").put_object(Bucket=ASSETS, Key=place["objectKey"], Body=instead.get(body, body))


def fill_bucket(aws: LocalAws, assembly: Assembly) -> None:
    """Put a deployment's files into its bucket, in the place of the function that is left out."""
    wanted = assembly.etl2.one("Custom::CDKBucketDeployment")
    for key in wanted["SourceObjectKeys"]:
        packed = aws.client("s3").get_object(Bucket=ASSETS, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for name in archive.namelist():
                target = wanted["DestinationBucketKeyPrefix"] + name
                aws.client("s3").put_object(
                    Bucket=wanted["DestinationBucketName"], Key=target, Body=archive.read(name)
                )


def asset(path: Path) -> bytes:
    """Return an asset's bytes; a folder is zipped."""
    if path.is_file():
        return path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            archive.write(file, file.relative_to(path))
    return packed.getvalue()


def possible(template: dict[str, Any], but: str | None = None) -> dict[str, Any]:
    """Return a template without what is left out, but with what is left out for the reason `but`."""
    resources = template["Resources"]
    kept = {name: body for name, body in resources.items() if left_out(body) in (None, but)}
    for name, body in kept.items():
        others = body.get("DependsOn", [])
        others = [others] if isinstance(others, str) else others
        kept[name] = body | {"DependsOn": [other for other in others if other in kept]}
    return template | {"Resources": kept}


def create_stack(aws: LocalAws, name: str, template: dict[str, Any]) -> None:
    """Create a stack; fail with the reasons of the resources that failed."""
    cloudformation = aws.client("cloudformation")
    aws.client("ssm").put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String", Overwrite=True
    )
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template).replace(RUN_JOB, ACTIVITY),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    while True:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            break
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [each.get("ResourceStatusReason") for each in events if "FAILED" in each["ResourceStatus"]]
    assert stack["StackStatus"] == "CREATE_COMPLETE", (stack["StackStatus"], reasons)


@dataclass
class Glue:
    """Glue, for what the state machine asks of it: it runs the deployed job's script by spark-submit.

    Args:
        aws: the emulator with the stacks.
        glue: Glue's Python.
        folder: for what a run needs on disk.
    """

    aws: LocalAws
    glue: Path
    folder: Path

    def asked(self) -> tuple[str, dict[str, Any]]:
        """Wait for the state machine to ask for a run; return the task's token and what it asks for."""
        task = self.aws.client("stepfunctions").get_activity_task(activityArn=f"arn:aws{ACTIVITY}")
        assert "taskToken" in task, "no run was asked for within a minute"
        return task["taskToken"], json.loads(task["input"])

    def is_busy(self) -> None:
        """Refuse the next run that is asked for, as while another is in progress."""
        token, _ = self.asked()
        self.aws.client("stepfunctions").send_task_failure(
            taskToken=token, error="Glue.ConcurrentRunsExceededException", cause="exceeded"
        )

    def runs(self) -> str:
        """Run what is asked for next and tell the state machine how it ended; return the script's output."""
        token, asked = self.asked()
        job = self.aws.client("glue").get_job(JobName=asked["JobName"])["Job"]
        arguments = job["DefaultArguments"] | asked["Arguments"]
        done = self._submit(job["Command"]["ScriptLocation"], arguments)
        states, run = self.aws.client("stepfunctions"), {"JobName": asked["JobName"]}
        if done.returncode == 0:
            made = json.dumps(run | {"JobRunState": "SUCCEEDED"})
            states.send_task_success(taskToken=token, output=made)
        else:
            error = re.findall(r"^(?:\w+\.)*\w+Error: .*", done.stdout + done.stderr, re.MULTILINE)[-1]
            cause = json.dumps(run | {"JobRunState": "FAILED", "ErrorMessage": error})
            states.send_task_failure(taskToken=token, error="States.TaskFailed", cause=cause)
        return done.stdout

    def _submit(self, script: str, arguments: dict[str, str]) -> subprocess.CompletedProcess[str]:
        wheels = self._fetched(arguments.pop("--additional-python-modules"))
        modules = glue_job.unpack(wheels, self.folder / "modules")
        words = ["--JOB_NAME", layout.GLUE_JOB, *(word for pair in arguments.items() for word in pair)]
        # Without a locale: nobody knows that of Glue.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
        own = glue_job.environment(self.aws.child_environment(kept), glues_python(self.glue), [modules])
        line = glue_job.command(self.aws.settings, self.folder, self._fetched(script), words)
        return subprocess.run(line, env=own, cwd=self.folder, capture_output=True, text=True, check=False)

    def _fetched(self, uri: str) -> Path:
        bucket, key = layout.split_s3(uri)
        target = self.folder / key.rpartition("/")[2]
        self.aws.client("s3").download_file(bucket, key, str(target))
        return target
