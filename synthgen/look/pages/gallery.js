const PAGE = 25;  // classes
const LASSO = 6;  // points of the shortest line round classes: less is a click
const MAP = "Map of classes";
const MARKED = 30;  // objects of a kind that are numbered in the picture
const state = { field: 0, page: 0, search: "", filters: [], overlay: false, marks: true, slider: 50, compare: false };
const samples = [];  // in the order in which distributions number them: [place of the class, place in the class]
data.classes.forEach((row, place) => row.keys.forEach((_, slot) => samples.push([place, slot])));
const firstOf = [];
data.classes.reduce((first, row) => { firstOf.push(first); return first + row.keys.length; }, 0);
const placeOf = new Map(data.classes.map((row, place) => [row.label, place]));
const detailsOf = new Map();

const clean = data.fields.findIndex((field) => field.name === "clean");
const ids = data.fields.findIndex((field) => field.name === "instances");
const peeked = ids >= 0 ? ids : Math.min(1, data.fields.length - 1);  // what a thumb shows under the pointer

const main = el("main", { id: "main" });
const fieldRow = el("div", { class: "row", role: "group", "aria-label": "Field" });
let onField = () => {};  // what the view at hand does when another field is chosen
let onKey = () => false;  // what the view at hand does with a key
let visits = 0;  // views that were opened

function details(place) {
  if (!detailsOf.has(place)) detailsOf.set(place, unpack(data.classes[place].details));
  return detailsOf.get(place);
}

function classSprite(place, field) {
  return `c${String(data.classes[place].label).padStart(6, "0")}-${data.fields[field].name}`;
}

function special(place, name) {
  return `c${String(data.classes[place].label).padStart(6, "0")}..${name}`;
}

// ---- pictures ----

/** Show one cell of a sprite in an element. */
function showCell(node, place, slot, field) {
  const count = data.classes[place].keys.length;
  const columns = Math.min(count, data.columns);
  const rows = Math.ceil(count / data.columns);
  const column = slot % data.columns;
  const row = Math.floor(slot / data.columns);
  node.style.backgroundImage = `url("${address(classSprite(place, field))}")`;
  node.style.backgroundSize = `${columns * 100}% ${rows * 100}%`;
  node.style.backgroundPosition =
    `${columns > 1 ? (column / (columns - 1)) * 100 : 0}% ${rows > 1 ? (row / (rows - 1)) * 100 : 0}%`;
}

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    entry.target.show();
  }
}, { rootMargin: "300px" });

function sampleLink(place, slot) {
  const row = data.classes[place];
  return `#/sample/${row.label}/${row.indices[slot]}`;
}

function classLink(place) {
  return `#/class/${data.classes[place].label}`;
}

/** Return a small picture that opens its sample. It loads when it comes near the screen. */
function thumb(place, slot) {
  const row = data.classes[place];
  return pictureLink(place, slot, sampleLink(place, slot), `${row.name}, image ${row.indices[slot]}`, row.keys[slot]);
}

/** Return the first picture of a class, which opens the class. */
function classThumb(place) {
  const row = data.classes[place];
  return pictureLink(place, 0, classLink(place), `class ${row.label}, ${row.name}`, row.name);
}

function pictureLink(place, slot, href, label, title) {
  const [height, width] = data.size;
  const node = el("a", {
    class: "thumb", href, role: "link", "aria-label": label, title, draggable: "false",
    style: { "aspect-ratio": `${width} / ${height}` },
    onmouseenter: () => showCell(node, place, slot, state.field === peeked ? 0 : peeked),
    onmouseleave: () => showCell(node, place, slot, state.field),
  });
  node.show = () => showCell(node, place, slot, state.field);
  near.observe(node);
  return node;
}

function refreshThumbs() {
  for (const node of main.querySelectorAll(".thumb")) if (node.style.backgroundImage) node.show();
}

function hasLarge(place, slot) {
  return slot < data.classes[place].large;
}

/** Return a field of a sample as large as it is there. */
function layer(place, slot, field, over = false) {
  const [height, width] = data.size;
  const name = `${data.classes[place].keys[slot]}-${data.fields[field].name}`;
  const look = over ? "layer over" : "layer";
  if (hasLarge(place, slot) && field !== ids) {
    return el("img", { class: look, src: address(name), alt: data.fields[field].name, width, height });
  }
  const node = el("div", { class: look, role: "img", "aria-label": data.fields[field].name,
    style: { "aspect-ratio": `${width} / ${height}` } });
  showCell(node, place, slot, field);
  return node;
}

// ---- filters ----

function matching() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  data.classes.forEach((row, place) => {
    const name = `${row.label} ${row.name}`.toLowerCase();
    if (!words.every((word) => name.includes(word))) return;
    const slots = row.keys.map((_, slot) => slot)
      .filter((slot) => state.filters.every((filter) => filter.samples.has(firstOf[place] + slot)));
    if (slots.length) found.push([place, slots]);
  });
  return found;
}

function toggleFilter(name, text, numbers) {
  const known = state.filters.findIndex((filter) => filter.name === name && filter.text === text);
  if (known >= 0) state.filters.splice(known, 1);
  else state.filters.push({ name, text, samples: new Set(numbers) });
  state.page = 0;
}

function isFiltered(name, text) {
  return state.filters.some((filter) => filter.name === name && filter.text === text);
}

function chips(refresh) {
  const remove = (filter) => () => { toggleFilter(filter.name, filter.text, []); refresh(); };
  const buttons = state.filters.map((filter) => el("button", {
    type: "button", text: `${filter.name}: ${filter.text} ×`, title: "Remove this filter", onclick: remove(filter),
  }));
  const all = el("button", { type: "button", text: "Remove all filters", onclick: () => { state.filters = []; refresh(); } });
  return state.filters.length ? el("div", { class: "row chips" }, buttons, state.filters.length > 1 ? all : null) : null;
}

// ---- views ----

function head() {
  const facts = new Map(data.facts);
  const shown = ["images", "size", "fields", "license"].map((name) =>
    el("span", {}, el("b", { text: `${name} ` }), facts.get(name)));
  const short = facts.get("data fingerprint").slice(0, 12);
  shown.push(el("span", { title: facts.get("data fingerprint") }, el("b", { text: "fingerprint " }), el("code", { text: short })));
  const card = el("pre", { text: "" });
  unpack(data.card).then((text) => { card.textContent = text || "There is no card."; });
  const section = (title, ...nodes) => [el("h2", { text: title }), ...nodes];
  return el("section", { class: "card" },
    el("h1", { text: data.title }),
    el("p", { text: data.summary }),
    el("div", { class: "facts" }, shown),
    data.notes.map((note) => el("p", { class: "note", text: note })),
    el("details", {}, el("summary", { text: "Make it again, versions, card" }),
      section("Make it again", el("p", { class: "note", text: "recipe.yaml:" }), copyable(data.recipe), copyable(data.again)),
      section("Facts", table([["", false], ["", false]], data.facts)),
      section("Card", card),
      el("p", {}, "The files are described in ", el("a", { href: "#/format", text: "FORMAT.md" }), ".")));
}

function classRow(place, slots) {
  const row = data.classes[place];
  return el("section", { class: "class" },
    el("header", {},
      el("h3", {}, el("a", { href: `#/class/${row.label}`, text: row.name })),
      el("span", { class: "soft", text: `class ${row.label}` })),
    el("div", { class: "thumbs" }, slots.slice(0, data.columns).map((slot) => thumb(place, slot))));
}

function showGrid() {
  const list = el("div");
  const refresh = () => {
    const found = matching();
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const count = found.reduce((sum, [, slots]) => sum + slots.length, 0);
    const shown = found.slice(state.page * PAGE, (state.page + 1) * PAGE);
    const go = (step) => () => { state.page += step; refresh(); scrollTo(0, 0); };
    const pager = () => el("div", { class: "row" },
      el("span", { class: "soft", text: `${found.length} classes, ${count} images` }),
      pages > 1 ? [
        el("button", { type: "button", text: "‹ previous", disabled: state.page === 0, onclick: go(-1) }),
        el("span", { text: `page ${state.page + 1} of ${pages}` }),
        el("button", { type: "button", text: "next ›", disabled: state.page === pages - 1, onclick: go(1) })] : null);
    list.replaceChildren(...[chips(refresh), pager(), el("div", { style: { height: "0.8rem" } }),
      ...shown.map(([place, slots]) => classRow(place, slots)),
      found.length ? null : el("p", { text: "No image matches." }), pages > 1 ? pager() : null].filter(Boolean));
  };
  refresh();
  main.replaceChildren(head(), el("h2", { text: "Classes" }), list);
  onField = refreshThumbs;
  onSearch = refresh;
  onKey = (key) => {
    const step = { "]": 1, "[": -1 }[key];
    if (step) {
      const pages = Math.ceil(matching().length / PAGE);
      state.page = Math.min(Math.max(state.page + step, 0), Math.max(pages - 1, 0));
      refresh();
      return true;
    }
    return moveFocus(key);
  };
}

/** Move the focus among small pictures by an arrow key. */
function moveFocus(key) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const all = [...main.querySelectorAll(".thumb")];
  if (!step || !all.length) return false;
  const from = all.indexOf(document.activeElement);
  if (from < 0) {
    all[0].focus();
    return true;
  }
  if (step[0]) {
    all[Math.min(Math.max(from + step[0], 0), all.length - 1)].focus();
    return true;
  }
  const here = all[from].getBoundingClientRect();
  let best = null;
  for (const node of all) {
    const there = node.getBoundingClientRect();
    const down = (there.top - here.top) * step[1];
    if (down < 1) continue;
    const far = down * 10 + Math.abs(there.left - here.left);
    if (!best || far < best.far) best = { far, node };
  }
  if (best) best.node.focus();
  return true;
}

function parallelograms(maps) {
  const corners = [[0, 0], [1, 0], [1, 1], [0, 1]];
  const shapes = maps.map((rows) => corners.map(([x, y]) => rows.map(([a, b, c]) => a * x + b * y + c)));
  const all = [...shapes.flat(), ...corners];
  const low = [0, 1].map((axis) => Math.min(...all.map((point) => point[axis])));
  const high = [0, 1].map((axis) => Math.max(...all.map((point) => point[axis])));
  const side = Math.max(high[0] - low[0], high[1] - low[1]) || 1;
  const place = ([x, y]) => [10 + (x - low[0]) / side * 220, 10 + (y - low[1]) / side * 220].map((v) => v.toFixed(1)).join(",");
  const shape = (points, color, dashed) => el("polygon", {
    points: points.map(place).join(" "), fill: dashed ? "none" : color, "fill-opacity": "0.25", stroke: color,
    "stroke-width": "1.5", "stroke-dasharray": dashed ? "4 3" : undefined });
  return el("svg", { viewBox: "0 0 240 240", role: "img", "aria-label": "What the maps make of the unit square" },
    shape(corners, "currentColor", true), shapes.map((points, i) => shape(points, cssColor(i + 1), false)));
}

function formula(found, title) {
  if (!found) return null;
  const number = (value) => (Math.round(value * 1e4) / 1e4).toFixed(4);
  const rows = (found.maps || []).map((map, i) => [
    el("span", {}, el("span", { class: "swatch", style: { background: cssColor(i + 1) } }), ` ${i + 1}`),
    ...map.flat().map(number)]);
  const columns = ["map", "a₁₁", "a₁₂", "b₁", "a₂₁", "a₂₂", "b₂"].map((name, i) => [name, i > 0]);
  return el("section", {}, el("h2", { text: title }),
    el("div", { class: "formula" },
      found.maps ? parallelograms(found.maps) : null,
      el("div", {}, found.text.map((line) => el("p", {}, el("code", { text: line }))),
        found.maps ? table(columns, rows) : null,
        found.maps ? el("p", { class: "note", text: "Dashed: the unit square. Colored: what each map x → A x + b makes of it." }) : null)));
}

function tree(value, key) {
  const isOpen = value !== null && typeof value === "object";
  const name = el("span", { class: "key", text: isOpen ? `${key} ` : `${key}: ` });
  if (!isOpen) return el("div", { class: "leaf" }, name, el("code", { text: JSON.stringify(value) }));
  const isFlat = Array.isArray(value) && value.every((item) => typeof item !== "object" || item === null);
  if (isFlat) return el("div", { class: "leaf" }, el("span", { class: "key", text: `${key}: ` }), el("code", { text: JSON.stringify(value) }));
  const node = el("details");
  const size = Array.isArray(value) ? `[${value.length}]` : "";
  node.append(el("summary", {}, name, el("span", { class: "soft", text: size })));
  const fill = () => {
    if (node.childElementCount > 1) return;
    for (const [inner, item] of Object.entries(value)) node.append(tree(item, inner));
  };
  node.addEventListener("toggle", fill);
  return node;
}

/** Return what a promise gives while the view at hand stays open: a view that was left does not go on. */
async function ifStillHere(promise) {
  const visit = visits;
  const value = await promise;
  return visit === visits ? value : new Promise(() => {});
}

async function showClass(label) {
  const place = placeOf.get(label);
  if (place === undefined) return showGrid();
  onKey = (key) => (key === "Escape" ? go("#/") : moveFocus(key));
  const row = data.classes[place];
  const found = await ifStillHere(details(place));
  const [height, width] = data.size;
  const figure = (name, text, look) => el("figure", {},
    el("img", { src: address(name), alt: text, class: look, style: { "aspect-ratio": `${width} / ${height}` } }),
    el("figcaption", { text }));
  const heat = special(place, "heat") in data.pictures;
  const fromSample = found.samples[0].formula;
  const known = { ...found.row };
  delete known.name;
  delete known.id;
  main.replaceChildren(...[
    el("p", {}, el("a", { href: "#/", text: "‹ all classes" })),
    el("h1", { text: row.name }), el("p", { class: "soft", text: `class ${row.label}` }),
    el("div", { class: "pair" },
      figure(special(place, "mean"), `mean of ${row.keys.length} images`),
      heat ? figure(special(place, "heat"), data.heat.title.toLowerCase(), "pixels") : null),
    formula(found.formula, "Formula") || formula(fromSample, `Formula of image ${row.indices[0]}: each image has its own`),
    Object.keys(known).length ? el("section", {}, el("h2", { text: "Class table" }), branches(known)) : null,
    el("h2", { text: `${row.keys.length} images` }),
    el("div", { class: "thumbs" }, row.keys.map((_, slot) => thumb(place, slot))),
    nearestClasses(place), neighborLinks(place)].filter(Boolean));
  onField = refreshThumbs;
}

/** Return what classes are compared by. */
function comparedBy() {
  const { by } = data.map;
  return by ? `the features that ${by} finds in their images` : "the mean of their images and the mean of the spectra of these";
}

function nearestClasses(place) {
  if (!data.map) return null;
  const figure = (other) => el("figure", {}, classThumb(other),
    el("figcaption", {}, el("a", { href: classLink(other), text: data.classes[other].name })));
  return el("section", { class: "nearest" },
    el("h2", { text: "Nearest classes" }),
    el("p", { class: "note" }, `Of those that this page shows, by ${comparedBy()}. `,
      el("a", { href: "#/map", text: "Map of all classes" })),
    el("div", { class: "strip" }, data.map.nearest[place].map(figure)));
}

function neighborLinks(place) {
  const link = (to, text) => (data.classes[to] ? el("a", { href: `#/class/${data.classes[to].label}`, text }) : null);
  return el("p", { class: "row" }, link(place - 1, "‹ class before"), el("span"), link(place + 1, "class after ›"));
}

function go(hash) {
  location.hash = hash;
  return true;
}

/** Return a tree of parameters without a line for all of them. */
function branches(value) {
  return el("div", { class: "tree card" }, Object.entries(value).map(([key, item]) => tree(item, key)));
}

/** Return the kind of each id, by the runs that the page has. */
function kindsOf(objects) {
  const kinds = [undefined];
  for (const [kind, count] of objects.kinds) for (let i = 0; i < count; i += 1) kinds.push(kind);
  return kinds;
}

/** Read the ids of a sample from its picture: Uint16Array, width, height. */
async function readIds(name) {
  const image = new Image();
  image.src = address(name);
  await image.decode();
  const canvas = el("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  const found = new Uint16Array(canvas.width * canvas.height);
  for (let i = 0; i < found.length; i += 1) found[i] = pixels[4 * i] + 256 * pixels[4 * i + 1];
  return { found, width: canvas.width, height: canvas.height };
}

async function showSample(label, index) {
  const place = placeOf.get(label);
  const slot = place === undefined ? -1 : data.classes[place].indices.indexOf(index);
  if (slot < 0) return showGrid();
  const row = data.classes[place];
  onKey = (key) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (step && row.keys[slot + step]) return go(sampleLink(place, slot + step));
    if (key === "Escape" || key === "ArrowUp") return go(`#/class/${label}`);
    const box = document.getElementById({ c: "option-compare", i: "option-overlay", n: "option-marks" }[key]);
    if (box) box.click();
    return Boolean(box);
  };
  const found = (await ifStillHere(details(place))).samples[slot];
  const [height, width] = data.size;
  const objects = found.objects;
  const kinds = objects ? kindsOf(objects) : [];
  const counts = new Map();
  for (const kind of kinds.slice(1)) counts.set(kind, (counts.get(kind) || 0) + 1);
  const hiddenIds = new Set();
  const hiddenKinds = new Set();
  let lit = 0;
  let map = null;

  const stage = el("div", { class: "stage", "data-small": Math.max(height, width) <= 128 });
  const canvas = el("canvas");
  const marks = el("div");
  const [tall, wide] = data.stored;

  const isShown = (id) => !hiddenIds.has(id) && !hiddenKinds.has(kinds[id]);

  function paint() {
    const field = data.fields[state.field].name;
    const opaque = field === "instances" && map !== null;
    const on = map !== null && (opaque || lit > 0 || state.overlay);
    canvas.hidden = !on;
    if (on) {
      canvas.width = map.width;
      canvas.height = map.height;
      const pen = canvas.getContext("2d");
      const picture = pen.createImageData(map.width, map.height);
      for (let i = 0; i < map.found.length; i += 1) {
        const id = map.found[i];
        if (id && isShown(id) && (id === lit || state.overlay || opaque)) {
          picture.data.set(idColor(id), 4 * i);
          picture.data[4 * i + 3] = opaque ? 255 : id === lit ? 200 : 120;
        } else if (opaque) picture.data[4 * i + 3] = 255;
      }
      pen.putImageData(picture, 0, 0);
    }
    paintMarks();
  }

  function paintMarks() {
    marks.replaceChildren();
    if (!objects) return;
    for (const thing of objects.rows) {
      if (!thing.box) continue;
      const [top, left, bottom, right] = thing.box;
      if (bottom <= top || right <= left) continue;
      if (thing.id === lit) {
        marks.append(el("div", { class: "frame", style: {
          top: `${top / tall * 100}%`, left: `${left / wide * 100}%`,
          height: `${(bottom - top) / tall * 100}%`, width: `${(right - left) / wide * 100}%` } }));
      }
      const isMarked = state.marks && state.overlay && isShown(thing.id) && thing.visible_area !== 0;
      if (!isMarked || counts.get(thing.kind) > MARKED) continue;
      const inside = thing.center && thing.center[0] >= 0 && thing.center[0] < tall
        && thing.center[1] >= 0 && thing.center[1] < wide;
      const [y, x] = inside ? thing.center : [(top + bottom) / 2, (left + right) / 2];
      marks.append(el("span", { class: "mark", text: thing.id, style: {
        top: `${y / tall * 100}%`, left: `${x / wide * 100}%` } }));
    }
  }

  function paintStage() {
    const bottom = layer(place, slot, state.compare ? clean : state.field);
    const parts = [bottom];
    if (state.compare) {
      const above = layer(place, slot, 0, true);
      above.style.clipPath = `inset(0 0 0 ${state.slider}%)`;
      parts.push(above, el("div", { class: "edge", style: { left: `${state.slider}%` } }));
    }
    if (!state.compare) parts.push(canvas, marks);
    stage.replaceChildren(...parts);
    paint();
  }

  const light = (id) => {
    lit = id;
    for (const line of table_.querySelectorAll("tr[data-id]")) line.dataset.lit = Number(line.dataset.id) === id;
    paint();
  };
  stage.addEventListener("mousemove", (event) => {
    if (!map || !objects) return;
    const box = stage.getBoundingClientRect();
    const x = Math.floor((event.clientX - box.left) / box.width * map.width);
    const y = Math.floor((event.clientY - box.top) / box.height * map.height);
    const id = map.found[y * map.width + x] || 0;
    if (id !== lit) light(id);
  });
  stage.addEventListener("mouseleave", () => lit && light(0));

  const table_ = objects ? objectTable(objects, hiddenIds, light, paint) : el("div");
  const kindBoxes = el("div", { class: "row kinds" }, [...counts].map(([kind, count]) => {
    const box = el("input", { type: "checkbox", checked: true, onchange: () => {
      if (box.checked) hiddenKinds.delete(kind);
      else hiddenKinds.add(kind);
      paint();
    } });
    return el("label", {}, box, `${kind} (${count})`);
  }));
  const option = (name, text, key) => {
    const box = el("input", { type: "checkbox", checked: state[name], id: `option-${name}`, onchange: () => {
      state[name] = box.checked;
      paintStage();
    } });
    return el("label", {}, box, text, " ", el("kbd", { text: key }));
  };
  const slider = el("input", { type: "range", min: 0, max: 100, value: state.slider, "aria-label": "clean or image", oninput: () => {
    state.slider = Number(slider.value);
    state.compare = true;
    const box = document.getElementById("option-compare");
    if (box) box.checked = true;
    paintStage();
  } });
  const tools = el("div", { class: "tools" },
    clean >= 0 ? el("div", { class: "row" }, option("compare", "clean | image", "c"), slider) : null,
    objects && ids >= 0 && hasLarge(place, slot) ? el("div", { class: "row" }, option("overlay", "objects", "i"), option("marks", "numbers", "n")) : null,
    counts.size ? kindBoxes : null);

  const { folder, size } = data.render;
  const command = `synthgen render ${folder} --label ${label} --index ${index} --size ${size} -o ${row.keys[slot]}.png`;
  const strip = el("div", { class: "strip" }, row.keys.map((_, other) => {
    const node = thumb(place, other);
    if (other === slot) node.setAttribute("aria-current", "true");
    return node;
  }));
  main.replaceChildren(...[
    el("p", {}, el("a", { href: "#/", text: "‹ all classes" }), " / ", el("a", { href: `#/class/${label}`, text: row.name })),
    el("h1", { text: row.keys[slot] }),
    el("div", { class: "sample" },
      el("div", {}, stage, tools,
        hasLarge(place, slot) ? null : el("p", { class: "note", text: "There is only a small picture of this image here: the gallery was to stay small." }),
        el("h2", { text: "Draw it again" }), copyable(command)),
      el("div", {},
        objects ? el("section", {}, el("h2", { text: objects.count === 1 ? "1 object" : `${objects.count} objects` }),
          objects.rows.length < objects.count ? el("p", { class: "note", text: `${objects.rows.length} are listed, those of rare kinds first.` }) : null,
          table_) : null,
        el("h2", { text: "Parameters" }), branches(found.params))),
    formula(found.formula, "Formula of this image"),
    el("h2", { text: "Others of its class" }), strip].filter(Boolean));
  paintStage();
  const current = strip.querySelector("[aria-current]");
  strip.scrollLeft = current.offsetLeft - strip.offsetLeft - strip.clientWidth / 2;
  onField = () => { state.compare = false; const box = document.getElementById("option-compare"); if (box) box.checked = false; paintStage(); refreshThumbs(); };

  if (ids >= 0 && hasLarge(place, slot)) {
    map = await ifStillHere(readIds(`${row.keys[slot]}-${data.fields[ids].name}`));
    paint();
  }
}

function objectTable(objects, hiddenIds, light, paint) {
  const columns = [["", false], ["id", true], ["kind", false], ["box", true], ["area", true], ["visible", true]];
  const shell = table(columns, objects.rows.map((thing) => {
    const box = el("input", { type: "checkbox", checked: true, "aria-label": `show object ${thing.id}`, onchange: () => {
      if (box.checked) hiddenIds.delete(thing.id);
      else hiddenIds.add(thing.id);
      paint();
    } });
    const share = thing.area ? `${Math.round(100 * thing.visible_area / thing.area)} %` : "-";
    return [box, el("span", {}, el("span", { class: "swatch", style: { background: cssColor(thing.id) } }), ` ${thing.id}`),
      thing.params ? tree(thing.params, thing.kind) : thing.kind, thing.box ? thing.box.join(", ") : "-",
      thing.area === null ? "-" : thing.area.toLocaleString("en"), share];
  }));
  shell.classList.add("objects");
  [...shell.querySelectorAll("tbody tr")].forEach((line, i) => {
    line.dataset.id = objects.rows[i].id;
    line.addEventListener("mouseenter", () => light(objects.rows[i].id));
    line.addEventListener("mouseleave", () => light(0));
  });
  return shell;
}

async function showDistributions() {
  onKey = (key) => key === "Escape" && go("#/");
  const found = await ifStillHere(unpack(data.distributions));
  const cells = data.heat ? await ifStillHere(unpack(data.heat.cells)) : [];
  const body = el("div");
  const refresh = () => {
    const count = matching().reduce((sum, [, slots]) => sum + slots.length, 0);
    const figures = found.map((figure) => el("figure", { class: "card" }, el("figcaption", { text: figure.title }), bars(figure, refresh)));
    if (data.heat) figures.unshift(el("figure", { class: "card" }, el("figcaption", { text: data.heat.title }), heatMap(cells, refresh)));
    body.replaceChildren(...[chips(refresh), el("p", {},
      el("a", { href: "#/", text: `${count} of ${samples.length} images match` }),
      state.filters.length ? "" : ". Choose a bar, or a place in the map, to filter them."), el("div", { class: "figures" }, figures)].filter(Boolean));
  };
  refresh();
  main.replaceChildren(el("h1", { text: "Distributions" }), el("p", { class: "note", text: "Of the images that this page shows." }), body);
  onSearch = refresh;
}

function bars(figure, refresh) {
  const most = Math.max(...figure.bars.map((bar) => bar.count), 1);
  return el("div", { class: "bars" }, figure.bars.map((bar) => el("button", {
    type: "button", "aria-pressed": String(isFiltered(figure.title, bar.text)), title: `${bar.samples.length} images`,
    onclick: () => { toggleFilter(figure.title, bar.text, bar.samples); refresh(); },
  }, el("span", { class: "text", text: bar.text, title: bar.text }),
    el("span", { class: "bar", style: { width: `${bar.count / most * 100}%` } }),
    el("span", { class: "count", text: bar.count.toLocaleString("en") }))));
}

function heatMap(cells, refresh) {
  const { rows, columns, title } = data.heat;
  const [height, width] = data.size;
  const picture = el("img", { class: "pixels", src: address("all..heat"), alt: title, style: { "aspect-ratio": `${width} / ${height}` } });
  const node = el("div", { class: "heat" }, picture);
  const has = (text, cell) => text && (parseInt(text.substr(2 * (cell >> 3), 2), 16) >> (7 - (cell & 7))) & 1;
  const name = (row, column) => `row ${row + 1}, column ${column + 1} of ${rows} x ${columns}`;
  for (let row = 0; row < rows; row += 1) for (let column = 0; column < columns; column += 1) {
    if (isFiltered(title, name(row, column))) {
      node.append(el("div", { class: "cell", style: { top: `${row / rows * 100}%`, left: `${column / columns * 100}%`,
        height: `${100 / rows}%`, width: `${100 / columns}%` } }));
    }
  }
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    const row = Math.min(rows - 1, Math.floor((event.clientY - box.top) / box.height * rows));
    const column = Math.min(columns - 1, Math.floor((event.clientX - box.left) / box.width * columns));
    const numbers = cells.map((text, number) => (has(text, row * columns + column) ? number : -1)).filter((number) => number >= 0);
    toggleFilter(title, name(row, column), numbers);
    refresh();
  });
  return node;
}

// ---- map of classes ----

/** Return whether a point lies in a polygon. */
function isInside(polygon, [x, y]) {
  let inside = false;
  polygon.forEach(([x1, y1], i) => {
    const [x2, y2] = polygon[(i + polygon.length - 1) % polygon.length];
    if ((y1 > y) !== (y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1) inside = !inside;
  });
  return inside;
}

function samplesOf(places) {
  return places.flatMap((place) => data.classes[place].keys.map((_, slot) => firstOf[place] + slot));
}

/** Leave the classes that lie in a polygon. A map has one filter at a time. */
function filterByMap(polygon) {
  const inside = data.classes.map((_, place) => place).filter((place) => isInside(polygon, data.map.places[place]));
  state.filters = state.filters.filter((filter) => filter.name !== MAP);
  const text = inside.length === 1 ? "1 class" : `${inside.length} classes`;
  if (inside.length) toggleFilter(MAP, text, samplesOf(inside));
}

function mapPicture(refresh) {
  const found = new Set(matching().map(([place]) => place));
  const across = Math.min(9, 55 / Math.sqrt(data.classes.length));  // of a picture, percent of the map's width
  const points = data.map.places.map(([x, y], place) => {
    const node = classThumb(place);
    node.classList.toggle("faint", !found.has(place));
    for (const [name, value] of [["left", `${x * 100}%`], ["top", `${y * 100}%`], ["width", `${across}%`]]) {
      node.style.setProperty(name, value);
    }
    return node;
  });
  const line = el("polygon", { points: "" });
  const drawing = el("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, line);
  const inner = el("div", { class: "places" }, points, drawing);
  const shape = Math.min(1, Math.max(0.4, data.map.shape));
  const node = el("div", { class: "map card", style: { "--shape": `${1 / shape}` } }, inner);
  followLasso(node, inner, line, refresh);
  return node;
}

/** Draw a line with the pointer on a map; what it goes round is left when it ends. */
function followLasso(node, inner, line, refresh) {
  let path = null;
  const at = (event) => {
    const box = inner.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  node.addEventListener("pointerdown", (event) => { if (event.button === 0) path = [at(event)]; });
  node.addEventListener("pointermove", (event) => {
    if (!path) return;
    path.push(at(event));
    if (path.length === LASSO) node.setPointerCapture(event.pointerId);
    if (path.length >= LASSO) line.setAttribute("points", path.map((point) => point.join(",")).join(" "));
  });
  node.addEventListener("pointercancel", () => { path = null; });
  node.addEventListener("pointerup", () => {
    const drawn = path;
    path = null;
    if (!drawn || drawn.length < LASSO) return;
    node.addEventListener("click", (event) => event.preventDefault(), { once: true, capture: true });
    filterByMap(drawn);
    setTimeout(refresh);  // after the click that ends the line
  });
}

function showMap() {
  if (!data.map) return showGrid();
  const body = el("div");
  const refresh = () => {
    const count = matching().length;
    body.replaceChildren(...[chips(refresh),
      el("p", {}, el("a", { href: "#/", text: `${count} of ${data.classes.length} classes match` }), ". Draw a line round some to leave these."),
      mapPicture(refresh)].filter(Boolean));
  };
  refresh();
  const share = Math.round(100 * data.map.explained);
  main.replaceChildren(el("h1", { text: "Map of classes" }),
    el("p", { class: "note", text: `Classes whose images look alike lie close to each other. They are compared by ${comparedBy()}; the two principal components that the map shows hold ${share} % of the differences.` }), body);
  onSearch = refresh;
  onField = refreshThumbs;
  onKey = (key) => (key === "Escape" ? go("#/") : moveFocus(key));
}

async function showFormat() {
  onKey = (key) => key === "Escape" && go("#/");
  const text = await ifStillHere(unpack(data.format));
  main.replaceChildren(el("p", {}, el("a", { href: "#/", text: "‹ all classes" })), el("h1", { text: "FORMAT.md" }), el("pre", { text }));
}

// ---- the frame ----

let onSearch = () => {};
const search = el("input", { type: "search", placeholder: "search classes", "aria-label": "search classes", oninput: () => {
  state.search = search.value;
  state.page = 0;
  if (/^#\/(class|sample|format)/.test(location.hash)) go("#/");
  else onSearch();
} });
const help = el("dialog", {}, el("h2", { text: "Keys" }),
  table([["", false], ["", false]], [
    ["1 .. 9", "field"], ["arrows", "move among pictures; in a picture: the one before, the next"], ["Enter", "open"],
    ["Esc", "back"], ["/", "search"], ["[ ]", "page before, next page"], ["c", "clean | image"], ["i  n", "objects, numbers"],
    ["g  d  m", "classes, distributions, map of classes"], ["t", "light or dark"], ["?", "this list"],
  ].map(([key, text]) => [el("kbd", { text: key }), text])),
  el("p", {}, el("button", { type: "button", text: "Close", onclick: () => help.close() })));

function chooseField(number) {
  if (number >= data.fields.length) return;
  state.field = number;
  paintFields();
  onField();
}

function paintFields() {
  fieldRow.replaceChildren(...data.fields.map((field, number) => el("button", {
    type: "button", text: field.name, title: number < 9 ? `key ${number + 1}` : undefined,
    "aria-pressed": String(number === state.field), onclick: () => chooseField(number) })));
}

function route() {
  const [, view, label, index] = location.hash.split("/");
  visits += 1;
  onField = () => {};
  onSearch = () => {};
  onKey = () => false;
  scrollTo(0, 0);
  if (view === "class") return showClass(Number(label));
  if (view === "sample") return showSample(Number(label), Number(index));
  if (view === "distributions") return showDistributions();
  if (view === "map") return showMap();
  if (view === "format") return showFormat();
  return showGrid();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target === search) {
    if (event.key === "Escape" || event.key === "Enter") search.blur();
    return;
  }
  if (event.target.type === "range" && event.key.startsWith("Arrow")) return;
  const digit = /^[1-9]$/.test(event.key);
  if (digit) chooseField(Number(event.key) - 1);
  else if (event.key === "/") search.focus();
  else if (event.key === "?") help.showModal();
  else if (event.key === "t") switchTheme();
  else if (event.key === "g") go("#/");
  else if (event.key === "d") go("#/distributions");
  else if (event.key === "m" && data.map) go("#/map");
  else if (!onKey(event.key)) return;
  event.preventDefault();
});

document.body.append(
  el("header", { class: "top" }, el("div", {},
    el("a", { class: "title", href: "#/", text: data.title }), el("nav", { class: "row" },
      el("a", { href: "#/", text: "Classes" }), el("a", { href: "#/distributions", text: "Distributions" }),
      data.map ? el("a", { href: "#/map", text: "Map" }) : null),
    fieldRow, el("span", { class: "push" }), search,
    el("button", { type: "button", text: "◐", title: "light or dark (t)", "aria-label": "light or dark", onclick: switchTheme }),
    el("button", { type: "button", text: "?", title: "keys (?)", "aria-label": "keys", onclick: () => help.showModal() }))),
  main, help);
addEventListener("hashchange", route);
paintFields();
route();
