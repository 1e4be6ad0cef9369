"""Read a cloud assembly: templates by process, resources by type, intrinsics resolved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

CDK = Path(__file__).resolve().parents[2] / "infra" / "cdk"
ACCOUNT = "123456789012"
REGION = "us-east-1"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
_NAMED = ("BucketName", "QueueName", "TopicName", "FunctionName", "StateMachineName", "LogGroupName", "Name")
_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:us-east-1:123456789012:{name}",
    "AWS::SNS::Topic": "arn:aws:sns:us-east-1:123456789012:{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:us-east-1:123456789012:function:{name}",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:us-east-1:123456789012:stateMachine:{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:123456789012:log-group:{name}:*",
    "AWS::Events::Rule": "arn:aws:events:us-east-1:123456789012:rule/{name}",
}
_REF_IS_ARN = ("AWS::SNS::Topic", "AWS::StepFunctions::StateMachine")


@dataclass(frozen=True)
class Tried:
    """A run of the app."""

    code: int
    out: str
    err: str
    folder: Path


@dataclass(frozen=True)
class Template:
    """One stack's template, with intrinsics resolved for the account `ACCOUNT`."""

    raw: dict[str, Any]

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        return {name: self.resolve(body) for name, body in self.raw["Resources"].items()}

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return the properties of every resource of a type, such as ``AWS::S3::Bucket``."""
        return [body.get("Properties", {}) for body in self.resources.values() if body["Type"] == kind]

    def one(self, kind: str, **named: str) -> dict[str, Any]:
        """Return the properties of the only resource of a type with these properties."""
        found = [each for each in self.all(kind) if named.items() <= each.items()]
        assert len(found) == 1, f"{len(found)} of {kind} {named}"
        return found[0]

    def resolve(self, value: Any) -> Any:
        """Replace Ref, Fn::GetAtt, Fn::Join and Fn::Sub by their values."""
        if isinstance(value, list):
            return [self.resolve(each) for each in value]
        if not isinstance(value, dict):
            return value
        match list(value.items()):
            case [("Ref", str(name))]:
                return _PSEUDO.get(name) or self._reference(name)
            case [("Fn::GetAtt", [str(name), "Arn" | "TopicArn"])]:
                return self._arn(name)
            case [("Fn::Join", [str(between), list(parts)])]:
                return between.join(self.resolve(part) for part in parts)
            case [("Fn::Sub", str(text))]:
                for name, is_ in _PSEUDO.items():
                    text = text.replace(f"${{{name}}}", is_)
                return text
        return {name: self.resolve(each) for name, each in value.items()}

    def _reference(self, name: str) -> str:
        return self._arn(name) if self.raw["Resources"][name]["Type"] in _REF_IS_ARN else self._name(name)

    def _name(self, name: str) -> str:
        properties = self.raw["Resources"][name].get("Properties", {})
        given = [properties[key] for key in _NAMED if key in properties]
        return given[0] if given and isinstance(given[0], str) else name

    def _arn(self, name: str) -> str:
        return _ARNS.get(self.raw["Resources"][name]["Type"], "arn:{name}").format(name=self._name(name))


class Assembly:
    """The cloud assembly of one run of the app: the templates of ETL-1 and ETL-2 of an environment."""

    def __init__(self, folder: Path, environment: str) -> None:
        self.folder, self.environment = folder, environment
        self.stacks = [f"cat-{environment}-normalize-stack", f"cat-{environment}-etl2-stack"]
        self.files = [folder / f"{stack}.template.json" for stack in self.stacks]
        self.etl1, self.etl2 = (Template(json.loads(file.read_text())) for file in self.files)

    def acknowledged(self) -> dict[tuple[str, str], str]:
        """Return the reason of every acknowledgement, by construct and rule."""
        found = {}
        for stack in self.stacks:
            for path, entries in json.loads((self.folder / f"{stack}.metadata.json").read_text()).items():
                for entry in entries:
                    if entry["type"] == "aws:cdk:acknowledged-rules":
                        for rule, reason in entry["data"].items():
                            found[path.lstrip("/"), rule.removeprefix("Annotation::")] = reason
        return found
