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

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(document.activeElement) && !document.querySelector("dialog[open]")) {
      event.preventDefault();  // otherwise a search field would be emptied
      document.activeElement.blur();
      return;
    }
    if (typing(document.activeElement) || document.querySelector("dialog[open]")) return;
    const onControl = document.activeElement && document.activeElement.matches("button, a, summary, audio");
    if (event.key === " " && onControl) return;  // a focused button is pressed by Space, as everywhere
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
      play(wave.closest(".sound").querySelector("audio"), Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.999));
      return;
    }
    const zoom = event.target.closest(".zoom");
    if (zoom) { zoom.setAttribute("aria-pressed", String(zoom.classList.toggle("large"))); return; }
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
      const lost = !document.activeElement || document.activeElement === document.body;
      if (lost) document.getElementById("item").focus({ preventScroll: true });
      if (![...document.querySelectorAll("[data-item]")].some((el) => el.dataset.item === key())) htmx.trigger("body", "changed");
    }
    if (id === "item" || id === "queue") remember();
  });
  document.addEventListener("htmx:configRequest", (event) => {  // where to go on after an item that was put in
    const resume = document.getElementById("resume");
    if (resume && event.detail.target.id === "item") event.detail.parameters.resume = resume.value;
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
  document.addEventListener("htmx:responseError", (event) => {
    const news = document.getElementById("news");
    news.textContent = event.detail.xhr.status === 401 ? "401" : String(event.detail.xhr.responseText).slice(0, 300);
  });
})();
