"""How a new CSV starts ETL-2: S3 "Object Created" → rule → state machine → Glue job with that key.

EventBridge cannot start a Glue job with arguments; a state machine can, and waits for its end. That no
two runs are under way at once is the job's own limit of one run, and a start refused for it is tried
again until the run before must have ended. So nothing is lost: a CSV replaced while it is read gets a
run after. A lock or a list of executions would have to be kept true when a run is killed; this has not.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cat_normalize.core import layout
from cat_normalize.jobs import events as arrival
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
_RUNS = ["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"]
_LOG_DELIVERY = [
    *(f"logs:{verb}LogDelivery" for verb in ("Create", "Get", "Update", "Delete")),
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
]
_SAMPLING = ["xray:GetSamplingRules", "xray:GetSamplingTargets"]


class StateMachine(Construct):
    """Runs the Glue job for the key of an S3 event, and succeeds or fails as the job does."""

    def __init__(self, scope: Construct, id: str, env: Environment, log_group: logs.ILogGroup) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        job = f"arn:aws:glue:{stack.region}:{stack.account}:job/{env.named(layout.GLUE_JOB)}"
        calls = [
            Grant(_RUNS, [job]),
            Grant(_LOG_DELIVERY, ["*"], wildcard=roles.NO_RESOURCE),
            Grant([*roles.XRAY.actions, *_SAMPLING], ["*"], wildcard=roles.NO_RESOURCE),
        ]
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=env.named(layout.STATE_MACHINE),
            definition_body=sfn.DefinitionBody.from_chainable(self._steps(env)),
            role=roles.role(self, "Role", "states", calls, own_account=True),
            timeout=cdk.Duration.minutes(5 * env.glue_minutes),
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True),
        )

    def _steps(self, env: Environment) -> sfn.IChainable:
        """Run the job; its failure is the execution's, but for an older CSV that left a newer Parquet."""
        run = self._run_job(env)
        stays = sfn.Succeed(
            self,
            "Stays",
            state_name="The newer Parquet stays",
            comment="The CSV is of an earlier day than the Parquet, or of none: refused, all is in order.",
        )
        failed = sfn.Fail(
            self, "Failed", state_name="The Glue job failed", error_path="$.Error", cause_path="$.Cause"
        )
        older = sfn.Choice(self, "Older", state_name="Was the CSV an older one?")
        older.when(sfn.Condition.string_matches("$.Cause", arrival.IN_ORDER), stays).otherwise(failed)
        run.add_catch(older, errors=[sfn.Errors.TASKS_FAILED])
        return run

    def _run_job(self, env: Environment) -> tasks.GlueStartJobRun:
        run = tasks.GlueStartJobRun(
            self,
            "RunJob",
            state_name="Run the Glue job",
            glue_job_name=env.named(layout.GLUE_JOB),
            arguments=sfn.TaskInput.from_object(
                {name: sfn.JsonPath.string_at(place) for name, place in arrival.RUN_ARGUMENTS.items()}
            ),
            integration_pattern=sfn.IntegrationPattern.RUN_JOB,
        )
        run.add_retry(
            errors=BUSY, interval=cdk.Duration.minutes(1), backoff_rate=1, max_attempts=3 * env.glue_minutes
        )
        run.add_retry(
            errors=THROTTLED,
            interval=cdk.Duration.seconds(5),
            backoff_rate=2,
            max_attempts=6,
            jitter_strategy=sfn.JitterType.FULL,
        )
        return run


def rule(
    scope: Construct, id: str, env: Environment, machine: sfn.StateMachine, failures: sqs.IQueue
) -> events.Rule:
    """Start a state machine for every new CSV; keep the event if that does not succeed within a day."""
    pattern = arrival.pattern(env.settings)
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
