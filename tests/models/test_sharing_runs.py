"""Ways of sharing and stages through the configuration: runs, saved models, the check and its mistakes."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from jointset.training.evaluate import predict

ROWS = pd.DataFrame({"age": [50.0, 20.0], "job": ["smith", None], "note": ["loud wild", ""]})
CASES = {
    "ple": {"sharing": {"method": "ple", "own": 2}, "depth": 2},
    "nddr": {"sharing": "nddr"},
    "shared_init": {"sharing": {"method": "shared_init", "warmup": 2, "encoders": "separate"}},
    "adashare": {"sharing": {"method": "adashare", "warmup": 1}, "depth": 2},
    "branching": {"sharing": "branching", "depth": 2},
    "tensor_factors": {"sharing": {"method": "tensor_factors", "form": "tucker"}},
}


@pytest.mark.parametrize("name", list(CASES))
def test_a_run_ends_in_a_model_that_predicts_and_says_who_shares_what(folder, name):
    folder.settings["model"] |= CASES[name]
    folder.settings["improve"] = {"rounds": 0}
    run = folder.write().execute()
    found = run.model.predict(ROWS)
    assert found["level"].isin(["low", "mid", "high"]).all() and np.isfinite(found["price"]).all()
    config = json.loads((run.path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["plan"]["sharing"] == name
    assert f"model: {name} sharing" in run.model.describe()


def test_the_whole_loop_runs_with_columns_and_stages(folder):
    folder.settings["model"]["sharing"] = {"method": "cross_stitch", "encoders": "separate"}
    folder.settings["tasks"]["risky"]["depth"] = "tabular.hidden"
    folder.settings["tasks"]["level"]["auxiliary"] = "columns"
    folder.settings["improve"]["rounds"] = 1
    run = folder.write().execute()
    assert run.summary["rounds"] == 1
    text = run.model.describe()
    assert re.search("tabular encoder +4 for all tasks", text) and re.search(
        "tap of tabular.hidden +risky", text
    )
    assert re.search("auxiliary head +level", text)
    outputs = run.model.outputs(run.work.pool.datasets[0].table)
    assert run.summary["tasks"]["risky"]["after"] > 0.6
    assert all(np.isfinite(z).all() for z in outputs.values())


def test_a_saved_model_is_the_one_that_was_trained(folder, monkeypatch):
    from jointset import summary

    kept = {}
    whole = summary.write_model

    def watched(outcome, found):
        from jointset import stages

        problem = outcome.bench.problem(outcome.overlay)
        model, _ = stages.load_model(problem, outcome.last.path, 0)
        people = outcome.bench.work.pool.rows_of("people")
        kept["outputs"] = predict(model, problem.inputs, np.arange(people.start, people.stop))[0]
        whole(outcome, found)

    monkeypatch.setattr(summary, "write_model", watched)
    folder.settings["model"] |= {"sharing": {"method": "cgc", "encoders": "separate"}}
    folder.settings["tasks"]["price"]["depth"] = "hidden"
    folder.settings["improve"] = {"rounds": 0}
    run = folder.write().execute()
    again = run.model.outputs(run.work.pool.datasets[0].table)
    for task, values in kept["outputs"].items():
        np.testing.assert_allclose(again[task], values, atol=1e-5)


def test_tasks_adapt_a_backbone_in_a_run(folder, backbone):
    folder.settings["model"] |= {
        "text": {"encoder": "huggingface", "path": str(backbone), "max_length": 8},
        "sharing": {"method": "lora", "rank": 2},
    }
    folder.settings["improve"] = {"rounds": 0}
    folder.settings["training"]["epochs"] = 2
    run = folder.write().execute()
    assert len(run.model.predict(ROWS)) == 2
    text = run.model.describe()
    assert re.search("low-rank updates +one a task", text) and "more are frozen" in text


def test_the_check_says_who_shares_what_and_what_it_costs(folder, cli):
    folder.settings["model"]["sharing"] = {"method": "mmoe", "experts": 3}
    folder.write()
    done = cli("check", folder.config)
    assert done.code == 0
    assert "model: mmoe sharing, " in done.out and "a run of 2 rounds takes at most" in done.out
    facts = json.loads(cli("check", folder.config, "--json").out)["model"]
    parts = {p["what"]: p for p in facts["parts"]}
    width = 16
    assert parts["experts"]["parameters"] == 3 * (2 * width**2 + 4 * width)
    assert parts["gate"] == {"what": "gate", "count": 4, "tasks": [], "parameters": 204, "learnt": 204}
    assert facts["parameters"] == sum(p["parameters"] for p in facts["parts"])
    assert 0 < facts["shared"] < facts["learnt"] <= facts["parameters"]


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"model.sharing": "mmeo"}, ["model.sharing: 'mmeo' is unknown (did you mean 'mmoe'?)"]),
        (
            {"model.sharing": "{method: cgc, experts: 2}"},
            ["cgc has no option 'experts'", "known: shared, own"],
        ),
        (
            {"model.sharing": "{method: dselect_k, k: 9}"},
            ["model.sharing.k: 9 experts cannot be chosen out of 4"],
        ),
        ({"model.sharing": "[mmoe]"}, ["model.sharing"]),
        ({"model.sharing": "lora"}, ["low-rank updates need a pretrained backbone", "(tabular, text)"]),
        ({"tasks.risky.depth": "hiden"}, ["tasks.risky.depth: no stage 'hiden' (did you mean 'hidden'?)"]),
        (
            {"tasks.risky.depth": "5"},
            ["tasks.risky.depth: no stage 5; there are, numbered from 1, tabular.columns"],
        ),
        ({"tasks.level.auxiliary": "[text.layer1]"}, ["tasks.level.auxiliary: no stage 'text.layer1'"]),
        ({"model.auxiliary_weight": "-1"}, ["model.auxiliary_weight", "greater than or equal to 0"]),
    ],
)
def test_a_mistake_is_one_line(folder, cli, settings, parts):
    folder.write()
    done = cli("run", folder.config, *(f"--set={k}={v}" for k, v in settings.items()), "--runs", folder.runs)
    assert done.code == 2 and "Traceback" not in done.err
    last = done.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for part in parts:
        assert part in last
