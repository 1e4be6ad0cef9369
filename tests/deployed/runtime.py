"""What Lambda does around a function, as far as the function can tell. A clean interpreter runs this file.

Arguments: the unpacked zip, a folder with the packages of Lambda's Python, a file of calls (JSON: event
and seconds given), and a file to write the result of each to. Logs go to stdout as Lambda writes them.
"""

import importlib
import json
import resource
import sys
import time
import traceback
from types import SimpleNamespace


def main(code: str, runtime: str, calls: str, target: str) -> int:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))  # Lambda's
    sys.path[:0] = [code, runtime]
    before = time.perf_counter()
    handler = importlib.import_module("lambda_function").lambda_handler
    answer = {"seconds": time.perf_counter() - before, "modules": sorted(sys.modules), "results": []}
    with open(calls) as stream:  # noqa: PTH123  # pathlib would be one more import than the function's own
        asked = json.load(stream)
    for number, call in enumerate(asked):
        answer["results"].append(invoke(handler, number, call))
    answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer["files"] = sorted({str(getattr(each, "__file__", None)) for each in sys.modules.values()})
    with open(target, "w") as stream:  # noqa: PTH123
        json.dump(answer, stream)
    return int("error" in answer["results"][-1])


def invoke(handler, number: int, call: dict) -> dict:
    end = time.monotonic() + call["seconds"]
    context = SimpleNamespace(
        function_name="cat-prod-lambda-normalize",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:cat-prod-lambda-normalize",
        aws_request_id=f"request-{number}",
        get_remaining_time_in_millis=lambda: int((end - time.monotonic()) * 1000),
    )
    try:
        return {"result": json.loads(json.dumps(handler(call["event"], context)))}
    except Exception as error:
        failure = {"errorType": type(error).__name__, "errorMessage": str(error)}
        stack = traceback.format_list(traceback.extract_tb(error.__traceback__))
        print(json.dumps({"level": "ERROR", **failure, "stackTrace": stack}), flush=True)
        return {"error": failure["errorType"], "message": failure["errorMessage"]}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
