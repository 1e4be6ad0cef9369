"""Log groups, dead-letter queues, the topic of the alarms, and alarms."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import names
from environments import Environment
from parts.roles import acknowledge

_RETENTION = {7: logs.RetentionDays.ONE_WEEK, 90: logs.RetentionDays.THREE_MONTHS}


def removal(env: Environment) -> cdk.RemovalPolicy:
    """Return whether data is retained or deleted with its stack.

    A stack that could not be created retains nothing: its names would be taken when it is tried again.
    """
    return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if env.keep else cdk.RemovalPolicy.DESTROY


def log_group(scope: Construct, id: str, env: Environment, name: str) -> logs.LogGroup:
    """Make a log group with the environment's retention; CloudWatch encrypts it with its own keys."""
    return logs.LogGroup(
        scope,
        id,
        log_group_name=env.named(name),
        retention=_RETENTION[env.log_days],
        removal_policy=removal(env),
    )


def dead_letters(scope: Construct, id: str, env: Environment, name: str) -> sqs.Queue:
    """Make a dead-letter queue, which keeps undelivered events and failed runs for 14 days."""
    queue = sqs.Queue(
        scope,
        id,
        queue_name=env.named(name),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=cdk.Duration.days(14),
    )
    acknowledge(
        queue, "This queue is itself the dead-letter queue of a schedule, a function or a rule.", "SQS3"
    )
    return queue


def topic(scope: Construct, id: str, env: Environment) -> sns.Topic:
    """Make the topic of the alarms; only alarms of this account may publish to it."""
    key = _alarm_key(scope, env) if env.alarm_key else None
    made = sns.Topic(scope, id, topic_name=env.named(names.TOPIC), enforce_ssl=True, master_key=key)
    # A policy replaces the default one, which would let the account's own alarms publish.
    made.add_to_resource_policy(_for_alarms(scope, env, ["sns:Publish"], made.topic_arn))
    return made


def _alarm_key(scope: Construct, env: Environment) -> kms.Key:
    """Make the topic's key, which the alarms may use.

    With the key that AWS manages for SNS (``alias/aws/sns``) no alarm would arrive: its policy lets no
    service in, and cannot be changed. https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    key = kms.Key(
        scope,
        "AlarmKey",
        description=f"Encrypts the topic {env.named(names.TOPIC)} (cat-normalize)",
        enable_key_rotation=True,
        removal_policy=cdk.RemovalPolicy.DESTROY,  # the topic keeps no message that it would have to read
    )
    key.add_to_resource_policy(_for_alarms(scope, env, ["kms:Decrypt", "kms:GenerateDataKey*"], "*"))
    return key


def _for_alarms(scope: Construct, env: Environment, actions: list[str], resource: str) -> iam.PolicyStatement:
    """Return the statement that allows actions to the environment's alarms in this account."""
    stack = cdk.Stack.of(scope)
    alarms = f"arn:aws:cloudwatch:{stack.region}:{stack.account}:alarm:{env.named('cat-prod-')}*"
    return iam.PolicyStatement(
        sid="Alarms",
        principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
        actions=actions,
        resources=[resource],
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": alarms},
        },
    )


def topic_by_name(scope: Construct, id: str, env: Environment) -> sns.ITopic:
    """Return the topic, which the other stack makes."""
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
    """Return the number of messages in a queue."""
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
    """Make an alarm that notifies the topic when it goes to ALARM and when it returns to OK.

    By default the threshold is 1 or more in one period, and a period without data is OK; ``other`` overrides
    the arguments of `cw.Alarm`.
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
    """Make the alarm that is in ALARM while a dead-letter queue holds a message."""
    description = f"{env.named(queue)} holds a message: an event or a run failed for good (docs/operate.md)."
    depth = queue_depth(env.named(queue))
    return alarm(scope, "DeadLettersAlarm", env, name, depth, description, to)
