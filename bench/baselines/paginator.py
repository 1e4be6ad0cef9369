"""Every item of a table through boto3's paginator, nothing kept or written: ``paginator.py TABLE``."""

import json
import sys

import boto3

pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=sys.argv[1])
print(json.dumps({"items": sum(len(page["Items"]) for page in pages)}))
