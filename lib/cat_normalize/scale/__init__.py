"""ETL-1 inside Spark, for a table that one machine cannot hold."""

from cat_normalize.scale.spark import normalize_export, publish_export, run

__all__ = ["normalize_export", "publish_export", "run"]
