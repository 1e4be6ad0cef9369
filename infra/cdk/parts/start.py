"""State machines that run a Glue job, and the rule that starts ETL-2 for each new CSV.

EventBridge cannot start a Glue job with arguments; a state machine can, and waits until the run ends. The
job's own limit prevents two runs at once: Glue refuses the second start, and the state machine retries it
until the first run must have ended. So a CSV that is replaced while it is read is converted again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cat_normalize.core import layout
from cat_normalize.jobs import events as events_
from environments import Environment
from parts import roles
from parts.roles import Grant

BUSY = ["Glue.ConcurrentRunsExceededException"]
THROTTLED = [  # Step Functions reports Glue's throttling as AWSGlueException
    "Glue.AWSGlueException",
    "Glue.ThrottlingException",
    "Glue.InternalServiceException",
    "Glue.OperationTimeoutException",
    "Glue.ResourceNumberLimitExceededException",
    "Glue.SdkClientException",
]
FAILED = "GlueJobFailed"
"""The error of a failed execution; the step's own may be States.TaskFailed, and `States.…` is reserved."""
_RUNS = ["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"]
_LOG_DELIVERY = [
    *(f"logs:{verb}LogDelivery" for verb in ("Create", "Get", "Update", "Delete")),
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
]
_SAMPLING = ["xray:GetSamplingRules", "xray:GetSamplingTargets"]


def state_machine(
    scope: Construct,
    name: str,
    steps: sfn.IChainable,
    grants: Sequence[Grant],
    minutes: int,
    log_group: logs.ILogGroup,
) -> sfn.StateMachine:
    """Make a state machine, logged and traced, for a job of at most so many minutes."""
    calls = [
        *grants,
        Grant(_LOG_DELIVERY, ["*"], wildcard=roles.NO_RESOURCE),
        Grant([*roles.XRAY.actions, *_SAMPLING], ["*"], wildcard=roles.NO_RESOURCE),
    ]
    return sfn.StateMachine(
        scope,
        "Machine",
        state_machine_name=name,
        definition_body=sfn.DefinitionBody.from_chainable(steps),
        role=roles.role(scope, "Role", "states", calls, own_account=True),
        timeout=cdk.Duration.minutes(5 * minutes),
        tracing_enabled=True,
        logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True),
    )


def job_runs(scope: Construct, job: str) -> Grant:
    """Let a state machine start a Glue job, follow its run and stop it."""
    stack = cdk.Stack.of(scope)
    return Grant(_RUNS, [f"arn:aws:glue:{stack.region}:{stack.account}:job/{job}"])


def run_job(scope: Construct, job: str, arguments: Mapping[str, str], minutes: int) -> tasks.GlueStartJobRun:
    """Make the step that runs a Glue job and waits; retry the start while another run is in progress."""
    run = tasks.GlueStartJobRun(
        scope,
        "RunJob",
        state_name="Run the Glue job",
        glue_job_name=job,
        arguments=sfn.TaskInput.from_object(dict(arguments)),
        integration_pattern=sfn.IntegrationPattern.RUN_JOB,
    )
    run.add_retry(errors=BUSY, interval=cdk.Duration.minutes(1), backoff_rate=1, max_attempts=3 * minutes)
    run.add_retry(
        errors=THROTTLED,
        interval=cdk.Duration.seconds(5),
        backoff_rate=2,
        max_attempts=6,
        jitter_strategy=sfn.JitterType.FULL,
    )
    return run


def ends_as_its_run(scope: Construct, run: tasks.GlueStartJobRun) -> sfn.IChainable:
    """Let an execution succeed only if the run of its step did.

    The step fails with a run that failed; that it does with one that somebody stopped is documented nowhere.
    """
    well = sfn.Succeed(scope, "Done", state_name="The Glue job succeeded")
    otherwise = sfn.Fail(
        scope,
        "Stopped",
        state_name="The Glue job did not succeed",
        error=FAILED,
        cause_path=sfn.JsonPath.format(
            "Run {} of the Glue job is {}",
            sfn.JsonPath.string_at("$.Id"),
            sfn.JsonPath.string_at("$.JobRunState"),
        ),
    )
    outcome = sfn.Choice(scope, "Outcome", state_name="Did the Glue job succeed?")
    outcome.when(sfn.Condition.string_equals("$.JobRunState", "SUCCEEDED"), well).otherwise(otherwise)
    run.next(outcome)
    return run


class ConvertNewCsv(Construct):
    """The state machine of ETL-2: run the job for the key of an S3 event, and succeed or fail as it does."""

    def __init__(self, scope: Construct, id: str, env: Environment, log_group: logs.ILogGroup) -> None:
        super().__init__(scope, id)
        grants = [job_runs(self, env.named(layout.GLUE_JOB))]
        name = env.named(layout.STATE_MACHINE)
        self.machine = state_machine(self, name, self._steps(env), grants, env.glue_minutes, log_group)

    def _steps(self, env: Environment) -> sfn.IChainable:
        """Run the job and fail if it fails, unless it refused a CSV older than the Parquet."""
        arguments = {name: sfn.JsonPath.string_at(path) for name, path in events_.RUN_ARGUMENTS.items()}
        run = run_job(self, env.named(layout.GLUE_JOB), arguments, env.glue_minutes)
        stays = sfn.Succeed(
            self,
            "Stays",
            state_name="The newer Parquet stays",
            comment="The CSV is of an earlier day than the Parquet, or of none: nothing to do.",
        )
        failed = sfn.Fail(
            self,
            "Failed",
            state_name="The Glue job failed",
            error=FAILED,
            cause_path=sfn.JsonPath.format(
                "{}: {}", sfn.JsonPath.string_at("$.Error"), sfn.JsonPath.string_at("$.Cause")
            ),
        )
        older = sfn.Choice(self, "Older", state_name="Was the CSV an older one?")
        older.when(sfn.Condition.string_matches("$.Cause", events_.IN_ORDER), stays).otherwise(failed)
        run.add_catch(older, errors=[sfn.Errors.TASKS_FAILED])
        return ends_as_its_run(self, run)


def rule(
    scope: Construct, id: str, env: Environment, machine: sfn.StateMachine, failures: sqs.IQueue
) -> events.Rule:
    """Start a state machine for each new CSV; after a day of failed attempts, send the event to the queue."""
    pattern = events_.pattern(env.settings)
    role = roles.role(
        scope,
        f"{id}Role",
        "events",
        [Grant(["states:StartExecution"], [machine.state_machine_arn])],
        own_account=True,
    )
    target = targets.SfnStateMachine(
        machine,
        role=role,
        dead_letter_queue=failures,
        retry_attempts=185,
        max_event_age=cdk.Duration.hours(24),
    )
    return events.Rule(
        scope,
        id,
        rule_name=env.named(layout.RULE),
        description="A new CSV of ETL-1 starts ETL-2",
        event_pattern=events.EventPattern(
            source=pattern["source"], detail_type=pattern["detail-type"], detail=pattern["detail"]
        ),
        targets=[target],
    )
