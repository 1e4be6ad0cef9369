"""Parquet files joined into one by their row groups, which are copied as they are and not decoded.

So many tasks write one object: each makes its own file, compressed and all, and the driver joins them.
Java does it, with the library that Spark writes Parquet by; nothing passes through Python.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cat_normalize.core.errors import ConvertError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def join(spark: SparkSession, folder: str, column: str, target: str) -> None:
    """Join the files that Spark wrote under a folder, partitioned by a column of whole numbers, in its order.

    Args:
        spark: a session that reads and writes both places.
        folder: an address with its scheme, such as ``file:///…`` or ``s3://…``.
        column: the column; it is in the folders' names and not in the files.
        target: the address of the one file to make.

    Raises:
        ConvertError: no file is there, or one that is of no such folder.
    """
    java: Any = spark._jvm
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    parquet = java.org.apache.parquet.hadoop
    files = [
        parquet.util.HadoopInputFile.fromPath(path, hadoop)
        for path in _in_order(java, hadoop, folder, column)
    ]
    reader = parquet.ParquetFileReader.open(files[0])
    about = reader.getFooter().getFileMetaData()
    reader.close()
    output = parquet.util.HadoopOutputFile.fromPath(java.org.apache.hadoop.fs.Path(target), hadoop)
    create = parquet.ParquetFileWriter.Mode.CREATE
    writer = parquet.ParquetFileWriter(output, about.getSchema(), create, 0, 0)
    writer.start()
    for file in files:
        writer.appendFile(file)
    writer.end(about.getKeyValueMetaData())


def _in_order(java: Any, hadoop: Any, folder: str, column: str) -> list[Any]:
    place = java.org.apache.hadoop.fs.Path(folder)
    found = place.getFileSystem(hadoop).listFiles(place, True)
    paths = []
    while found.hasNext():
        path = found.next().getPath()
        if path.getName().endswith(".parquet"):
            paths.append((_number(path.toString(), column), path))
    if not paths:
        raise ConvertError(f"{folder}: Spark wrote no Parquet file there; run again")
    return [path for _, path in sorted(paths, key=lambda each: each[0])]


def _number(path: str, column: str) -> int:
    """Return the number that a partition's folder is named by.

    >>> _number("file:/x/block=33554432/part-00001.zstd.parquet", "block")
    33554432
    """
    found = re.search(rf"/{column}=(\d+)/[^/]*$", path)
    if found is None:
        raise ConvertError(f"{path} lies in no folder {column}=…; nothing else may write there")
    return int(found[1])
