// Keeps a page live while it is visible, and shows the values of a plot beside the pointer. Without it all pages work.
(() => {
  "use strict";
  const every = 2000;
  const pulse = () => document.getElementById("pulse");
  let failing = 0;

  // Whoever types, selects text or decides something in the live part is not disturbed.
  const busy = () => {
    const live = document.getElementById("live");
    if (!live || document.querySelector("[popover]:popover-open")) return true;
    const at = document.activeElement;
    if (at && live.contains(at) && at.matches("input, select, textarea")) return true;
    const selected = getSelection();
    return selected && !selected.isCollapsed && live.contains(selected.anchorNode);
  };
  const tick = () => {
    if (!document.hidden && !busy()) htmx.trigger("#live", "live");
  };
  const say = (state, text) => {
    const p = pulse();
    if (!p || p.dataset.state === state) return;
    p.dataset.state = state;
    p.textContent = text;
  };
  let timer = 0;
  const run = () => {
    clearInterval(timer);
    if (document.hidden) return say("still", "paused");
    timer = setInterval(tick, every);
    say("live", "live");
  };
  document.addEventListener("visibilitychange", () => { run(); tick(); });
  document.addEventListener("htmx:afterRequest", (e) => {
    if (e.detail.target?.id !== "live") return;
    failing = e.detail.successful ? 0 : failing + 1;
    if (failing > 1) say("lost", "no answer");
    else if (!document.hidden) say("live", "live");
  });
  document.addEventListener("DOMContentLoaded", run);
  if (document.readyState !== "loading") run();

  // What became of an action is read once.
  const said = () => document.getElementById("said");
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") said()?.remove(); });

  // Plots.
  const tip = () => document.getElementById("tip");
  const hide = () => { const t = tip(); if (t) t.hidden = true; };
  document.addEventListener("pointermove", (e) => {
    const plot = e.target instanceof Element ? e.target.closest("svg[data-plot]") : null;
    const t = tip();
    if (!plot || !t) return hide();
    const lines = JSON.parse(plot.dataset.plot);
    const box = plot.getBoundingClientRect();
    const n = lines[0].values.length;
    const i = Math.max(0, Math.min(n - 1, Math.round((e.clientX - box.left) / box.width * (n - 1))));
    t.replaceChildren();
    const at = document.createElement("b");
    const time = new Date(Number(plot.dataset.from) + i * Number(plot.dataset.step)).toISOString();
    const days = n * Number(plot.dataset.step) > 86400000;
    at.textContent = (days ? time.slice(0, 16).replace("T", " ") : time.slice(11, 19)) + " UTC";
    t.append(at);
    for (const l of [...lines].reverse()) {
      const v = l.values[i];
      if (v === null || (v === 0 && lines.length > 2)) continue;
      const row = document.createElement("span");
      row.className = l.class;
      row.append(document.createElement("i"), l.name + " " + v / 10 + plot.dataset.unit);
      t.append(row);
    }
    t.hidden = false;
    const left = Math.min(e.clientX + 14, innerWidth - t.offsetWidth - 8);
    t.style.left = left + "px";
    t.style.top = Math.max(8, e.clientY - t.offsetHeight - 12) + "px";
  });
  document.addEventListener("scroll", hide, true);
})();
