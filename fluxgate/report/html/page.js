"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  const data = JSON.parse(one("#data").textContent);
  const caseOf = (anchor) => document.getElementById(anchor)?.closest(".case");
  const anchorOf = (place) => one(".inside", place).id;
  const press = (buttons, chosen) => buttons.forEach((b) => b.setAttribute("aria-pressed", b === chosen));
  const rows = all(".matrix tbody tr");
  const cases = all(".case");
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  // The matrix: filters, sorting, and arrow keys from cell to cell

  const chosen = { show: "all" };
  function filter() {
    let shown = 0;
    for (const row of rows) {
      const fits = (chosen.show === "all" || row.dataset[chosen.show] === "1")
        && ["subject", "family"].every((by) => !chosen[by] || row.dataset[by] === chosen[by]);
      row.hidden = !fits;
      caseOf(row.dataset.case).hidden = !fits;
      shown += fits;
    }
    one("#shown").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
    place();
  }
  all("[data-by]").forEach((select) => select.addEventListener("change", () => { chosen[select.dataset.by] = select.value; filter(); }));

  function sort(button) {
    const head = button.closest("th");
    const down = head.getAttribute("aria-sort") === "ascending";
    all(".matrix th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const cell = (row) => (button.dataset.sort === "" ? one("th", row) : all("td.n", row)[button.dataset.sort]).dataset.value;
    const value = (row) => (cell(row) === "" ? (down ? -Infinity : Infinity) : +cell(row));
    rows.sort((a, b) => (value(a) - value(b) || 0) * (down ? -1 : 1));
    one(".matrix tbody").append(...rows);
    one("#cases").append(...rows.map((row) => caseOf(row.dataset.case)));
    place();
  }

  all(".matrix tbody .cell a").forEach((link) => { link.tabIndex = -1; });
  function step(event) {
    const cell = event.target.closest(".matrix td, .matrix th");
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [];
    if (!cell || dx === undefined) return;
    const shown = rows.filter((row) => !row.hidden);
    const row = shown[shown.indexOf(cell.parentNode) + dy];
    const next = row && one("a", row.cells[cell.cellIndex + dx] || row);
    if (next) { next.focus(); event.preventDefault(); }
  }

  function tip(event) {
    const tipped = event.target.closest?.(".tipped");
    root.classList.remove("quiet");
    if (!tipped) return;
    const box = tipped.getBoundingClientRect();
    const style = one(".tip", tipped).style;
    const wide = Math.min(460, innerWidth - 16);
    style.width = "max-content";
    style.maxWidth = `${wide}px`;
    style.left = `${Math.max(8, Math.min(box.left, innerWidth - wide - 8))}px`;
    style.right = "auto";
    const low = box.bottom > innerHeight * 0.6;
    style.top = low ? "auto" : `${box.bottom + 6}px`;
    style.bottom = low ? `${innerHeight - box.top + 6}px` : "auto";
  }
  document.addEventListener("pointerover", tip);
  document.addEventListener("focusin", tip);

  // Comparing two pictures

  const WORDS = { slider: "", onion: "", flicker: "slow to fast", difference: "weak to strong", map: null };
  function load(image, id) {
    const print = document.getElementById(id);
    image.onerror = () => {
      image.onerror = null;
      image.src = print.href.baseVal;
      one(".caption", image.closest(".viewer")).textContent += " The whole picture is not beside this page; this one is smaller.";
    };
    image.src = print.dataset.whole || print.href.baseVal;
    return [+print.getAttribute("width"), +print.getAttribute("height")];
  }

  function view(pair) {
    const home = one(".viewer-place", pair.closest(".case"));
    if (!home.firstChild) {
      home.append(one("#viewer").content.cloneNode(true));
      one(".stage", home).addEventListener("pointermove", drag);
      one(".stage", home).addEventListener("pointerdown", drag);
      one("input", home).addEventListener("input", () => draw(home));
    }
    const { expected, actual, map, spot, caption, labels = "expected actual" } = pair.dataset;
    home.labels = labels.split(" ");
    const [expectedImage, actualImage, mapImage] = all("img", home);
    const shot = one("b, figcaption", pair).firstChild.textContent.trim();
    home.pair = pair;
    one(".caption", home).textContent = expected
      ? `${shot}: ${caption} beside ${home.labels[1]}.` : `${shot}: one picture, as there is no difference to show.`;
    [".left", ".right"].forEach((badge, side) => {
      one(badge, home).textContent = all("img", home)[side].alt = home.labels[side];
    });
    home.size = load(actualImage, actual);
    one(".canvas", home).style.aspectRatio = home.size.join(" / ");
    expected ? load(expectedImage, expected) : expectedImage.removeAttribute("src");
    map ? load(mapImage, map) : mapImage.removeAttribute("src");
    home.spot = spot && spot.split(" ").map(Number);
    one("[data-do=spot]", home).disabled = !spot;
    all("[data-mode]", home).forEach((b) => { b.disabled = !expected || (b.dataset.mode === "map" && !map); });
    mode(home, expected ? (home.mode in WORDS && (map || home.mode !== "map") ? home.mode : "slider") : "single");
    zoom(home, "fit");
  }

  function mode(home, name) {
    home.mode = name;
    press(all("[data-mode]", home), one(`[data-mode=${name}]`, home));
    clearInterval(home.timer);
    one(".what", home).textContent = WORDS[name] || home.labels.join(" to ");
    one(".amount", home).hidden = WORDS[name] == null;
    one("input", home).value = name === "difference" ? 20 * Math.log2(home.pair.dataset.gain || 1) : 50;
    draw(home);
  }

  function draw(home) {
    const canvas = one(".canvas", home);
    const value = +one("input", home).value;
    const [expected, actual, map] = all("img", home);
    canvas.className = `canvas ${home.mode}${home.mode === "difference" ? " stretched" : ""}`;
    canvas.classList.toggle("shrunk", canvas.clientWidth < home.size[0]);
    canvas.style.setProperty("--at", `${value}%`);
    canvas.style.setProperty("--mix", value / 100);
    canvas.style.setProperty("--gain", 2 ** (value / 20));
    expected.classList.toggle("off", home.mode === "single");
    actual.classList.remove("off");
    map.classList.toggle("off", home.mode !== "map");
    clearInterval(home.timer);
    if (home.mode === "flicker" && !still.matches) {
      home.timer = setInterval(() => actual.classList.toggle("off"), 1500 - 11 * value);
    }
  }

  function drag(event) {
    const home = event.currentTarget.closest(".viewer-place");
    const box = one(".canvas", home).getBoundingClientRect();
    if (event.type === "pointerdown" && home.mode === "flicker") all("img", home)[1].classList.toggle("off");
    if (!(event.buttons & 1) || (home.mode !== "slider" && home.mode !== "onion")) return;
    one("input", home).value = (100 * (event.clientX - box.left)) / box.width;
    draw(home);
    event.preventDefault();
  }

  function zoom(home, by) {
    const stage = one(".stage", home);
    const [wide, tall] = home.size;
    press(all("[data-zoom]", home), one(`[data-zoom="${by}"]`, home));
    const fit = Math.min(stage.clientWidth, (wide * innerHeight * 0.62) / tall);
    one(".canvas", home).style.setProperty("--w", `${by === "fit" ? fit : wide * by}px`);
    one(".ring", home).hidden = true;
    draw(home);
  }

  function worst(home) {
    if (!home.spot) return;
    const [x, y, reach] = home.spot;
    const [wide, tall] = home.size;
    const by = wide > 512 ? "4" : "12";
    zoom(home, by);
    const stage = one(".stage", home);
    const ring = one(".ring", home);
    ring.hidden = false;
    for (const [side, part, of] of [["left", x - reach / 2, wide], ["top", y - reach / 2, tall], ["width", reach, wide], ["height", reach, tall]]) {
      ring.style[side] = `${(100 * part) / of}%`;
    }
    stage.scrollTo({ left: x * by - stage.clientWidth / 2, top: y * by - stage.clientHeight / 2, behavior: "instant" });
  }

  const mount = (place) => {
    const pair = one(".pair[data-expected]", place);
    if (place.open && pair && !one(".viewer", place)) view(pair);
  };
  const near = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && mount(entry.target)));

  // Triage: a decision for each case, from the keyboard

  let at = -1;
  let decisions = {};
  const kept = `fluxgate ${data.run}`;
  try { decisions = JSON.parse(localStorage.getItem(kept)) || {}; } catch { /* nothing was kept */ }
  const shownRows = () => rows.filter((row) => !row.hidden);
  const current = () => rows[at] && !rows[at].hidden ? rows[at].dataset.case : null;

  function place() {
    if (!cases.length) return;
    const shown = shownRows();
    const number = shown.indexOf(rows[at]) + 1;
    one("#at").textContent = number ? `${number} of ${shown.length}` : `${shown.length} in all`;
    const own = decisions[current()] || {};
    all("[data-do=approve], [data-do=reject], #note").forEach((input) => { input.disabled = !current(); });
    one("[data-do=approve]").disabled = !data.cases[current()];
    for (const [name, word] of [["approve", "approved"], ["reject", "rejected"]]) {
      one(`[data-do=${name}]`).setAttribute("aria-pressed", own.decision === word);
    }
    one("#note").value = own.note || "";
    const made = Object.values(decisions).filter((entry) => entry.decision).length;
    one("#decided").textContent = `${made} decided`;
  }

  function mark(anchor) {
    const { decision } = decisions[anchor] || {};
    for (const spot of [rows.find((row) => row.dataset.case === anchor), caseOf(anchor)].map((where) => where && one(".decision", where))) {
      if (!spot) continue;
      spot.className = `decision ${decision || ""}`;
      spot.textContent = { approved: "✓ approved", rejected: "✗ rejected" }[decision] || "";
    }
  }

  function go(anchor) {
    const spot = caseOf(anchor);
    if (!spot) return;
    at = rows.findIndex((row) => row.dataset.case === anchor);
    [...rows, ...cases].forEach((other) => other.classList.remove("current"));
    rows[at].classList.add("current");
    spot.classList.add("current");
    spot.open = true;
    mount(spot);
    one("summary", spot).focus({ preventScroll: true });
    spot.scrollIntoView({ block: "start" });
    history.replaceState(null, "", `#${anchor}`);
    place();
  }

  function move(by) {
    const shown = shownRows();
    const next = shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : shown.indexOf(rows[at]) + by];
    if (next) go(next.dataset.case);
  }

  function decide(change) {
    const anchor = current();
    if (!data.names[anchor] || (change.decision === "approved" && !data.cases[anchor])) return;
    const own = decisions[anchor] || { note: "" };
    if (change.decision && change.decision === own.decision) change.decision = "";
    decisions[anchor] = { ...own, ...change };
    try { localStorage.setItem(kept, JSON.stringify(decisions)); } catch { /* forgotten */ }
    mark(anchor);
    place();
  }

  function approvals() {
    const made = rows.map((row) => row.dataset.case).filter((anchor) => data.names[anchor] && decisions[anchor]?.decision);
    return JSON.stringify({
      schema: data.schema,
      run: data.run,
      made: new Date().toISOString(),
      decisions: made.map((anchor) => ({ case: data.names[anchor], pictures: [], ...data.cases[anchor], ...decisions[anchor] })),
    }, null, 2);
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([approvals()], { type: "application/json" }));
    link.download = data.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function copy(button, text) {
    const word = button.dataset.word ||= button.textContent;
    const tell = (said) => { button.textContent = said; setTimeout(() => { button.textContent = word; }, 1500); };
    const fail = () => tell("not allowed");
    navigator.clipboard?.writeText(text).then(() => tell("copied"), fail) ?? fail();
  }

  // Clicks and keys

  const ACTS = {
    open: () => cases.forEach((place) => { place.open = true; }),
    close: () => cases.forEach((place) => { place.open = false; }),
    view: (button) => { view(button.closest(".pair")); one(".viewer", button.closest(".case")).scrollIntoView({ block: "nearest" }); },
    spot: (button) => worst(button.closest(".viewer-place")),
    previous: () => move(-1),
    next: () => move(1),
    approve: () => decide({ decision: "approved" }),
    reject: () => decide({ decision: "rejected" }),
    download: save,
    clip: (button) => copy(button, approvals()),
    copy: (button) => copy(button, one("code", button.parentNode).textContent),
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const link = event.target.closest("a[href^='#case-']");
    if (link) { go(link.getAttribute("href").slice(1)); event.preventDefault(); }
    if (!button) return;
    const home = button.closest(".viewer-place");
    const { do: act, show, sort: by, mode: name, zoom: times } = button.dataset;
    if (act) ACTS[act](button);
    if (show) { chosen.show = show; press(all("[data-show]"), button); filter(); }
    if (by !== undefined) sort(button);
    if (name) mode(home, name);
    if (times) zoom(home, times);
  });

  const KEYS = { j: () => move(1), k: () => move(-1), a: ACTS.approve, r: ACTS.reject, m: () => one("#note").focus() };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { root.classList.add("quiet"); document.activeElement.matches("#note") && document.activeElement.blur(); }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=range], [type=checkbox]), select")) return;
    step(event);
    if (!cases.length || !one("#keys").checked) return;
    const home = rows[at] && one(".viewer-place", caseOf(rows[at].dataset.case));
    const button = home?.firstChild && (event.key === "z" ? one("[data-do=spot]", home) : all("[data-mode]", home)[event.key - 1]);
    if (button && !button.disabled) button.click();
    if (KEYS[event.key]) { KEYS[event.key](); event.preventDefault(); }
  });
  one("#note")?.addEventListener("input", (event) => decide({ note: event.target.value }));
  addEventListener("hashchange", () => go(location.hash.slice(1)));
  addEventListener("DOMContentLoaded", () => {
    cases.forEach((spot) => { near.observe(spot); spot.addEventListener("toggle", () => mount(spot)); });
    Object.keys(decisions).forEach(mark);
    go(location.hash.slice(1));
    place();
  });
})();
