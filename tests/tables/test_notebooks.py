"""Every table through the committed notebooks, by papermill: the four stages, the first and the last.

All use one kernel, reset before each notebook, because imports and the start of Java take long. Runs by the
command, with one kernel per stage, are tested in tests/lab/notebooks and in test_kernels.py.
"""

import json
import os
from collections import Counter
from pathlib import Path

import nbformat
import papermill
import pytest
from jupyter_client.utils import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from tables import checks, collection

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
STAGES = ["01_extract", "02_normalize", "03_convert", "04_query"]
START, INVESTIGATE = "00_start", "05_investigate"
LOOKED_AT = (
    "empty",
    "first_and_last_years",
    "no_day",
    "huge_user",
    "markup",
    "awkward_keys",
    "only_bad_keys",
)
"""Tables for the first and the last notebook too, which only show: no user, any period, any text, any key."""
DAY = "2025-09-01"
RESET = """%reset -f
import os
os.environ |= {environment!r}
from cat_lab import spark
from cat_normalize.core.settings import Settings
spark.session(Settings.from_environment(os.environ))
%reset -f
"""


class Kernel(NBClientEngine):
    """A papermill engine that keeps its kernel after a notebook."""

    manager = None

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **_options):
        client = PapermillNotebookClient(nb_man, km=cls.manager, kernel_name=kernel_name)
        try:
            client.execute(cleanup_kc=False)
        finally:
            cls.manager = client.km
            client.kc.stop_channels()


@pytest.fixture(scope="module")
def execute(aws, tmp_path_factory):
    """Execute a notebook with parameters in the shared kernel; return the executed copy."""
    papermill_engines.register("tables", Kernel)
    folder = tmp_path_factory.mktemp("executed")
    reset = folder / "reset.ipynb"
    before = dict(os.environ)
    os.environ |= aws.child_environment({})
    os.environ |= {"JUPYTER_PLATFORM_DIRS": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}

    def run(stage, settings, parameters):
        environment = {"S3_BUCKET_NAME": settings.bucket, "DYNAMODB_TABLE_NAME": settings.table_name}
        cell = nbformat.v4.new_code_cell(RESET.format(environment=environment))
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), reset)
        options = {"engine_name": "tables", "progress_bar": False, "kernel_name": "python3"}
        papermill.execute_notebook(reset, folder / "executed-reset.ipynb", cwd=folder, **options)
        source, target = NOTEBOOKS / f"{stage}.ipynb", folder / f"{stage}.ipynb"
        return papermill.execute_notebook(source, target, parameters, cwd=folder, **options)

    yield run
    if Kernel.manager is not None:
        run_sync(Kernel.manager.shutdown_kernel)(now=True)
        Kernel.manager = None
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.mark.parametrize("name", collection.IN_DYNAMODB)
def test_the_notebooks_run_and_leave_what_the_contract_says(name, aws, create, execute, tmp_path):
    table, settings = collection.TABLES[name](), create(name)
    expected = checks.expect(table, list(map(collection.line, table.items)))
    common = {"local": True, "run_date": DAY, "work_dir": str(tmp_path)}
    filters = {"02_normalize": dict(table.rules)}
    executed = [execute(STAGES[0], settings, common)]
    if expected.all_rejected:
        with pytest.raises(PapermillExecutionError) as raised:
            execute(STAGES[1], settings, common)
        assert raised.value.ename == "AllRejectedError"
        assert checks.explains(raised.value.evalue, expected.summary)
        assert "the item stands there" in texts(execute(INVESTIGATE, settings, common))
        return
    executed += [execute(stage, settings, common | filters.get(stage, {})) for stage in STAGES[1:]]
    (csv,) = tmp_path.glob("data_20250901.csv")
    checks.check_csv(csv.read_bytes(), expected)
    checks.check_parquet(tmp_path / "data.parquet", csv.read_bytes())
    others = (tmp_path / f"{name}.parquet" for name in ("conversations", "messages"))
    checks.check_tables(csv.read_bytes(), *others)
    reasons = [json.loads(each)["reason"] for each in (tmp_path / "rejects.jsonl").read_bytes().splitlines()]
    assert dict(sorted(Counter(reasons).items())) == expected.summary["rejected_by_reason"]
    if name in LOOKED_AT:
        shown = [execute(each, settings, common) for each in (START, INVESTIGATE)]
        assert ("the item stands there" in texts(shown[1])) == bool(expected.summary["rejected"])
        assert ("user: there is none" in texts(shown[1])) == (not expected.rows)
        assert "Built first" not in texts(*shown)
        executed += shown
    assert not [output for output in outputs(executed) if "<script>alert" in output.get("text/html", "")]


def texts(*notebooks):
    """All that notebooks show as plain text."""
    streams = [
        each.get("text", "") for made in notebooks for cell in made.cells for each in cell.get("outputs", [])
    ]
    return "\n".join([*streams, *(output.get("text/plain", "") for output in outputs(notebooks))])


def outputs(notebooks):
    """Yield the outputs of all cells, each by media type."""
    for notebook in notebooks:
        for cell in notebook.cells:
            yield from (each["data"] for each in cell.get("outputs", []) if "data" in each)
