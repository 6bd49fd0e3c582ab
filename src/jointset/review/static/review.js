// Keys press the buttons that carry them; nothing else is decided here.
"use strict";
(() => {
  const typing = (el) => el && (/^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) || el.isContentEditable);
  const byKey = (key) =>
    [...document.querySelectorAll("[data-key]")].find((el) => el.dataset.key === key && el.offsetParent !== null);
  let busy = 0;

  const play = (audio, share) => {  // what became of it stands on the player, for whoever looks
    audio.onplaying = () => { audio.dataset.playing = ""; };
    audio.onended = () => { delete audio.dataset.playing; audio.dataset.played = ""; };
    const begin = () => {
      if (share !== undefined) { audio.currentTime = share * audio.duration; audio.dataset.sought = share.toFixed(3); }
      audio.play().catch(() => {});  // a browser that does not play unasked shows the player still
    };
    if (audio.readyState > 0 || share === undefined) { begin(); return; }
    audio.addEventListener("loadedmetadata", begin, { once: true });
    audio.load();
  };

  const seek = (slider, share) => {
    const to = Math.min(Math.max(share, 0), 0.999), text = Math.round(100 * to) + " %";
    slider.setAttribute("aria-valuenow", String(Math.round(100 * to)));
    slider.setAttribute("aria-valuetext", text);
    play(slider.closest(".sound").querySelector("audio"), to);
  };
  const STEPS = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -20, PageUp: 20, Home: -100, End: 100 };

  const asTheyAre = (image) => {  // a few pixels are shown as they are; more are smoothed
    if (image.matches && image.matches(".zoom img, .thumb") && image.naturalWidth) image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= 64);
  };
  document.addEventListener("load", (event) => asTheyAre(event.target), true);
  document.querySelectorAll(".zoom img").forEach(asTheyAre);  // those that were there first
  let pointed = null;  // the line that was clicked by mouse: whoever did is done with it

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches && event.target.matches(".seek") && event.key in STEPS) {
      event.preventDefault();
      seek(event.target, (Number(event.target.getAttribute("aria-valuenow")) + STEPS[event.key]) / 100);
      return;
    }
    if (event.key === "Escape" && typing(document.activeElement) && !document.querySelector("dialog[open]")) {
      event.preventDefault();  // otherwise a search field would be emptied
      document.activeElement.blur();
      return;
    }
    if (typing(document.activeElement) || document.querySelector("dialog[open]")) return;
    const onControl = document.activeElement && document.activeElement.matches("button, a, summary, audio");
    if (event.key === "Tab") pointed = null;
    if (event.key === " " && onControl && document.activeElement !== pointed) return;  // a focused button is pressed by Space, as everywhere
    const target = byKey(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!target) return;
    event.preventDefault();
    if (target.matches("input, select")) { target.focus(); if (target.select) target.select(); return; }
    if (target.matches("audio")) { if (target.paused) play(target); else target.pause(); return; }
    if (event.repeat && !/^[jk]$/.test(target.dataset.key)) return;
    if (busy) return;  // the item on the screen is about to change
    target.click();
  });

  document.addEventListener("click", (event) => {
    pointed = event.detail ? event.target.closest(".line") : null;
    const tab = event.target.closest("[data-held]");
    if (tab) {
      document.querySelectorAll("[data-held]").forEach((el) => el.setAttribute("aria-pressed", String(el === tab)));
      document.querySelector("#filters [name=held_out]").value = tab.dataset.held;
      document.querySelectorAll("#filters select").forEach((el) => { el.value = el.name === "decided" ? "open" : el.name === "order" ? el.value : ""; });
      first = true;
      htmx.trigger("#filters", "change");
      return;
    }
    const wave = event.target.closest(".sound .chart");
    if (wave) {
      const box = wave.getBoundingClientRect();
      seek(wave.closest(".seek"), (event.clientX - box.left) / box.width);
      return;
    }
    const zoom = event.target.closest(".zoom");
    if (zoom) {
      const image = zoom.querySelector("img"), large = zoom.classList.toggle("large");
      zoom.setAttribute("aria-pressed", String(large));
      if (large && image.dataset.full) { image.src = image.dataset.full; delete image.dataset.full; }  // all its pixels
      return;
    }
    const opener = event.target.closest("[data-opens]");
    if (opener) { const dialog = document.getElementById(opener.dataset.opens); if (!dialog.open) dialog.showModal(); }
  });

  let first = false;  // after another queue was chosen, its first item is shown
  let filtered = false;  // and so it is when the item on the screen does not match
  const key = () => { const el = document.getElementById("key"); return el ? el.value : ""; };

  const remember = () => {
    const form = document.getElementById("filters");
    if (!form) return;
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (value && !(name === "order" && value === "worth") && !(name === "decided" && value === "open")) query.set(name, value);
      if (name === "decided" && !value) query.set(name, "");
    }
    if (key()) query.set("key", key());
    history.replaceState(null, "", "/" + (String(query) ? "?" + query : ""));
    document.querySelectorAll("[data-item]").forEach((el) => {
      if (el.dataset.item === key()) el.setAttribute("aria-current", "true"); else el.removeAttribute("aria-current");
    });
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "filters") filtered = true;
    if (event.detail.target && event.detail.target.id === "item") busy += 1; });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.target && event.detail.target.id === "item") busy = Math.max(0, busy - 1);
    const closer = event.detail.elt && event.detail.elt.closest && event.detail.elt.closest("[data-closes]");
    if (closer && event.detail.successful) document.getElementById(closer.dataset.closes).close();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const id = event.detail.target.id;
    if (id === "item") {
      const said = document.getElementById("said"), sides = document.querySelector("#item .sides");
      said.textContent = [...document.querySelectorAll("#item > .told, #item > h2"), sides].filter(Boolean).map((el) => el.innerText.replace(/\s+/g, " ")).join(". ");
      const lost = !document.activeElement || document.activeElement === document.body;
      if (lost) document.getElementById("item").focus({ preventScroll: true });
      if (![...document.querySelectorAll("[data-item]")].some((el) => el.dataset.item === key())) htmx.trigger("body", "changed");
    }
    if (id === "item" || id === "queue") remember();
  });
  remember();
  document.addEventListener("htmx:afterSettle", (event) => {  // only now do new buttons answer
    if (event.detail.target.id !== "queue") return;
    const listed = [...document.querySelectorAll("[data-item]")];
    const wanted = first || (filtered && !listed.some((el) => el.dataset.item === key()));
    first = filtered = false;
    if (!wanted) return;
    const top = listed[0];
    if (top) top.click();
  });
  const places = () => [document.querySelector("dialog[open] .alert"), document.getElementById("alert")].filter(Boolean);
  const tell = (text) => {  // in front of an open dialog, and behind it for later
    places().forEach((el) => { if (el.textContent !== text) el.textContent = text; el.hidden = !text; });
  };
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText } = event.detail.xhr, words = document.body.dataset;
    tell(status === 401 ? words.expired : status < 500 ? String(responseText).slice(0, 300) : words.failed);
  });
  ["htmx:sendError", "htmx:timeout"].forEach((name) => document.addEventListener(name, () => tell(document.body.dataset.gone)));
  document.addEventListener("htmx:afterRequest", (event) => {
    const quiet = event.detail.elt && event.detail.elt.id === "news";  // news says nothing of what was refused
    const lasting = [document.body.dataset.gone, document.body.dataset.expired].includes(document.getElementById("alert").textContent);
    if (event.detail.successful && (!quiet || lasting)) document.querySelectorAll(".alert").forEach((el) => { el.hidden = true; el.textContent = ""; });
  });
})();
