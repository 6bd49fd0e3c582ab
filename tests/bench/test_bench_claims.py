"""The table: medians decide, and nothing is left out quietly."""

from bench.table import markdown, row, share

from bench import claims


def test_the_median_over_the_seeds_decides():
    found = row("x", "≥ .9", [0.95, 0.8, 0.91, None], lambda v: v >= 0.9, form=".2f")
    assert found["measured"] == "0.91 [0.80–0.95]"
    assert found["met"] is True
    assert row("x", "≥ .9", [0.8], lambda v: v >= 0.9)["met"] is False


def test_nothing_measured_is_neither_met_nor_missed():
    found = row("x", "≥ .9", [None, float("nan")], lambda v: v >= 0.9)
    assert (found["measured"], found["met"]) == ("nothing to measure", None)


def test_a_failed_run_has_a_row_of_its_own():
    rows = claims.table({"youtube": {"0": {"error": "exit code 3: internal error"}}})
    assert [(r["what"], r["met"]) for r in rows] == [("youtube, seed 0", False)]
    assert "internal error" in markdown(rows)


def run(name, promised, real, n=100):
    edit = {"task": "t", "action": "fill", "n": n, "promised": promised, "real": real}
    return {name: [{"accepted": [edit]}]}


def test_a_promise_is_judged_within_five_points_either_way():
    for real, met in ((0.86, True), (0.84, False), (0.94, True), (0.96, False)):
        (found,) = claims.promises(run("digits-all", 0.9, real))
        assert found["met"] is met


def test_promises_need_edits_and_a_truth():
    assert claims.promises(run("digits-all", 0.9, 0.5, n=claims.FEWEST - 1)) == []
    assert claims.promises(run("fdu_mtl-none", 0.9, 0.5)) == []
    assert claims.promises(run("tox21", 0.9, 0.9))


def test_killed_runs_must_all_end_alike():
    raw = {"kill": {"0": {"kills": 10, "runs": 3, "same": 2, "failed": "", "seconds": 1.0}}}
    (found,) = claims.kill(raw)
    assert found["met"] is False
    assert found["measured"] == "2 of 3 runs, 10 kills"


def test_a_share_weighs_edits_by_their_number():
    assert share([{"n": 3, "real": 1.0}, {"n": 1, "real": 0.0}], "real") == 0.75


def test_a_refused_proposal_is_shown_but_not_judged():
    edit = {"task": "t", "action": "fill", "n": 100, "promised": 0.9, "real": 0.5}
    (found,) = claims.promises({"digits-all": [{"accepted": [], "proposed": [edit]}]})
    assert found["met"] is None
    assert "50.0% of 90.0% promised" in found["measured"]
