"""The app is run as `npx cdk synth` runs it, with nothing to call and nowhere to go."""

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
"""What Python and node load first, so that neither connects a socket."""

SILENT = {f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION": "1" for kind in ("DEPRECATED", "UNTESTED")} | {
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20,22"
}


class Synth:
    """A run of the app that has been started; `tried` waits for it."""

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
        out, err = self._process.communicate(timeout=200)
        return Tried(self._process.returncode, out, err, self._folder)


def bare(home: Path) -> dict[str, str]:
    """Return an environment without credentials or profile, in which no socket can be connected."""
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
