"""The peer's side, run by an interpreter that has LibMTL: ``python bench/sharing/peer.py FOLDER ARCHITECTURE PLACE``.

FOLDER holds a set as the benchmark writes it; PLACE is ``whole`` or ``above``, see :mod:`bench.sharing.peer_nets`. What
goes to the standard output is what the benchmark keeps of one of our own runs. LibMTL's architecture, its plain sum
(EW) and its steps are used; data, encoder, heads, losses, optimiser and early stopping are this project's.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
own = str(Path(__file__).parent)  # would hide what has the name of a module beside this one
sys.path[:] = [str(ROOT), str(ROOT / "src"), *(p for p in sys.path if p != own)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402

from bench.sharing.peer_loop import fit  # noqa: E402
from jointset import config as configs  # noqa: E402
from jointset.data import apply  # noqa: E402
from jointset.metrics import evaluate  # noqa: E402
from jointset.models.sharing import usual_depth  # noqa: E402
from jointset.prepare import prepare  # noqa: E402
from jointset.records import TEST, TRAIN, Edits  # noqa: E402
from jointset.rundir import RunDirectory  # noqa: E402
from jointset.stages import stopping_rows  # noqa: E402
from jointset.training.evaluate import predict  # noqa: E402
from jointset.workbench import Bench, set_up  # noqa: E402


def libmtl(way: str) -> tuple[type, type]:
    """The peer's architecture and its plain sum."""
    for part in ("torchvision", "torchvision.models", "torchvision.models.utils"):  # for downloads alone
        sys.modules[part] = ModuleType(part)
    sys.modules["torchvision.models.utils"].load_state_dict_from_url = None  # type: ignore[attr-defined]
    from LibMTL import architecture
    from LibMTL.weighting import EW

    chosen = getattr(architecture, way)
    return (mended(chosen) if way == "DSelect_k" else chosen), EW


def mended(kind: type) -> type:
    """DSelect-k with a code of its own for every expert.

    It makes truth values of the characters "0" and "1", which NumPy 2 takes for true both: all experts then weigh the
    same for ever.
    """

    class DSelect_k(kind):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            digits = torch.arange(self._num_binary - 1, -1, -1)
            self._binary_codes = (torch.arange(self.num_experts)[:, None] >> digits & 1).bool()[None]

    return DSelect_k


def several(bench: Bench) -> bool:
    """Whether every task has a dataset of its own, which is what LibMTL means by several inputs."""
    labelled = [list(t.labels) for t in bench.work.config.tasks.values()]
    own = {names[0] for names in labelled if len(names) == 1}
    return len(labelled) > 1 and len(own) == len(labelled)


def measured(folder: Path, classes: tuple[type, type], place: str) -> dict[str, Any]:
    """Train on the set in ``folder`` and score its test rows."""
    started, name = time.process_time(), classes[0].__name__
    settings = yaml.safe_load((folder / "set.yaml").read_text(encoding="utf-8"))
    config = configs.resolve_paths(configs.parse({**settings, "name": "peer"}, "peer"), folder)
    with tempfile.TemporaryDirectory() as temporary:
        run = RunDirectory(Path(temporary))
        bench = set_up(run, prepare(config, run.data), lambda event: None)
        work = bench.work
        overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
        problem = bench.problem(overlay)
        linear = all(e.linear for e in bench.inputs.encoders.values())
        given, levels = config.model.depth, name == "PLE" and place == "above"
        depth = usual_depth("ple" if levels else "hard", linear) if given is None else given
        trained = fit(
            problem, problem.trained_on(work.pool.split == TRAIN), stopping_rows(bench, overlay), bench.settings,
            classes, place=place, depth=depth, several=several(bench), seed=config.seed,
        )  # fmt: skip
        rows = np.flatnonzero(work.pool.split == TEST)
        outputs, _ = predict(trained.model, problem.inputs, rows)  # type: ignore[arg-type]
        scores = {t.name: evaluate(t, work.given[t.name][rows], outputs[t.name]) for t in work.tasks}
    return {
        "tasks": {t.name: {"metric": t.metric, "value": scores[t.name][t.metric]} for t in work.tasks},
        "parameters": sum(t.numel() for t in trained.model.state_dict().values()),
        "epochs": trained.epochs,
        "skill": trained.skill,
        "seconds": round(time.process_time() - started, 1),
    }


def main() -> None:
    folder, way, place = sys.argv[1:]
    torch.set_num_threads(1)
    print(json.dumps(measured(Path(folder), libmtl(way), place)))


if __name__ == "__main__":
    main()
