"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

/** Return a new element. Text is set as text: nothing that a user wrote becomes markup. */
function el(tag, properties = {}, ...children) {
  const svg = ["svg", "path", "line", "polyline", "polygon", "rect", "g", "text", "circle"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "style") for (const [key, word] of Object.entries(value)) node.style.setProperty(key, word);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Return what the text of `packed` holds. */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/** Return the address of a picture: in this page, or beside it. */
function address(name) {
  const inside = data.pictures[name];
  return inside ? `data:image/webp;base64,${inside}` : `pictures/${name}.webp`;
}

async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { style: { position: "fixed", opacity: "0" } });
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  button.textContent = done ? "copied" : "select it";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

/** Return a block of code with a button that copies it. */
function copyable(text) {
  const button = el("button", { type: "button", text: "copy", onclick: () => copy(text, button) });
  return el("div", { class: "copyable" }, el("pre", {}, el("code", { text })), button);
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
}

/** Return a table. Columns: [title, is it a number]; cells are texts or elements. */
function table(columns, rows) {
  const look = columns.map(([, isNumber]) => (isNumber ? "number" : undefined));
  const head = el("tr", {}, columns.map(([title], i) => el("th", { class: look[i], text: title, scope: "col" })));
  const body = rows.map((cells) => el("tr", {}, cells.map((cell, i) => {
    const node = el("td", { class: look[i] });
    node.append(cell === null || cell === undefined ? "-" : cell);
    return node;
  })));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}

/** Return the color of an id, [red, green, blue]: neighbors get hues far from each other. */
function idColor(id) {
  const sixth = ((id * 97) % 256) / 256 * 6;
  const part = (shift) => {
    const place = (sixth + shift) % 6;
    return Math.round(255 * Math.min(1, Math.max(0, Math.abs(place - 3) - 1)));
  };
  return [part(0), part(4), part(2)];
}

function cssColor(id) {
  return `rgb(${idColor(id).join(" ")})`;
}
