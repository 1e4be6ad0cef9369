"""Run the app as `npx cdk synth` does, without credentials and without network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.assembly import CDK, Tried

OFFLINE = {
    "sitecustomize.py": """
import socket
def refuse(_, address): raise OSError(f"offline: {address}")
socket.socket.connect = socket.socket.connect_ex = refuse
""",
    "offline.cjs": """
require("net").Socket.prototype.connect = (...to) => { throw new Error("offline: " + JSON.stringify(to)) };
""",
}
"""Files that Python and node load first, so that neither can connect a socket."""

SILENT = {f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION": "1" for kind in ("DEPRECATED", "UNTESTED")} | {
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20,22"
}


class Synth:
    """A started run of the app; `tried` waits for its end."""

    def __init__(
        self, environment: str, artefacts: Path, folder: Path, arguments: tuple[str, ...] = ("app.py",)
    ) -> None:
        self._folder = folder / "out"
        context = json.dumps({"env": environment, "artefacts": str(artefacts)})
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=CDK,
            env=bare(folder) | {"CDK_OUTDIR": str(self._folder), "CDK_CONTEXT_JSON": context},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tried(self) -> Tried:
        out, err = self._process.communicate(timeout=280)
        return Tried(self._process.returncode, out, err, self._folder)


def bare(home: Path) -> dict[str, str]:
    """Return environment variables without credentials or profile that prevent every connection."""
    for name, text in OFFLINE.items():
        (home / name).write_text(text)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return SILENT | {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NODE_OPTIONS": f"--require={home / 'offline.cjs'}",
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(caches / "aws" / "jsii" / "package-cache"),
    }
