"""Parse a CSV with Spark and write it as one Parquet file of typed columns (contract §5).

Each task reads, parses and compresses one block of the CSV, and writes one file of one row group. The
driver then copies the row groups into one file in the CSV's order.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from cat_normalize.core import layout
from cat_normalize.core.errors import ConvertError
from cat_normalize.core.schema import COLUMNS, USERS
from cat_normalize.core.storage import Location, spark_address

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter, Observation, SparkSession

BLOCK = "block"
_FAULTY = "_faulty"
_PARSING = {
    "header": "true",
    "lineSep": "\n",
    "mode": "PERMISSIVE",  # FAILFAST quotes the record in its error, and Glue keeps what Spark logs
    "columnNameOfCorruptRecord": _FAULTY,
    "quote": '"',
    "escape": '"',
    "charToEscapeQuoteEscaping": "\r",  # never in a line; the default, NUL, is lost after a quote
    "dateFormat": "dd/MM/yyyy",
    "enableDateTimeParsingFallback": "false",
    "nullValue": "\n",  # never in a line: NULL is nothing between two commas, and "" is not NULL
    "emptyValue": "",
}
GROUP_BYTES = 32 << 20
"""Bytes of CSV in one task and one row group; Athena reads one group to look up one user."""
_SESSION = {
    "spark.sql.files.minPartitionNum": "1",  # otherwise smaller CSVs are split by the number of cores
    "spark.sql.files.openCostInBytes": "0",
    "spark.sql.maxConcurrentOutputFileWriters": "8",  # otherwise each task sorts its rows by their one block
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",  # days before 1582 as they are
    "spark.sql.files.maxRecordsPerFile": "0",
}


def frame(spark: SparkSession, path: str, seen: Observation) -> DataFrame:
    """Read a CSV as the twelve typed columns, and as ``block`` the offset at which a row's split begins.

    Lines are parsed split by split and stay in order within one. Once the rows are used, ``seen`` has their
    number as ``rows``, and the number of those that could not be parsed as ``faulty``.
    """
    from pyspark.sql import functions as f

    schema = f"{USERS.spark_ddl()}, {_FAULTY} STRING"
    rows = spark.read.options(**_PARSING).csv(path, schema)
    placed = rows.select("*", f.col("_metadata.file_block_start").alias(BLOCK))
    counted = placed.observe(seen, f.count(f.lit(1)).alias("rows"), f.count(_FAULTY).alias("faulty"))
    return counted.drop(_FAULTY)


def write_parquet(
    spark: SparkSession, csv: Location, folder: Location, group_bytes: int
) -> tuple[Location, int]:
    """Write a validated CSV as one Parquet file into a folder.

    Args:
        spark: any session that can read and write both locations.
        csv: the CSV.
        folder: a folder of this run alone; it is made.
        group_bytes: bytes of the CSV in one row group, which is one task's work.

    Returns:
        The file and the number of its rows.

    Raises:
        ConvertError: Spark failed.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import Observation

    own = spark.newSession()
    for name, value in {**_SESSION, "spark.sql.files.maxPartitionBytes": str(group_bytes)}.items():
        own.conf.set(name, value)
    seen = Observation()
    blocks, merged = spark_address(folder / "blocks"), folder / "merged" / layout.PARQUET_NAME
    try:
        rows = _writer(frame(own, _literal(spark_address(csv)), seen)).partitionBy(BLOCK)
        rows.parquet(blocks)
        if not seen.get["rows"]:  # Spark has written no file
            none = (f"CAST(NULL AS {column.kind}) AS {column.name}" for column in COLUMNS)
            _writer(own.range(0).selectExpr(*none)).parquet(f"{blocks}/{BLOCK}=0")
        _merge(own, blocks, spark_address(merged))
    except (Py4JError, PySparkException, ConnectionError) as error:
        raise ConvertError(f"{csv}: Spark failed: {_reason(error)}") from error
    if seen.get["faulty"]:
        raise ConvertError(f"{csv}: Spark could not read {seen.get['faulty']} records; report this")
    return merged, cast(int, seen.get["rows"])


def _merge(spark: SparkSession, folder: str, target: str) -> None:
    """Copy the row groups of the files that Spark wrote under a folder into one file, in the CSV's order.

    Java does it, with Spark's own Parquet library: row groups are copied as they are, without decoding.
    """
    java: Any = spark._jvm
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    parquet = java.org.apache.parquet.hadoop
    files = [parquet.util.HadoopInputFile.fromPath(path, hadoop) for path in _in_order(java, hadoop, folder)]
    reader = parquet.ParquetFileReader.open(files[0])
    metadata = reader.getFooter().getFileMetaData()
    reader.close()
    output = parquet.util.HadoopOutputFile.fromPath(java.org.apache.hadoop.fs.Path(target), hadoop)
    create = parquet.ParquetFileWriter.Mode.CREATE
    writer = parquet.ParquetFileWriter(output, metadata.getSchema(), create, 0, 0)
    writer.start()
    for file in files:
        writer.appendFile(file)
    writer.end(metadata.getKeyValueMetaData())


def _in_order(java: Any, hadoop: Any, folder: str) -> list[Any]:
    root = java.org.apache.hadoop.fs.Path(folder)
    found = root.getFileSystem(hadoop).listFiles(root, True)
    paths = []
    while found.hasNext():
        path = found.next().getPath()
        if path.getName().endswith(".parquet"):
            paths.append((_block(path.toString()), path))
    if not paths:
        raise ConvertError(f"{folder}: Spark wrote no Parquet file there; run again")
    return [path for _, path in sorted(paths, key=lambda each: each[0])]


def _block(path: str) -> int:
    """Return the offset that a partition's folder is named after.

    >>> _block("file:/x/block=33554432/part-00001.zstd.parquet")
    33554432
    """
    found = re.search(rf"/{BLOCK}=(\d+)/[^/]*$", path)
    if found is None:
        raise ConvertError(f"{path} is not in a folder {BLOCK}=…; nothing else may write there")
    return int(found[1])


def _writer(rows: DataFrame) -> DataFrameWriter:
    writer = rows.write.option("compression", "zstd")
    return writer.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")


def _literal(address: str) -> str:
    r"""Escape an address so that Spark does not read it as a pattern.

    >>> _literal("s3://b/run[1].csv")
    's3://b/run\\[1\\].csv'
    """
    return re.sub(r"([][{}*?\\])", r"\\\1", address)


def _reason(error: Exception) -> str:
    """Return the first line of a Java error's root cause."""
    causes = re.findall(r"^(?:Caused by|): (.+)$", str(error), re.MULTILINE)
    return (causes or str(error).splitlines() or [type(error).__name__])[-1].strip()
