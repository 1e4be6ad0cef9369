"""Stage 3: convert the CSV to one typed Parquet object with Spark (contract §5)."""
