"""Read every item of a table with boto3's paginator and keep nothing: ``paginator.py TABLE``."""

import json
import sys

import boto3

pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=sys.argv[1])
print(json.dumps({"items": sum(len(page["Items"]) for page in pages)}))
