"""ETL-1 inside Spark, for a table that one machine cannot hold."""
