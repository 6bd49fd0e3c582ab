"""Sounds, pictures and tables of a real run in a real browser: heard, sought in, enlarged, kept in their place."""

import io
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from browsing import look
from jointset import config
from jointset.project import execute
from jointset.review.ranges import ranged
from served import serve

FEW = 96
ODD = 6  # of every so many clips the loudness of one stands out


class Spoken:
    """What :func:`served.serve` asks of a run."""

    def __init__(self, run):
        self.directory = run.directory


@pytest.fixture(scope="module")
def spoken(tmp_path_factory, wav):
    """Spoken digits of three people, with a picture and a number each; a fifth of the labels are wrong."""
    pytest.importorskip("soundfile", reason="the audio extra is not installed")
    image = pytest.importorskip("PIL.Image", reason="the image extra is not installed")
    place = Path(os.environ.get("JOINTSET_DATA") or Path(__file__).parents[3] / "shared" / "data") / "fsdd"
    if not (place / "fsdd.parquet").is_file():
        pytest.skip("no fsdd at hand; JOINTSET_DATA names the folder of the data sets")
    frame = pq.read_table(place / "fsdd.parquet").to_pandas()
    frame = frame[frame.speaker.isin(["george", "jackson", "theo"])].sample(FEW, random_state=0)
    frame = frame.reset_index(drop=True)
    folder = tmp_path_factory.mktemp("spoken")
    rows, rng = [], np.random.default_rng(0)
    for i, clip in frame.iterrows():
        samples = np.frombuffer(clip.pcm16, "<i2") / 2**15
        (folder / f"{i}.wav").write_bytes(wav(samples, 8000))
        out = io.BytesIO()
        image.fromarray(np.full((8, 8), 25 * int(clip.digit), np.uint8)).save(out, "PNG")
        (folder / f"{i}.png").write_bytes(out.getvalue())
        loud = 1e6 if i % ODD == 1 else round(float(20 * np.log10(samples.std())), 2)
        who = clip.speaker if rng.random() > 0.2 else rng.choice(["george", "jackson", "theo"])
        rows.append({"id": f"c{i}", "sound": f"{i}.wav", "picture": f"{i}.png", "loud": loud, "who": who})
    pd.DataFrame(rows).to_csv(folder / "clips.csv", index=False)
    (folder.parent / "outside.wav").write_bytes((folder / "0.wav").read_bytes())
    inputs = {"audio": "sound", "image": "picture", "tabular": ["loud"]}
    settings = {
        "name": "spoken",
        "datasets": {"clips": {"path": str(folder / "clips.csv"), "inputs": inputs, "id": "id"}},
        "tasks": {"who": {"kind": "multiclass", "labels": {"clips": "who"}}},
        "improve": {"rounds": 1, "precision": 0.5, "margin": 1.0, "checks": False},
        "model": {"width": 16, "audio": {"mels": 16, "channels": 8, "widths": [16, 16]},
                  "image": {"widths": [4, 8]}, "tabular": {"hidden": 8}},
        "training": {"epochs": 10, "folds": 2, "batch_size": 16, "learning_rate": 0.01},
    }  # fmt: skip
    run = execute(config.parse(settings, "test"), folder / "runs")
    assert run.summary["edits"]["proposed"], "nothing was proposed; there is nothing to look at"
    return run


@pytest.fixture(scope="module")
def site(spoken):
    found = serve(Spoken(spoken))
    found.enter()
    yield found
    found.stop()


def keys(site):
    return re.findall(r'data-item="(-?\d+)"', site.ask("/queue?decided=&order=row")[2].decode())


def test_a_player_may_ask_for_parts(site):
    path = f"/media?key={keys(site)[0]}&kind=sound&column=0"
    status, headers, whole = site.ask(path)
    headers = {k.lower(): v for k, v in headers.items()}
    assert (status, headers["content-type"], headers["accept-ranges"]) == (200, "audio/wav", "bytes")
    assert whole[:4] == b"RIFF"
    status, headers, part = site.ask(path, headers={"Range": "bytes=100-199"})
    headers = {k.lower(): v for k, v in headers.items()}
    assert (status, part) == (206, whole[100:200])
    assert headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert site.ask(path, headers={"Range": "bytes=-10"})[2] == whole[-10:]
    assert site.ask(path, headers={"Range": f"bytes={len(whole)}-"})[0] == 416
    assert site.ask(path, cookies={})[0] == 401


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        (None, 200, b"0123456789"), ("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=8-99", 206, b"89"),
        ("bytes=-3", 206, b"789"), ("bytes=-99", 206, b"0123456789"), ("bytes=10-", 416, b""), ("bytes=5-2", 416, b""),
        ("bytes=-", 200, b"0123456789"), ("bytes=0-1,4-5", 200, b"0123456789"), ("lines=1-2", 200, b"0123456789"),
    ],
)  # fmt: skip
def test_parts_of_a_body(asked, status, body):
    found = ranged(b"0123456789", "audio/wav", asked)
    assert (found.status_code, found.body) == (status, body)
    if status == 206:
        assert found.headers["content-length"] == str(len(body))


def test_sounds_come_only_from_the_folder_of_the_dataset(site, spoken):
    from jointset.errors import DataError
    from jointset.report import media
    from jointset.report.rows import open_rows

    rows = open_rows(spoken.directory).datasets["clips"]
    samples, rate = media.sound(rows, "sound", 0)
    assert rate == 8000 and 0 < np.abs(samples).max() <= 1
    for name in ("../outside.wav", str(rows.root.parent / "outside.wav"), "/etc/passwd", "clips.csv"):
        with pytest.raises(DataError):
            media.content(rows, name) if name != "clips.csv" else media.image(rows, "sound", 0, 64)
    for other in ("kind=sound&column=1", "kind=sound&column=-1", "kind=file&column=0"):
        assert site.ask(f"/media?key={keys(site)[0]}&{other}")[0] == 404


def test_a_sound_is_played_and_sought_in_by_hand_and_by_key(site, chromium, tmp_path):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    context.add_cookies(
        [{"name": n, "value": v, "url": f"http://127.0.0.1:{site.port}"} for n, v in site.cookies.items()]
    )
    page, problems = context.new_page(), []
    page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.goto(f"http://127.0.0.1:{site.port}/?decided=")
    audio = page.locator("audio")
    audio.wait_for()
    assert page.locator("figure svg.chart polygon.wave").count() == 1
    page.keyboard.press("p")
    page.locator("audio[data-playing], audio[data-played]").wait_for()
    assert audio.evaluate("a => a.error === null && a.duration > 0.1")
    wave = page.locator("figure svg.chart").bounding_box()
    page.mouse.click(wave["x"] + 0.75 * wave["width"], wave["y"] + wave["height"] / 2)
    page.locator("audio[data-sought]").wait_for()
    share = float(audio.get_attribute("data-sought"))
    assert share == pytest.approx(0.75, abs=0.05)
    assert audio.evaluate("a => a.currentTime / a.duration") >= share - 0.02

    slider = page.locator(".seek")
    assert slider.get_attribute("aria-valuenow") == str(round(100 * share)) and slider.get_attribute(
        "aria-label"
    )
    page.focus(".seek")
    for stroke, wanted in (("Home", 0), ("ArrowRight", 5), ("PageUp", 25), ("ArrowLeft", 20)):
        page.keyboard.press(stroke)
        page.wait_for_function("v => document.querySelector('.seek').ariaValueNow === v", arg=str(wanted))
        page.wait_for_function(
            "v => Math.abs(Number(document.querySelector('audio').dataset.sought) - v) < 0.002",
            arg=wanted / 100,
        )
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    look(axe, page)

    zoom = page.locator(".zoom")
    small = zoom.locator("img").bounding_box()["width"]
    assert zoom.locator("img").evaluate("i => i.complete && i.naturalWidth > 0")
    zoom.click()
    assert zoom.get_attribute("aria-pressed") == "true"
    assert zoom.locator("img").bounding_box()["width"] > 1.5 * small
    zoom.click()

    page.goto(f"http://127.0.0.1:{site.port}/?decided=&key={odd_key(site)}")
    odd = page.locator("tr.odd")
    odd.wait_for()
    assert "spreads above the middle" in odd.inner_text()
    page.screenshot(path=os.environ.get("JOINTSET_SHOT") or str(tmp_path / "media.png"))
    assert not problems, problems
    context.close()


def odd_key(site):
    """The first item that shows an unusual cell."""
    for queue in ("", "&held_out=1"):
        text = site.ask(f"/queue?decided=&order=row{queue}")[2].decode()
        for key in re.findall(r'data-item="(-?\d+)"', text):
            if 'class="odd"' in site.ask(f"/item?key={key}")[2].decode():
                return key
    raise AssertionError("no edit is about any of the clips that stand out")
