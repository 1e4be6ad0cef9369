"""Parse a CSV with Spark and write each table as one Parquet file of typed columns (contract §5).

Each task reads, parses and compresses one block of the CSV, and writes one file of one row group per table;
``conversations`` and ``messages`` are made by Python in a second pass. The driver then copies the row groups
into one file per table in the CSV's order.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cat_normalize.convert import batches
from cat_normalize.convert.batches import BLOCK
from cat_normalize.convert.conversations import JSON_COLUMNS, is_json
from cat_normalize.core import csvfile, errors, layout
from cat_normalize.core.errors import ConvertError, MalformedCsvError
from cat_normalize.core.schema import CONVERSATIONS, MESSAGES, USERS, Table
from cat_normalize.core.settings import Rules
from cat_normalize.core.storage import Location, spark_address

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

_FAULTY = "_faulty"
_JAVA_ENDED = re.compile(r"does not exist in the JVM|Java side is empty|Utils\.exceptionString")
"""What py4j and pyspark say of a Java that is gone."""
_SPARK_SCHEMA = "org.apache.spark.sql.parquet.row.metadata"
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
    "spark.sql.execution.arrow.maxRecordsPerBatch": "256",  # users; some have many MB
}


@dataclass(frozen=True, slots=True)
class Written:
    """What a conversion wrote.

    Attributes:
        files: by table.
        rows: by table.
        users_read: the CSV's rows that each pass read.
        unmatched: feedback items without a conversation.
    """

    files: dict[str, Location]
    rows: dict[str, int]
    users_read: tuple[int, ...] = ()
    unmatched: int = 0


def frame(spark: SparkSession, path: str) -> DataFrame:
    """Read a CSV as the twelve typed columns, and as ``block`` the offset at which a row's split begins.

    Lines are parsed split by split and stay in order within one. ``_faulty`` is NULL if a line was parsed.
    """
    from pyspark.sql import functions as f

    rows = spark.read.options(**_PARSING).csv(path, f"{USERS.spark_ddl()}, {_FAULTY} STRING")
    return rows.select("*", f.col("_metadata.file_block_start").alias(BLOCK))


def write_parquet(
    spark: SparkSession,
    csv: Location,
    folders: Mapping[str, Location],
    group_bytes: int,
    rules: Rules,
) -> Written:
    """Write a validated CSV as one Parquet file per table.

    Args:
        spark: any session that can read and write both locations; its executors have this library.
        csv: the CSV.
        folders: by table, a folder of this run alone; it is made. ``users`` at least.
        group_bytes: bytes of the CSV in one row group, which is one task's work.
        rules: zones and fallback patterns.

    Raises:
        MalformedCsvError: a conversation or a feedback is not the JSON of contract §2.
        ConvertError: Spark failed otherwise.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    own = spark.newSession()
    for name, value in {**_SESSION, "spark.sql.files.maxPartitionBytes": str(group_bytes)}.items():
        own.conf.set(name, value)
    try:
        rows = frame(own, _literal(spark_address(csv)))
        users = _write_users(own, rows, folders[USERS.name])
        others = _write_others(own, rows, folders, rules) if len(folders) > 1 else Written({}, {})
    except (Py4JError, PySparkException, ConnectionError) as error:
        if type(errors.of_task(str(error))) is ConvertError:  # of a conversation
            _name_fault(csv)
        raise ConvertError(f"{csv}: Spark failed: {_reason(error)}") from error
    read = users.users_read + others.users_read
    return Written(users.files | others.files, users.rows | others.rows, read, others.unmatched)


def _name_fault(csv: Location) -> None:
    """Raise MalformedCsvError for the first line whose column 7 or 8 is not the JSON of contract §2."""
    with csv.open("rb") as stream:
        for number, row in enumerate(csvfile.columns(stream, str(csv), JSON_COLUMNS), start=2):
            for column, text in zip(JSON_COLUMNS, row, strict=True):
                if not is_json(column, text):
                    raise MalformedCsvError(str(csv), number, column, "not the JSON of contract §2")


def _write_users(spark: SparkSession, rows: DataFrame, folder: Location) -> Written:
    from pyspark.sql import Observation
    from pyspark.sql import functions as f

    seen, parts = Observation(), folder / "parts"
    counted = rows.observe(seen, f.count(f.lit(1)).alias("rows"), f.count(_FAULTY).alias("faulty"))
    _writer(counted.drop(_FAULTY)).partitionBy(BLOCK).parquet(spark_address(parts))
    if seen.get["faulty"]:
        raise ConvertError(f"{folder}: Spark could not read {seen.get['faulty']} records; report this")
    count = seen.get["rows"]
    return Written({USERS.name: _merge(spark, parts, folder, USERS)}, {USERS.name: count}, (count,))


def _write_others(
    spark: SparkSession, rows: DataFrame, folders: Mapping[str, Location], rules: Rules
) -> Written:
    """Write ``conversations`` and ``messages``, or one of them, in one pass over rows of both."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as f

    tables = [each for each in (CONVERSATIONS, MESSAGES) if each.name in folders]
    seen, parts = Observation(), folders[tables[0].name] / "parts"
    with warnings.catch_warnings():  # pyspark 3.5 compares the versions of pandas and pyarrow with it
        warnings.filterwarnings("ignore", "distutils Version classes are deprecated", DeprecationWarning)
        split = partial(batches.split, rules=rules)
        made = rows.select(*batches.INPUT).mapInArrow(split, batches.spark_ddl())
    counts = [f.count(f.when(f.col(batches.TABLE) == each.name, 1)).alias(each.name) for each in tables]
    sums = [f.coalesce(f.sum(each), f.lit(0)).alias(each) for each in (batches.USERS_READ, batches.UNMATCHED)]
    counted = made.observe(seen, *counts, *sums)
    counted = counted.where(f.col(batches.TABLE).isin([each.name for each in tables]))
    writer = _writer(counted.drop(batches.USERS_READ, batches.UNMATCHED))
    writer.partitionBy(batches.TABLE, BLOCK).parquet(spark_address(parts))
    files = {
        each.name: _merge(spark, parts / f"{batches.TABLE}={each.name}", folders[each.name], each)
        for each in tables
    }
    found = seen.get
    counted_rows = {each.name: found[each.name] for each in tables}
    return Written(files, counted_rows, (found[batches.USERS_READ],), found[batches.UNMATCHED])


def _merge(spark: SparkSession, parts: Location, folder: Location, table: Table) -> Location:
    """Copy the row groups of the files under ``parts`` into one file, in the CSV's order; return it.

    Java does it, with Spark's own Parquet library: the chunks of the table's columns are copied as they are,
    without decoding.
    """
    java: Any = spark._jvm
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    none = spark.range(0).selectExpr(*(f"CAST(NULL AS {each}) AS {name}" for name, each in _types(table)))
    target = folder / "merged" / layout.PARQUET_NAME
    paths = _in_order(java, hadoop, spark_address(parts))
    if not paths:  # Spark has written no row of this table
        _writer(none).parquet(spark_address(parts / f"{BLOCK}=0"))
        paths = _in_order(java, hadoop, spark_address(parts))
    parquet = java.org.apache.parquet.hadoop
    files = [parquet.util.HadoopInputFile.fromPath(path, hadoop) for path in paths]
    with _opened(parquet, files[0]) as reader:
        metadata = reader.getFooter().getFileMetaData()
    types = java.java.util.ArrayList()
    for name in table.names:
        types.add(metadata.getSchema().getType(name))
    schema = java.org.apache.parquet.schema.MessageType(metadata.getSchema().getName(), types)
    output = parquet.util.HadoopOutputFile.fromPath(
        java.org.apache.hadoop.fs.Path(spark_address(target)), hadoop
    )
    writer = parquet.ParquetFileWriter(output, schema, parquet.ParquetFileWriter.Mode.CREATE, 0, 0)
    writer.start()
    for file in files:
        with _opened(parquet, file) as reader:
            writer.appendRowGroups(file.newStream(), reader.getRowGroups(), True)
    described = java.java.util.HashMap(metadata.getKeyValueMetaData())
    described.put(_SPARK_SCHEMA, none.schema.json())
    writer.end(described)
    return target


def _types(table: Table) -> list[list[str]]:
    return [each.split() for each in table.spark_ddl().split(", ")]


@contextmanager
def _opened(parquet: Any, file: Any) -> Iterator[Any]:
    reader = parquet.ParquetFileReader.open(file)
    try:
        yield reader
    finally:
        reader.close()


def _in_order(java: Any, hadoop: Any, folder: str) -> list[Any]:
    """Return the Parquet files under a folder in the order of their blocks; none if there is no folder."""
    root = java.org.apache.hadoop.fs.Path(folder)
    if not root.getFileSystem(hadoop).exists(root):
        return []
    found = root.getFileSystem(hadoop).listFiles(root, True)
    paths = []
    while found.hasNext():
        path = found.next().getPath()
        if path.getName().endswith(".parquet"):
            paths.append((_block(path.toString()), path))
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
    """Return the first line of a Java error's root cause, or that Java has ended.

    >>> _reason(Exception("py4j does not exist in the JVM"))
    'Java ended, most likely for lack of memory; give it more (memory, --memory)'
    """
    if _JAVA_ENDED.search(str(error)):
        return "Java ended, most likely for lack of memory; give it more (memory, --memory)"
    causes = re.findall(r"^(?:Caused by|): (.+)$", str(error), re.MULTILINE)
    return (causes or str(error).splitlines() or [type(error).__name__])[-1].strip()
