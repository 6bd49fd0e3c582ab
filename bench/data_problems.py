"""Problems of data, natural and planted: what the checks find, what they miss, and what they invent.

    python -m bench.data_problems --out data_problems.json            # three seeds
    python -m bench.data_problems --only wine mnist10k --seeds 0

The sections on Datalab need JOINTSET_PEER, the python of an environment that holds cleanlab[datalab] 2.9.

Each row of a table is the value at each seed. Real sets are found through JOINTSET_DATA.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.data import copies, peer, shift, tables, tail

SECTIONS: dict[str, Callable[[int], dict[str, Any]]] = {
    "fdu_mtl: test rows that stand in a train file": copies.fdu_mtl,
    "sentence_cls: MR and SST": copies.sentences,
    "molecules: style of the formula": copies.molecules,
    "wine: red and white": copies.wine,
    **{f"{n}: as it is": partial(tables.natural, n) for n in tables.SETS},
    **{f"{n}: planted": partial(tables.planted, n) for n in tables.SETS},
    **{f"{n}: clean shuffles": partial(tables.shuffles, n) for n in tables.SETS},
    "mnist10k: employees and students": shift.mnist,
    "fsdd: speakers": shift.fsdd,
    "fdu_mtl: domains": shift.domains,
    "goemotions: the tail": tail.goemotions,
    "100,000 × 64: outliers": peer.large,
    "Datalab: outliers": peer.outliers,
    "Datalab: near-copies and order": peer.copies_and_order,
    "Datalab: 100,000 × 64": peer.large_both,
}


def table(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """A Markdown table a section, a column a seed."""
    lines = []
    for name, seeds in found.items():
        lines += [
            "",
            f"**{name}**",
            "",
            f"| | {' | '.join(f'seed {s}' for s in seeds)} |",
            "|---" * (len(seeds) + 1) + "|",
        ]
        for key in next(iter(seeds.values())):
            lines.append(f"| {key} | {' | '.join(_cell(values.get(key)) for values in seeds.values())} |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if 0 < abs(value) < 0.001 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of the sections' names")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: dict[str, dict[str, dict[str, Any]]] = {}
    if arguments.out and arguments.out.is_file():
        found = json.loads(arguments.out.read_text(encoding="utf-8"))
    for name, section in SECTIONS.items():
        if arguments.only and not any(name.startswith(o) for o in arguments.only):
            continue
        for seed in arguments.seeds:
            started = time.process_time()
            values = section(seed)
            seconds = round(time.process_time() - started, 1)
            found.setdefault(name, {})[str(seed)] = {**values, "seconds": seconds}
            print(name, seed, found[name][str(seed)], flush=True)
            if arguments.out:
                arguments.out.write_text(
                    json.dumps(found, indent=1, ensure_ascii=False, default=float), encoding="utf-8"
                )
    print(table(found))


if __name__ == "__main__":
    main()
