"""What people look at when something is wrong: log groups, dead letters, the topic, alarms."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import names
from environments import Environment
from parts.roles import acknowledge

_RETENTION = {7: logs.RetentionDays.ONE_WEEK, 90: logs.RetentionDays.THREE_MONTHS}


def removal(env: Environment) -> cdk.RemovalPolicy:
    """Return what becomes of data when its stack is deleted."""
    return cdk.RemovalPolicy.RETAIN if env.keep else cdk.RemovalPolicy.DESTROY


def log_group(scope: Construct, id: str, env: Environment, name: str) -> logs.LogGroup:
    """Make a log group that forgets; CloudWatch encrypts it with keys of its own."""
    return logs.LogGroup(
        scope,
        id,
        log_group_name=env.named(name),
        retention=_RETENTION[env.log_days],
        removal_policy=removal(env),
    )


def dead_letters(scope: Construct, id: str, env: Environment, name: str) -> sqs.Queue:
    """Make the queue where what could not be delivered or done waits for a person, up to 14 days."""
    queue = sqs.Queue(
        scope,
        id,
        queue_name=env.named(name),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=cdk.Duration.days(14),
    )
    acknowledge(queue, "It is a dead-letter queue itself: of a schedule, a function or a rule.", "SQS3")
    return queue


def topic(scope: Construct, id: str, env: Environment) -> sns.Topic:
    """Make the topic of the alarms, open to this account's alarms and nobody else."""
    made = sns.Topic(scope, id, topic_name=env.named(names.TOPIC), enforce_ssl=True)
    stack = cdk.Stack.of(scope)
    alarms = f"arn:aws:cloudwatch:{stack.region}:{stack.account}:alarm:{env.named('cat-prod-')}*"
    # A topic with a policy has lost the default one, which let the account's own alarms publish.
    made.add_to_resource_policy(
        iam.PolicyStatement(
            sid="Alarms",
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[made.topic_arn],
            conditions={
                "StringEquals": {"aws:SourceAccount": stack.account},
                "ArnLike": {"aws:SourceArn": alarms},
            },
        )
    )
    return made


def topic_by_name(scope: Construct, id: str, env: Environment) -> sns.ITopic:
    """Return the topic that the other stack makes."""
    arn = cdk.Stack.of(scope).format_arn(service="sns", resource=env.named(names.TOPIC))
    return sns.Topic.from_topic_arn(scope, id, arn)


def metric(
    namespace: str, name: str, minutes: int = 5, statistic: str = "Sum", **dimensions: str
) -> cw.Metric:
    """Return a metric with its dimensions."""
    return cw.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        period=cdk.Duration.minutes(minutes),
        statistic=statistic,
    )


def queue_depth(queue_name: str) -> cw.Metric:
    """Return the number of messages that wait in a queue."""
    return metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", statistic="Maximum", QueueName=queue_name)


def alarm(
    scope: Construct,
    id: str,
    env: Environment,
    name: str,
    of: cw.IMetric,
    description: str,
    to: sns.ITopic,
    **other: Any,
) -> cw.Alarm:
    """Make an alarm that tells the topic when it rings and when it is over.

    It rings at 1 or more in one period, and a period without data is a good one, unless ``other`` says
    otherwise.
    """
    settings: dict[str, Any] = {
        "threshold": 1,
        "evaluation_periods": 1,
        "comparison_operator": cw.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        "treat_missing_data": cw.TreatMissingData.NOT_BREACHING,
    }
    made = cw.Alarm(
        scope, id, alarm_name=env.named(name), alarm_description=description, metric=of, **settings | other
    )
    made.add_alarm_action(actions.SnsAction(to))
    made.add_ok_action(actions.SnsAction(to))
    return made


def dead_letters_alarm(scope: Construct, env: Environment, name: str, queue: str, to: sns.ITopic) -> cw.Alarm:
    """Make the alarm that rings while a dead letter waits."""
    description = f"A message waits in {env.named(queue)}: an event or a run was given up (docs/operate.md)."
    depth = queue_depth(env.named(queue))
    return alarm(scope, "DeadLettersAlarm", env, name, depth, description, to)
