"""Entry points of the deployed jobs: ETL-1 in a Lambda, ETL-2 in Glue, and the event between them."""
