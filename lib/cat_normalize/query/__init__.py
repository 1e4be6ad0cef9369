"""Stage 4: named queries on the published tables, in the SQL of Athena."""
