"""Turn a DynamoDB table of chatbot conversations into typed Parquet for Athena: what is deployed.

The rooms, each with a face that exports its verbs: `extract`, `normalize`, `convert` and `query` are the four
stages; `jobs` are the deployed entry points, `scale` is ETL-1 inside Spark, `core` is what all stand on.
"""

__version__ = "0.1.0"
