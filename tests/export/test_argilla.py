"""Argilla: the real package takes settings and records, and its records come back as decisions."""

import json
from types import SimpleNamespace
from uuid import UUID

import pytest
from questions import MOOD, question, questions

from jointset.errors import DataError
from jointset.export import edits
from jointset.export.edits.argilla import record, settings
from jointset.export.edits.base import Form
from jointset.records import Input

ADA, BOB = UUID(int=1), UUID(int=2)


@pytest.fixture
def folder(tmp_path):
    edits.write(tmp_path / "out", "argilla", lambda save: iter(questions()))
    return tmp_path / "out"


@pytest.fixture
def rg(monkeypatch):
    """The package with a client that speaks to nobody: settings and records need none."""
    rg = pytest.importorskip("argilla", reason="argilla is not installed")
    nobody = SimpleNamespace(api=SimpleNamespace(), workspaces=None)
    for name in ("questions", "fields", "metadata", "vectors", "datasets", "records"):
        setattr(nobody.api, name, None)
    monkeypatch.setattr(rg.Argilla, "_get_default", classmethod(lambda cls: nobody))
    return rg


def records(folder, name):
    return json.loads((folder / name / "records.json").read_text("utf-8"))


def said(answers):
    return [(a.key, a.position, a.said) for a in answers]


def answered(rg, raw, tmp_path, *responses):
    """What ``Dataset.records.to_json`` writes of a record with responses."""
    made = rg.Record.from_dict(raw)
    full = rg.Record(id=made.id, fields=dict(made.fields), metadata=dict(made.metadata),
                     responses=[rg.Response(n, v, user_id=u) for n, v, u in responses])  # fmt: skip
    path = tmp_path / "records.json"
    path.write_text(json.dumps([full.to_dict() | {"status": "completed"}]), "utf-8")
    return edits.read(path)


def test_the_package_reads_the_settings(rg, folder):
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["mood", "price", "topics", "urgent"]
    found = {
        n: rg.Settings.from_json(folder / n / ".argilla" / "settings.json")
        for n in ("mood", "topics", "price")
    }
    assert [type(s.questions[0]).__name__ for s in found.values()] == [
        "LabelQuestion",
        "MultiLabelQuestion",
        "TextQuestion",
    ]
    assert found["mood"].questions[0].labels == list(MOOD.classes)
    for settings_ in found.values():
        assert [q.name for q in settings_.questions] == ["label", "outcome", "note"]
        assert [q.required for q in settings_.questions] == [True, False, False]
        assert [f.name for f in settings_.fields] == ["title", "text", "table", "why"]
        assert [m.name for m in settings_.metadata] == ["dataset", "action", "confidence"]
        settings_.validate()


def test_the_package_reads_the_data_set(folder):
    models = pytest.importorskip("argilla._models", reason="argilla is not installed")
    for name in ("mood", "topics"):
        facts = json.loads((folder / name / ".argilla" / "dataset.json").read_text("utf-8"))
        assert models.DatasetModel(**facts).name == name


def test_the_package_reads_the_records(rg, folder):
    for name in ("mood", "topics", "price", "urgent"):
        known = rg.Settings.from_json(folder / name / ".argilla" / "settings.json")
        for raw in records(folder, name):
            made = rg.Record.from_dict(raw)
            assert set(made.fields) == {f.name for f in known.fields}
            sent = made.api_model().model_dump(mode="json")
            assert sent["external_id"] == raw["id"]
            for suggestion in made.suggestions:
                options = {o["value"] for o in raw_options(folder, name)}
                values = suggestion.value if isinstance(suggestion.value, list) else [suggestion.value]
                assert not options or set(values) <= options
    first = rg.Record.from_dict(records(folder, "topics")[0])
    assert first.suggestions["label"].value == ["b", "c"]


def raw_options(folder, name):
    facts = json.loads((folder / name / ".argilla" / "settings.json").read_text("utf-8"))
    return facts["questions"][0]["settings"].get("options", [])


def test_what_people_chose_comes_back(rg, folder, tmp_path):
    first = records(folder, "mood")[0]
    for value, want in (("good", "accept"), ("bad", "keep"), ("keep", "label:keep")):
        (answer,) = answered(rg, first, tmp_path, ("label", value, ADA), ("note", "seen", ADA))
        assert (answer.said, answer.note, answer.seen) == (want, "seen", 7)
        assert answer.reviewer == f"Argilla user {ADA}"
    assert said(answered(rg, first, tmp_path, ("label", "good", ADA), ("outcome", "none", ADA))) == [
        (1, "", "none")
    ]
    price = records(folder, "price")[0]
    assert said(answered(rg, price, tmp_path, ("label", "3.25", ADA))) == [(7, "", "accept")]
    topics = records(folder, "topics")[0]
    both = answered(rg, topics, tmp_path, ("label", ["b", "c"], ADA), ("label", ["a"], BOB))
    assert said(both) == [
        (5, "a", "accept"), (6, "b", "accept"), (5, "a", "keep"), (6, "b", "keep"), (None, "c", "label:0"),
    ]  # fmt: skip


def test_drafts_and_untouched_records_stay_open(folder, tmp_path):
    path = tmp_path / "r.json"
    first = records(folder, "mood")[0]
    draft = first | {"status": "pending", "responses": {"label": [{"value": "good", "user_id": str(ADA)}]}}
    discarded = first | {"responses": {"label": [{"value": "good", "user_id": "u", "status": "discarded"}]}}
    path.write_text(json.dumps([first, draft, discarded]), "utf-8")
    assert said(edits.read(path)) == [(1, "", "skip")] * 3
    assert {a.said for a in edits.read(folder / "mood")} == {"skip"}  # the folder itself


def test_foreign_records_are_refused(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps([{"id": "x", "fields": {}, "metadata": {}}]), "utf-8")
    with pytest.raises(DataError, match=r"r\.json, record 1 \(id x\): no metadata 'jointset'"):
        edits.read(path)


def test_pictures_and_sounds_stand_in_the_record(tmp_path):
    (tmp_path / "p.png").write_bytes(b"png")
    (tmp_path / "s.wav").write_bytes(b"wav")
    inputs = (Input("p", "image", "p.png"), Input("q", "image", ""), Input("s", "audio", "s.wav"))
    form = Form((question(MOOD, 1, "bad", "good", inputs=inputs),))
    fields = record(form, tmp_path)["fields"]
    assert fields["image"] == "data:image/png;base64,cG5n" and fields["image_2"] is None
    assert fields["audio"] == '<audio controls src="data:audio/wav;base64,d2F2"></audio>'
    kinds = {f["name"]: f["settings"]["type"] for f in settings([form])["fields"]}
    assert kinds == {"title": "text", "image": "image", "image_2": "image", "audio": "text", "why": "text"}
