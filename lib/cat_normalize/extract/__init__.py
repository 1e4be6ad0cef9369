"""Stage 1: copy a DynamoDB table or an export to raw partitions of whole users."""

from cat_normalize.extract.export import Export
from cat_normalize.extract.table import Extracted, extract_export, extract_files, extract_table

__all__ = ["Export", "Extracted", "extract_export", "extract_files", "extract_table"]
