const WIDTH = 520;
const HEIGHT = 360;
const LEFT = 44;
const BOTTOM = 40;
const RIGHT = 12;
const TOP = 10;
const HUES = [212, 28, 130, 350, 280, 180, 55, 310, 95, 240];

function lineColor(number) {
  return number === 0 ? "var(--ink)" : `hsl(${HUES[(number - 1) % HUES.length]} 75% 50%)`;
}

/** Return a chart with a legend; a line of the legend under the pointer lets the others fade. */
function chart(found) {
  const x = (value) => LEFT + value / found.most * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - value * (HEIGHT - BOTTOM - TOP);
  const frame = [];
  for (let step = 0; step <= 5; step += 1) {
    const share = step / 5;
    frame.push(
      el("line", { class: "grid", x1: x(0), x2: x(found.most), y1: y(share), y2: y(share) }),
      el("line", { class: "grid", x1: x(share * found.most), x2: x(share * found.most), y1: y(0), y2: y(1) }),
      el("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end", text: share.toFixed(1) }),
      el("text", { x: x(share * found.most), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle", text: (share * found.most).toFixed(2) }));
  }
  frame.push(
    el("line", { class: "chance", x1: x(0), y1: y(0), x2: x(found.most), y2: y(found.most) }),
    el("text", { x: (WIDTH + LEFT) / 2, y: HEIGHT - 4, "text-anchor": "middle", text: found.along }),
    el("text", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(11 ${(HEIGHT - BOTTOM) / 2}) rotate(-90)`, text: found.upward }));
  const lines = found.lines.map((line, number) => el("polyline", {
    class: "line", style: { stroke: lineColor(number) },
    points: line.points.map(([across, up]) => `${x(across).toFixed(1)},${y(up).toFixed(1)}`).join(" ") }));
  const fade = (chosen) => lines.forEach((line, number) => line.classList.toggle("faint", chosen >= 0 && number !== chosen));
  const legend = found.lines.map((line, number) => el("button", {
    type: "button", onmouseenter: () => fade(number), onmouseleave: () => fade(-1), onfocus: () => fade(number), onblur: () => fade(-1),
  }, el("span", { class: "swatch", style: { background: lineColor(number) } }), ` ${line.name}`));
  return el("figure", { class: "card" }, el("figcaption", { text: found.title }),
    el("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": found.title }, frame, [...lines].reverse()),
    el("div", { class: "legend" }, legend));
}

/** Return a table that is sorted by a click on a column. */
function sortable(found) {
  const shell = el("section", {}, el("h2", { text: found.title }));
  let order = null;
  const show = () => {
    const rows = [...found.rows];
    if (order) {
      const [place, sign] = order;
      const isNumber = found.columns[place][1];
      const value = (row) => (row[place] === null ? -Infinity : Number(row[place]));
      rows.sort((a, b) => sign * (isNumber ? value(a) - value(b) : String(a[place]).localeCompare(String(b[place]))));
    }
    const shown = table(found.columns, rows);
    shown.querySelectorAll("th").forEach((head, place) => {
      const by = order && order[0] === place ? order[1] : 0;
      const button = el("button", { type: "button", text: `${head.textContent}${by > 0 ? " ▲" : by < 0 ? " ▼" : ""}`, onclick: () => {
        order = [place, by < 0 ? 1 : -1];
        show();
      } });
      head.replaceChildren(button);
    });
    shell.replaceChildren(shell.firstChild, shown);
  };
  show();
  return shell;
}

function shotGroups() {
  const groups = new Map();
  for (const shot of data.shots) groups.set(shot.group, [...(groups.get(shot.group) || []), shot]);
  return [...groups].map(([group, shots]) => el("section", {}, el("h2", { text: group }),
    el("div", { class: "shots" }, shots.map((shot) => el("figure", { class: "card" },
      el("img", { src: address(shot.picture), alt: shot.caption, loading: "lazy" }),
      el("figcaption", { text: shot.caption }))))));
}

async function showReport() {
  const charts = await unpack(data.charts);
  document.body.append(
    el("header", { class: "top" }, el("div", {}, el("span", { class: "title", text: data.title }), el("span", { class: "push" }),
      el("button", { type: "button", text: "◐", title: "light or dark (t)", "aria-label": "light or dark", onclick: switchTheme }))),
    el("main", {}, el("h1", { text: data.title }),
      data.facts.length ? table([["", false], ["", false]], data.facts) : "",
      data.notes.map((note) => el("p", { class: "soft", text: note })),
      data.tables.map(sortable),
      charts.length ? el("section", {}, el("h2", { text: "Curves" }), el("div", { class: "charts" }, charts.map(chart))) : "",
      shotGroups()));
}

document.addEventListener("keydown", (event) => {
  if (event.key === "t" && !event.ctrlKey && !event.metaKey && !event.altKey) switchTheme();
});
showReport();
