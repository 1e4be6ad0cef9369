"""Measure ETL-1 inside Spark over an export of the items in a file: CPU, memory of a worker, disk.

``python bench/distributed.py items.jsonl``, with a file that ``python bench/data.py`` wrote.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

import psutil

from cat_lab import spark
from cat_normalize.core.settings import Settings
from cat_normalize.extract.export import Export
from cat_normalize.scale import spark as etl1_spark

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import exported


def cpu_of_all() -> dict[str, float]:
    """Return the CPU seconds so far of this process, of Java and of Spark's Python workers."""
    own = psutil.Process()
    spent = {"driver": time.process_time(), "java": 0.0, "workers": 0.0}
    for child in own.children(recursive=True):
        times = child.cpu_times()
        if "java" in child.name():
            spent["java"] += times.user + times.system
        else:
            spent["workers"] += times.user + times.system + times.children_user + times.children_system
    return spent


def export_of(path: Path, folder: Path, files: int) -> Path:
    """Write the items of a file as a full export with so many data files; return its folder."""
    lines = path.read_bytes().splitlines()
    return exported.write(folder, [lines[number::files] for number in range(files)])


def stages(export: Path, count: int) -> dict[str, float]:
    """Return the CPU seconds of reading and of normalizing without Spark."""
    before = time.process_time()
    files = list(enumerate(Export(str(export)).files()))
    lines = sorted(line for each in files for line in etl1_spark._read(each, str(export), Settings(), count))
    between = time.process_time()
    names = [file.name for _, file in files]
    for _, partition in groupby(lines, key=lambda line: line[0][0]):
        for _ in etl1_spark._normalize(partition, Settings().rules, names):
            pass
    return {"read": between - before, "normalize": time.process_time() - between}


@contextmanager
def peaks(folder: Path) -> Iterator[dict[str, int]]:
    """Record the memory of the largest worker and the bytes in a folder, five times per second."""
    seen, ended = {"memory": 0, "disk": 0}, threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            with suppress(psutil.Error, OSError):
                for child in psutil.Process().children(recursive=True):
                    if "java" not in child.name():
                        seen["memory"] = max(seen["memory"], child.memory_info().rss)
                disk = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
                seen["disk"] = max(seen["disk"], disk)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        ended.set()
        watching.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--partition-mb", type=int, default=etl1_spark.PARTITION_BYTES >> 20)
    given = parser.parse_args()
    size = given.path.stat().st_size
    count = -(-size // (given.partition_mb << 20))
    with tempfile.TemporaryDirectory() as folder:
        export = export_of(given.path, Path(folder, "export"), given.files)
        spent = stages(export, count)
        local, outputs = Path(folder, "spark"), (f"{folder}/users.csv", f"{folder}/rejects.jsonl")
        os.environ["SPARK_LOCAL_DIRS"] = str(local)
        session = spark.session(Settings(), "2g")
        session.sparkContext.parallelize(range(4), 2).map(str).count()
        with peaks(local) as seen:
            before, began = cpu_of_all(), time.monotonic()
            _, made = etl1_spark.normalize_export(session, str(export), *outputs, Settings(), count)
            took, after = time.monotonic() - began, cpu_of_all()
        session.stop()
    spent |= {name: after[name] - before[name] for name in after}
    for name, seconds in spent.items():
        print(f"{name:10} {seconds:7.2f} s {1000 * seconds / size * 1e6:7.1f} ms/MB")
    total = sum(after[name] - before[name] for name in after)
    print(f"{'total':10} {total:7.2f} s {1000 * total / size * 1e6:7.1f} ms/MB, without the first two")
    print(f"peak: {seen['memory'] / 1e6:.0f} MB in a worker, {seen['disk'] / 1e6:.0f} MB on disk")
    print(f"{size / 1e6:.0f} MB in, {made[1].bytes / 1e6:.0f} MB out, {took:.0f} s wall time")


if __name__ == "__main__":
    main()
