"""The check of the tables' age, called in the Lambda's zip by a clean interpreter."""

import json
import subprocess
import sys
from types import SimpleNamespace

from cat_normalize.core import layout

CALL = """
import sys
from types import SimpleNamespace
sys.path[:0] = sys.argv[1:]
import freshness_function
names = ("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id")
freshness_function.lambda_handler({"any": "event"}, SimpleNamespace(**dict.fromkeys(names, "x")))
"""


def call(aws, unpacked, **environment):
    """Call the function once; return its exit code, its lines of JSON and its errors."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", CALL, str(unpacked)],
        env=aws.child_environment({}) | {"AWS_LAMBDA_FUNCTION_NAME": layout.FRESHNESS} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return SimpleNamespace(code=done.returncode, lines=lines, err=done.stderr)
