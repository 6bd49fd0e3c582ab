"""``jointset doctor``: what this installation has, what it lacks, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$")
EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
BOUND = re.compile(r"(>=|<)\s*([0-9][0-9.]*)")
PRIVATE = ("dev", "docs")  # extras of those who work on jointset itself


def doctor(runs: Path, *, look_into_torch: bool, as_json: bool) -> None:
    """Print the facts; exit code 1 where something is broken that every run needs."""
    facts = examine(runs, look_into_torch=look_into_torch)
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else render(facts))
    if facts["broken"]:
        raise typer.Exit(1)


def examine(runs: Path, *, look_into_torch: bool = False, of: str = "jointset") -> dict[str, Any]:
    """What there is, as JSON values; nothing heavy is imported unless ``look_into_torch``."""
    core, extras = requirements(of)
    packages = {name: package(name, bounds) for name, bounds in core.items()}
    given = {
        extra: {name: package(name, bounds) for name, bounds in needed.items()}
        for extra, needed in extras.items()
    }
    space = folder(runs)
    broken = [f"{n}: {p['problem']}" for n, p in packages.items() if p["problem"]]
    if not packages:
        broken.append("jointset: it is not installed as a package; pip install .")
    if not space["writable"]:
        broken.append(f"{space['path']}: cannot be written to; choose another folder with --runs")
    return {
        "jointset": packages_version(of),
        "machine": machine(),
        "torch": torch_facts(look_into_torch),
        "packages": packages,
        "extras": given,
        "runs": space,
        "wordnet": wordnet(),
        "broken": broken,
    }


def requirements(of: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What a package needs, and what its extras need: name → bounds, from its own metadata."""
    core: dict[str, str] = {}
    extras: dict[str, dict[str, str]] = {}
    try:
        lines = metadata.requires(of) or []
    except metadata.PackageNotFoundError:
        lines = []
    for line in lines:
        found = REQUIREMENT.match(line)
        if not found or found[1] == of:
            continue
        name, bounds, extra = found[1], found[2].strip(), EXTRA.search(found[3] or "")
        if extra is None:
            core[name] = bounds
        elif extra[1] not in PRIVATE:
            extras.setdefault(extra[1], {})[name] = bounds
    return core, extras


def package(name: str, bounds: str) -> dict[str, str | None]:
    """Version of a package, and what is wrong with it.

    >>> package("no-such-package", ">=1")
    {'version': None, 'problem': 'is not installed; pip install "no-such-package>=1"'}
    """
    version = packages_version(name)
    problem = None
    if version is None:
        problem = f'is not installed; pip install "{name}{bounds}"'
    elif not within(version, bounds):
        problem = f'{version} is not {bounds}; pip install --upgrade "{name}{bounds}"'
    return {"version": version, "problem": problem}


def packages_version(name: str) -> str | None:
    """Installed version, read without an import."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def within(version: str, bounds: str) -> bool:
    """Whether a version keeps lower and upper bounds.

    >>> within("2.13.0+cpu", ">=2.6"), within("0.10", ">=0.9,<0.10"), within("3", "")
    (True, False, True)
    """
    own = _numbers(version)
    for sign, bound in BOUND.findall(bounds):
        limit = _numbers(bound)
        size = max(len(own), len(limit))
        pair = (*own, *[0] * (size - len(own))), (*limit, *[0] * (size - len(limit)))
        if (sign == ">=" and pair[0] < pair[1]) or (sign == "<" and pair[0] >= pair[1]):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0]))


def machine() -> dict[str, Any]:
    """Python, system, processors, memory, graphics card."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not a POSIX system
        memory = None
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "memory_bytes": memory,
        "nvidia_driver": shutil.which("nvidia-smi") is not None,
    }


def torch_facts(look: bool) -> dict[str, Any]:
    """Build and threads of torch; what only torch itself knows where it is asked for."""
    version = packages_version("torch")
    facts: dict[str, Any] = {
        "version": version,
        "build": (version or "").partition("+")[2] or "unnamed",
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "looked_into": look,
    }
    if look and version:
        try:
            import torch
        except Exception as error:
            return facts | {"problem": f"cannot be imported: {type(error).__name__}: {error}"}
        facts |= {"threads": torch.get_num_threads(), "cuda": torch.cuda.is_available()}
    return facts


def folder(runs: Path) -> dict[str, Any]:
    """The folder of runs: how many, how large, how much of that is cache, and whether it can be written to."""
    place = runs if runs.is_dir() else runs.absolute().parent
    size = {name: _size(runs, pattern) for name, pattern in (("bytes", "*"), ("cache_bytes", "*/data"))}
    try:
        with tempfile.TemporaryFile(dir=place):
            writable = True
    except OSError:
        writable = False
    free = shutil.disk_usage(place).free if place.is_dir() else None
    found = sum((p / "config.yaml").is_file() for p in runs.glob("*")) if runs.is_dir() else 0
    return {"path": str(runs), "runs": found, **size, "free_bytes": free, "writable": writable}


def _size(folder: Path, pattern: str) -> int:
    files = (f for part in folder.glob(pattern) for f in ([part] if part.is_file() else part.rglob("*")))
    return sum(f.stat().st_size for f in files if f.is_file())


def wordnet() -> str | None:
    """Where WordNet's files are; none without them."""
    from jointset.augment.wordnet import folder as found

    place = found()
    return None if place is None else str(place)


def render(facts: dict[str, Any]) -> str:
    """The facts as text: a line each, with what to do."""
    machine, torch, runs = facts["machine"], facts["torch"], facts["runs"]
    memory = f", {machine['memory_bytes'] / 2**30:.1f} GiB memory" if machine["memory_bytes"] else ""
    card = "NVIDIA driver found" if machine["nvidia_driver"] else "no NVIDIA driver"
    lines = [
        f"jointset {facts['jointset']}, Python {machine['python']}, {machine['system']}",
        f"{machine['processors']} processors{memory}, {card}",
        _torch_line(torch),
        "",
    ]
    for name, found in facts["packages"].items():
        lines.append(f"✘ {name} {found['problem']}" if found["problem"] else f"✔ {name} {found['version']}")
    lines.append("")
    for extra, needed in facts["extras"].items():
        lacking = [n for n, p in needed.items() if p["problem"]]
        told = ", ".join(f"{n} {p['version']}" for n, p in needed.items() if not p["problem"])
        lines.append(
            f'· {extra}: {", ".join(lacking)} missing or too old; pip install "jointset[{extra}]"'
            if lacking
            else f"✔ {extra}: {told}"
        )
    lines.append(
        f"✔ wordnet: {facts['wordnet']}"
        if facts["wordnet"]
        else "· wordnet: not found, synonyms are typed wrong instead; on Debian: apt install wordnet-base"
    )
    mark, able = ("✔", "can be written to") if runs["writable"] else ("✘", "CANNOT be written to")
    free = f", {runs['free_bytes'] / 1e9:.1f} GB free" if runs["free_bytes"] is not None else ""
    lines += [
        f"{mark} {runs['path']}: {able}{free}; {runs['runs']} runs, {runs['bytes'] / 1e6:.1f} MB, "
        f"{runs['cache_bytes'] / 1e6:.1f} MB of them copies and caches of the data",
        "",
        f"✘ {len(facts['broken'])} things to mend" if facts["broken"] else "✔ nothing is broken",
    ]
    return "\n".join(lines + [f"  {line}" for line in facts["broken"]])


def _torch_line(torch: dict[str, Any]) -> str:
    if "problem" in torch:
        return f"torch {torch['version']} {torch['problem']}"
    if not torch["looked_into"]:
        threads = torch["threads"] or "chosen by torch"
        return f"torch {torch['version']}, build {torch['build']}, threads {threads} (--torch looks closer)"
    cuda = "CUDA can be used" if torch.get("cuda") else "no CUDA"
    return f"torch {torch['version']}, build {torch['build']}, {torch['threads']} threads, {cuda}"
