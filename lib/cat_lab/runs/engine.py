"""Provide a papermill engine that records a kernel that dies as a failed cell.

papermill 2.7 lets nbclient's ``DeadKernelError`` pass through a ``finally`` that marks the dying cell
``completed``. Here the cell is marked failed and gets an error output, from which papermill then raises
as for any other cell that fails.
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

_DIED = "the kernel died; most likely the system killed it because memory ran out"


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
        """Run the cells in order up to the first that fails."""
        total = sum(cell.cell_type == "code" for cell in self.nb.cells)
        number, heading = 0, ""
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type == "code":
                number += 1
                self.on_cell(number, total, heading)
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
            text = _DIED if isinstance(error, DeadKernelError) else str(error)
            name = type(error).__name__
            cell.outputs.append(new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"]))  # type: ignore[no-untyped-call]
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            raise
        finally:
            self.nb_man.cell_complete(cell, cell_index=index)
        return True


def make_engine(on_cell: OnCell) -> type[NBClientEngine]:
    """Return an engine that calls ``on_cell`` before each code cell."""

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
                    # Sockets in a private folder, not ports: no other run or user can connect. The
                    # connection file is there too, so that a killed run leaves nothing elsewhere.
                    # The kernel's log would report every interrupt on stderr.
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
