"""Stage 3: convert the CSV to one typed Parquet object per table with Spark (contract §5)."""

from cat_normalize.convert.parquet import (
    Converted,
    ConvertedTable,
    check_conversion,
    convert_csv,
    newest_csv,
    publish_manifest,
)

__all__ = ["Converted", "ConvertedTable", "check_conversion", "convert_csv", "newest_csv", "publish_manifest"]
