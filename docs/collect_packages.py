"""Write ``firefly_mcp/servers/packages.json``: licence, repository owner and home page of the servers' packages.

Read from what ``uvx`` and ``npx`` have installed on this machine (their caches hold each package's own metadata), so run it
where the servers were explored: ``python docs/collect_packages.py SERVERS.json...``. No registry is asked. What was known
before and is not installed here is kept.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

from firefly_mcp.servers.config import load_servers
from firefly_mcp.servers.packages import Package, package_of

OUT = Path(__file__).parents[1] / "firefly_mcp" / "servers" / "packages.json"
_OWNER = re.compile(r"(?:github\.com|gitlab\.com|codeberg\.org|bitbucket\.org)[/:]([\w.-]+)/", re.IGNORECASE)
_CLASSIFIER = "License :: OSI Approved :: "
_HOME = ("repository", "source", "source code", "github", "homepage", "home", "home-page")
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def _python(name: str) -> dict[str, str]:
    """The metadata of an installed Python package; empty where uv has never installed it."""
    cache = Path(os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv") / "archive-v0"
    wanted = re.sub(r"[-_.]+", "_", name).lower()
    for folder in sorted(cache.glob("*/*.dist-info")):
        if (
            re.sub(r"[-_.]+", "_", folder.name.removesuffix(".dist-info").rpartition("-")[0]).lower() == wanted
            and (folder / "METADATA").exists()
        ):
            told = HeaderParser().parsestr((folder / "METADATA").read_text("utf-8", "replace"))
            links = {}
            for line in told.get_all("Project-URL") or []:
                label, _, url = line.partition(",")
                links[label.strip().lower()] = url.strip()
            links.setdefault("home-page", str(told.get("Home-page") or ""))
            licence = str(told.get("License-Expression") or "")
            classified = [line.removeprefix(_CLASSIFIER) for line in told.get_all("Classifier") or [] if _CLASSIFIER in line]
            free = str(told.get("License") or "").strip().splitlines()
            # An old package may carry its whole licence in this field.
            licence = licence or next(iter(classified), "") or (free[0] if free and len(free[0]) < 60 else "")
            return _entry(licence, links)
    return {}


def _node(name: str) -> dict[str, str]:
    """The metadata of an installed npm package; empty where npx has never installed it."""
    cache = Path(os.environ.get("npm_config_cache") or Path.home() / ".npm") / "_npx"  # noqa: SIM112
    for path in sorted(cache.glob(f"*/node_modules/{name}/package.json")):
        told = json.loads(path.read_text("utf-8"))
        repository = told.get("repository") or ""
        source = repository.get("url", "") if isinstance(repository, dict) else repository
        if source and "/" in source and "//" not in source and ":" not in source:
            source = f"https://github.com/{source}"
        licence = told.get("license") or ""
        licence = licence if isinstance(licence, str) else licence.get("type", "")
        return _entry(licence, {"repository": source, "homepage": str(told.get("homepage") or "")})
    return {}


def _entry(licence: str, links: dict[str, str]) -> dict[str, str]:
    urls = [links[word] for word in _HOME if links.get(word)] + [url for _, url in sorted(links.items()) if url]
    owners = [found[1].lower() for url in urls if (found := _OWNER.search(url))]
    home = next(iter(urls), "").removeprefix("git+").removesuffix(".git")
    return {"licence": _SPDX.get(licence, licence), "owner": next(iter(owners), ""), "home": home}


def _packages(files: list[Path]) -> Iterator[Package]:
    for file in files:
        for spec in load_servers(file).values():
            package = package_of(spec.redacted())
            if package is not None:
                yield package


def main(files: list[str]) -> None:
    """Collect, and say what was not found."""
    known = json.loads(OUT.read_text("utf-8")) if OUT.exists() else {}
    for package in _packages([Path(file) for file in files]):
        key = f"{package.registry}:{package.name.lower()}"
        found = _python(package.name) if package.registry == "pypi" else _node(package.name)
        if found:
            known[key] = found
        elif key not in known:
            print(f"{key}: not installed here", file=sys.stderr)
    OUT.write_text(json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n", "utf-8")
    unlicensed = [key for key, entry in known.items() if not entry["licence"]]
    print(f"{len(known)} packages, {len(unlicensed)} of them tell no licence: {', '.join(unlicensed)}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
