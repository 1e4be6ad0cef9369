"""The papermill engine: as papermill's own, but a kernel that dies is recorded as what it is.

papermill 2.7 lets nbclient's ``DeadKernelError`` pass through a ``finally`` that marks the dying cell
``completed``. Here the cell is marked failed and given an error output, from which papermill then raises
as for any other failing cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from papermill.log import logger
from traitlets import Any as AnyTrait
from traitlets.config import Config

from cat_normalize.core.files import private_folder

if TYPE_CHECKING:
    from cat_lab.runs.notebooks import OnCell

DIED = "the kernel died; killed by the system for want of memory, most likely, or by hand"


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    on_cell = AnyTrait()

    def execute(self, **options: Any) -> Any:
        try:
            return super().execute(**options)
        except DeadKernelError:
            if self.nb.metadata.papermill["exception"]:
                return self.nb
            raise

    def papermill_execute_cells(self) -> None:
        """Run the code cells in order, to the first that fails."""
        total = sum(cell.cell_type == "code" for cell in self.nb.cells)
        done, heading = 0, ""
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type == "code":
                done += 1
                self.on_cell(done, total, heading)
            elif cell.source.startswith("#"):
                heading = cell.source.splitlines()[0].lstrip("# ")
            if not self._run_cell(index, cell):
                break

    def _run_cell(self, index: int, cell: Any) -> bool:
        try:
            self.nb_man.cell_start(cell, index)
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            return False
        except (DeadKernelError, CellTimeoutError) as error:
            said = DIED if isinstance(error, DeadKernelError) else str(error)
            name = type(error).__name__
            cell.outputs.append(new_output("error", ename=name, evalue=said, traceback=[f"{name}: {said}"]))  # type: ignore[no-untyped-call]
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            raise
        finally:
            self.nb_man.cell_complete(cell, cell_index=index)
        return True


def make_engine(on_cell: OnCell) -> type[NBClientEngine]:
    """Return an engine that tells ``on_cell`` of every code cell before it runs."""

    class Engine(NBClientEngine):  # type: ignore[misc]
        @classmethod
        def execute_managed_notebook(
            cls, nb_man: Any, kernel_name: str, start_timeout: int = 60, **_others: Any
        ) -> Any:
            with private_folder() as folder:
                client = _Client(
                    nb_man,
                    kernel_name=kernel_name,
                    startup_timeout=start_timeout,
                    log=logger,
                    on_cell=on_cell,
                    # Sockets in a folder of its own, not ports: two runs cannot meet, nor anybody listen.
                    # Its connection file lies there too, so that nothing stays of a run that is killed.
                    # Its own log tells on stderr of every interrupt; what a cell does is in its outputs.
                    extra_arguments=["--log-level=CRITICAL"],
                    config=Config(
                        KernelManager={
                            "transport": "ipc",
                            "ip": f"{folder}/k",
                            "connection_file": f"{folder}/kernel.json",
                        }
                    ),
                )
                return client.execute()

    return Engine
