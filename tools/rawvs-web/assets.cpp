// SPDX-License-Identifier: BSD-2-Clause
// assets.cpp: the page's style sheet and script. Colours have a contrast of at least 4.5 (WCAG 2.1, AA), both dark and
// light.
#include "tools/rawvs-web/assets.h"

namespace rawvs::web {

const std::string_view kStyleSheet = R"css(
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#57606a;--line:#d0d7de;--card:#f6f8fa;--link:#0550ae;
--good:#116329;--warn:#7d4e00;--bad:#a40e26;--l0:#0550ae;--l1:#9a3412}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9aa4af;--line:#30363d;--card:#161b22;
--link:#79b8ff;--good:#56d364;--warn:#e3b341;--bad:#ff8f87;--l0:#79b8ff;--l1:#ffa657}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif}
header,main,footer{max-width:80rem;margin:auto;padding:.6rem 1rem}
header{display:flex;flex-wrap:wrap;gap:.4rem 1.5rem;align-items:center}
h1{font-size:1.4rem;margin:0}h2{font-size:1.15rem;margin:1.4rem 0 .4rem}
h3{font-size:1rem;margin:1rem 0 .2rem;overflow-wrap:anywhere}
p{margin:.2rem 0}a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
input,button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--soft);border-radius:4px;
padding:.25rem .5rem;max-width:11rem}
#live{color:var(--soft)}
ul{margin:.2rem 0;padding-left:1.2rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.5rem;margin:0}
dl div{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.4rem .6rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:6px;margin:.3rem 0}
table{border-collapse:collapse;width:100%}
caption{text-align:left;color:var(--soft);padding:.3rem .6rem}
th,td{text-align:left;padding:.25rem .6rem;border-top:1px solid var(--line);white-space:nowrap;vertical-align:top}
td:last-child{white-space:normal;min-width:12rem}
thead th{color:var(--soft);background:var(--card)}
tbody th{position:sticky;left:0;background:var(--bg);font-weight:600}
.n{text-align:right;font-variant-numeric:tabular-nums}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad);font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:.6rem}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.4rem .6rem}
figcaption{font-size:.85rem;min-height:2.6em}
svg{width:100%;height:6rem;display:block;border-bottom:1px solid var(--line)}
path{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
path.l0{stroke:var(--l0)}path.l1{stroke:var(--l1);stroke-dasharray:5 3}
span.l0{color:var(--l0)}span.l1{color:var(--l1)}
.axis{display:flex;justify-content:space-between;font-size:.8rem;color:var(--soft)}
@media(max-width:30rem){header,main,footer{padding:.5rem}.plots,dl{grid-template-columns:1fr}
tbody th{white-space:normal;min-width:9rem;max-width:9.5rem;overflow-wrap:anywhere}
th,td{padding:.25rem .4rem}#events tbody th{min-width:6.8rem;position:static;font-weight:400}
#events td:last-child{min-width:9rem;overflow-wrap:anywhere}}
)css";

// Each second the page is asked for again, and the sections that have changed are replaced: not one that holds the
// keyboard's focus or the reader's selection.
const std::string_view kScript = R"js("use strict";
(() => {
  const live = document.getElementById("live");
  let failed = 0, wait = 0;
  const busy = (section) => {
    const selection = getSelection();
    return section.contains(document.activeElement) ||
      (selection && !selection.isCollapsed && section.contains(selection.anchorNode));
  };
  const replace = (fresh) => {
    const main = document.querySelector("main"), wanted = fresh.querySelector("main");
    let before = null;
    for (const section of [...main.children]) {
      if (section.id && !wanted.querySelector("#" + section.id)) section.remove();
    }
    for (const section of [...wanted.children]) {
      const old = section.id && document.getElementById(section.id);
      if (!old) {
        before ? before.after(section) : main.prepend(section);
        before = section;
        continue;
      }
      before = old;
      if (old.outerHTML === section.outerHTML || busy(old)) continue;
      const scrolled = [...old.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
      old.replaceWith(section);
      [...section.querySelectorAll(".scroll")].forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
      before = section;
    }
  };
  const turn = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, {cache: "no-store", signal: AbortSignal.timeout(5000)});
        if (!answer.ok) throw new Error(answer.status);
        replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
        if (failed || !live.textContent) live.textContent = "Live";
        failed = 0;
      } catch (error) {
        failed += 1;
        live.textContent = "No answer from rawvs-web: these are old numbers";
      }
    }
    wait = Math.min(1000 * (1 + failed), 10000);
    setTimeout(turn, wait);
  };
  setTimeout(turn, 1000);
})();
)js";

}  // namespace rawvs::web
