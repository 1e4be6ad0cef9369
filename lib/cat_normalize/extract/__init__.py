"""Stage 1: copy a DynamoDB table or an export to raw partitions of whole users."""
