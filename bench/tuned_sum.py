"""The plain sum with its step size tuned: the baseline that a weighting or a way of sharing has to beat.

    python bench/tuned_sum.py --work FOLDER [--only SET …] [--seeds 0 1 2] [--rows N] [--kept FILE]

Hard sharing and the plain sum are trained with three step sizes, and the one with the best held-out skill is taken,
seed by seed (Kurin et al. 2022 find that a plain sum which was tuned like this is hard to beat). Gains are those of
``bench/sharing_quality.py``, against every task trained alone with the default's step size; ``--work`` is its folder,
``--kept`` its file of finished runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.sharing import kept, runs  # noqa: E402
from bench.sharing.sets import SETS  # noqa: E402
from bench.sharing_quality import cell  # noqa: E402

FACTORS = (0.3, 1.0, 3.0)


def rates(base: Mapping[str, Any], factor: float) -> dict[str, float]:
    """The set's step sizes, or the defaults, times ``factor``."""
    from jointset.config import Config

    defaults = Config.model_fields["training"].get_default(call_default_factory=True)
    return {
        name: min(factor * base.get("training", {}).get(name, getattr(defaults, name)), 1.0)
        for name in ("learning_rate", "sparse_learning_rate")
    }


def tuned(folder: Path) -> tuple[float, dict[str, Any]]:
    """The factor with the best held-out skill, and that run."""
    found = {}
    for factor in FACTORS:
        variant = runs.Variant("hard", label=f"hard-equal-rate-{factor:g}")
        found[factor] = runs.joint(folder, variant, rates(runs.settings(folder), factor))
    best = max(FACTORS, key=lambda f: found[f].get("skill") or -1.0)
    return best, found[best]


def main() -> None:
    parser = argparse.ArgumentParser(description="Tune the plain sum.")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS), metavar="SET")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--kept", type=Path)
    arguments = parser.parse_args()
    print("| set | plain sum, default step size | tuned | factors |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        if arguments.kept:
            kept.unpack(arguments.kept, work)
        for name in arguments.only:
            plain: dict[str, Any] = {}
            best: dict[str, Any] = {}
            factors = []
            for seed in arguments.seeds:
                folder = work / name / str(seed)
                if not (folder / "set.yaml").is_file():
                    SETS[name](folder, seed, arguments.rows)
                alone = runs.alone(folder, {})
                default = runs.joint(folder, runs.Variant("hard"), {})
                factor, found = tuned(folder)
                factors.append(f"{factor:g}")
                for into, one in ((plain, default), (best, found)):
                    into[str(seed)] = {"gains": runs.gain(one["tasks"], alone["tasks"])}
            print(f"| {name} | {cell(plain)} | {cell(best)} | {', '.join(factors)} |", flush=True)


if __name__ == "__main__":
    main()
