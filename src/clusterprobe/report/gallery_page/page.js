"use strict";
// The gallery of a folder of pictures. Texts come into the page by textContent only: a name is never markup.

const data = JSON.parse(document.getElementById("data").textContent);
const count = data.names.length;
const FEW = 18, MORE = 120, LAST = 6;
const state = { groups: data.groups, text: "", low: 0, high: 1, sort: "size", names: new Map() };
const byId = (id) => document.getElementById(id);

// --- Clusters at a level of the hierarchy ---

/** Number the groups of `k` clusters by their first leaf, as the library does. */
function cut(k) {
  const leaves = data.merges.length + 1;
  const parent = Array.from({ length: leaves + data.merges.length }, (_, index) => index);
  for (let n = 0; n < leaves - k; n++) for (const side of data.merges[n].slice(0, 2)) parent[side] = leaves + n;
  const numbers = new Map();
  return Array.from({ length: leaves }, (_, leaf) => {
    let root = leaf;
    while (parent[root] !== root) root = parent[root];
    if (!numbers.has(root)) numbers.set(root, numbers.size);
    return numbers.get(root);
  });
}

const clusterOf = (picture) => state.groups[data.leaf[picture]];
const clusters = () => Math.max(...state.groups) + 1;
const keyOf = (cluster) => state.groups.flatMap((group, leaf) => (group === cluster ? [leaf] : [])).join(",");
const nameOf = (cluster) => state.names.get(keyOf(cluster)) ?? (isGiven() ? data.cluster_names[cluster] : "") ?? "";
const isGiven = () => state.groups.every((group, leaf) => group === data.groups[leaf]);
const titleOf = (cluster) => nameOf(cluster) || `Cluster ${cluster}`;
const colourOf = (cluster) => `hsl(${(cluster * 137.508) % 360} 65% ${[42, 58, 30][cluster % 3]}%)`;

/** The pictures of every cluster that pass the filters, nearest to the centre first. */
function members() {
  const found = Array.from({ length: clusters() }, () => []);
  const text = state.text.toLocaleLowerCase();
  for (const picture of data.order) {
    const confidence = data.confidence[picture];
    if (confidence < state.low || confidence > state.high) continue;
    if (text && !data.names[picture].toLocaleLowerCase().includes(text)) continue;
    found[clusterOf(picture)].push(picture);
  }
  return found;
}

// --- Thumbnails: in the page, or in scripts beside it that are loaded when something of theirs is shown ---

const chunks = new Map();
window.thumbnails = (number, list) => chunks.get(number).arrived(list);

function chunk(number) {
  if (!chunks.has(number)) {
    const entry = {};
    entry.list = new Promise((resolve) => (entry.arrived = resolve));
    chunks.set(number, entry);
    const script = document.createElement("script");
    script.src = `${data.files}/chunk-${String(number).padStart(5, "0")}.js`;
    document.head.append(script);
  }
  return chunks.get(number).list;
}

async function thumbnail(picture, image) {
  let bytes;
  if (data.thumbnails) bytes = data.thumbnails[picture];
  else {
    const place = data.place[picture];
    bytes = (await chunk(Math.floor(place / data.chunk)))[place % data.chunk];
  }
  image.src = `data:image/jpeg;base64,${bytes}`;
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    watcher.unobserve(entry.target);
    thumbnail(Number(entry.target.dataset.picture), entry.target);
  }
}, { rootMargin: "400px" });

// --- Building blocks ---

function make(tag, values = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(values)) {
    if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const percent = (value) => `${Math.round(100 * value)} %`;

function item(picture) {
  const name = data.names[picture];
  const image = make("img", { alt: "" });
  image.dataset.picture = picture;
  watcher.observe(image);
  const button = make("button", { type: "button", title: name }, image, make("span", { className: "name" }, name));
  button.setAttribute("aria-label", `${name}, confidence ${percent(data.confidence[picture])}`);
  button.addEventListener("click", () => show(picture));
  return make("li", {}, button);
}

const list = (pictures) => make("ul", { className: "pictures" }, ...pictures.map(item));

function section(cluster, own, all) {
  const node = make("section", { className: "cluster", id: `cluster-${cluster}` });
  const field = make("input", { type: "text", value: nameOf(cluster), placeholder: "give it a name" });
  field.setAttribute("aria-label", `Name of cluster ${cluster}`);
  field.addEventListener("input", () => {
    state.names.set(keyOf(cluster), field.value.trim());
    contents();
  });
  const swatch = make("span", { className: "swatch" });
  swatch.style.background = colourOf(cluster);
  node.append(make("h2", {}, swatch, `Cluster ${cluster}`, field));
  const shown = own.length === all ? "" : `${own.length} of `;
  const plural = all === 1 ? "" : "s";
  node.append(make("p", {}, `${shown}${all} picture${plural}; mean confidence ${percent(mean(own, data.confidence))}`));
  if (own.length <= FEW + LAST) node.append(list(own));
  else fill(node, own);
  return node;
}

/** The first pictures, a button for more, and the last ones, which fit least. */
function fill(node, own) {
  const first = list(own.slice(0, FEW));
  const more = make("button", { type: "button", className: "more" });
  let until = FEW;
  const label = () => (more.textContent = `Show more (${own.length - LAST - until} left)`);
  label();
  more.addEventListener("click", () => {
    const next = own.slice(until, Math.min(until + MORE, own.length - LAST));
    const rows = next.map(item);
    first.append(...rows);
    until += next.length;
    if (until >= own.length - LAST) more.hidden = true;
    else label();
    rows[0]?.querySelector("button").focus();
  });
  node.append(first, more, make("h3", {}, "Fit least"), list(own.slice(-LAST)));
}

const mean = (own, values) => own.reduce((sum, each) => sum + values[each], 0) / Math.max(own.length, 1);

// --- The page ---

function contents() {
  const links = shownOrder.map((cluster) => make("a", { href: `#cluster-${cluster}` }, titleOf(cluster)));
  byId("contents").replaceChildren(...links.flatMap((link) => [link, " "]));
}

let shownOrder = [];

function render() {
  const found = members();
  const sizes = new Array(clusters()).fill(0);
  for (let picture = 0; picture < count; picture++) sizes[clusterOf(picture)]++;
  const tightness = found.map((own) => mean(own, data.distance));
  shownOrder = found.map((_, cluster) => cluster).filter((cluster) => found[cluster].length);
  const rules = {
    size: (a, b) => sizes[b] - sizes[a] || a - b,
    tight: (a, b) => tightness[a] - tightness[b] || a - b,
    number: (a, b) => a - b,
  };
  shownOrder.sort(rules[state.sort]);
  byId("clusters").replaceChildren(...shownOrder.map((cluster) => section(cluster, found[cluster], sizes[cluster])));
  const left = found.reduce((sum, own) => sum + own.length, 0);
  byId("status").textContent = `${left} of ${count} pictures in ${shownOrder.length} of ${clusters()} clusters`;
  contents();
  drawMap();
}

function show(picture) {
  const cluster = clusterOf(picture), second = data.second[picture];
  const facts = [
    ["Name", data.names[picture]],
    ["Cluster", titleOf(cluster)],
    ["Confidence", percent(data.confidence[picture])],
    ["Distance", data.distance[picture].toPrecision(3)],
  ];
  if (isGiven() && second >= 0) facts.push(["Second choice", titleOf(second)]);
  const twins = data.twins[picture] === undefined ? [] : data.groups_of_twins[data.twins[picture]];
  const others = twins.filter((each) => each !== picture).map((each) => data.names[each]);
  if (others.length) facts.push(["There more than once", others.join("\n")]);
  byId("facts").replaceChildren(...facts.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
  byId("large").alt = data.names[picture];
  byId("large").removeAttribute("src");
  thumbnail(picture, byId("large"));
  byId("go").onclick = () => {
    byId("picture").close();
    byId(`cluster-${cluster}`)?.scrollIntoView();
    byId(`cluster-${cluster}`)?.querySelector("input").focus();
  };
  byId("picture").showModal();
}

// --- The map ---

const canvas = byId("map"), tip = byId("tip");
const onMap = data.x.flatMap((x, picture) => (x === null ? [] : [picture]));
let current = -1;
const place = (picture) => [(data.x[picture] + 1.05) / 2.1 * canvas.width, (1.05 - data.y[picture]) / 2.1 * canvas.height];

function drawMap() {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const text = state.text.toLocaleLowerCase();
  for (const picture of onMap) {
    const confidence = data.confidence[picture];
    const passes = confidence >= state.low && confidence <= state.high &&
      (!text || data.names[picture].toLocaleLowerCase().includes(text));
    context.globalAlpha = passes ? 0.85 : 0.08;
    context.fillStyle = colourOf(clusterOf(picture));
    context.beginPath();
    context.arc(...place(picture), 3.5, 0, 7);
    context.fill();
  }
  context.globalAlpha = 1;
  if (current >= 0) {
    context.lineWidth = 2;
    context.strokeStyle = "#000";
    context.beginPath();
    context.arc(...place(current), 7, 0, 7);
    context.stroke();
  }
}

function pointed(event) {
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) * canvas.width / box.width;
  const y = (event.clientY - box.top) * canvas.height / box.height;
  let best = -1, least = 12 ** 2;
  for (const picture of onMap) {
    const [px, py] = place(picture);
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least) [best, least] = [picture, distance];
  }
  return best;
}

function hint(picture, x, y) {
  current = picture;
  tip.hidden = picture < 0;
  drawMap();
  if (picture < 0) return;
  const words = `${data.names[picture]} (${titleOf(clusterOf(picture))})`;
  const image = make("img", { alt: "" });
  thumbnail(picture, image);
  tip.replaceChildren(image, words);
  tip.style.left = `${Math.min(x + 14, innerWidth - 210)}px`;
  tip.style.top = `${Math.min(y + 14, innerHeight - 230)}px`;
  byId("said").textContent = words;
}

/** The nearest picture on the map in the direction of an arrow key. */
function beside(key) {
  if (current < 0) return onMap[0] ?? -1;
  const [cx, cy] = place(current);
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  let best = current, least = Infinity;
  for (const picture of onMap) {
    const [px, py] = place(picture);
    const along = (px - cx) * dx + (py - cy) * dy, across = Math.abs((px - cx) * dy) + Math.abs((py - cy) * dx);
    if (along > 0.5 && along + 2 * across < least) [best, least] = [picture, along + 2 * across];
  }
  return best;
}

canvas.addEventListener("mousemove", (event) => hint(pointed(event), event.clientX, event.clientY));
canvas.addEventListener("mouseleave", () => hint(-1));
canvas.addEventListener("blur", () => hint(-1));
canvas.addEventListener("click", (event) => {
  const picture = pointed(event);
  if (picture >= 0) show(picture);
});
canvas.addEventListener("keydown", (event) => {
  if (event.key.startsWith("Arrow")) {
    event.preventDefault();
    const picture = beside(event.key), box = canvas.getBoundingClientRect();
    if (picture < 0) return;
    const [px, py] = place(picture);
    hint(picture, box.left + px * box.width / canvas.width, box.top + py * box.height / canvas.height);
  } else if (event.key === "Enter" && current >= 0) show(current);
});

// --- The result as a table ---

function csv() {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const rows = ["path,cluster,name,confidence"];
  for (let picture = 0; picture < count; picture++) {
    const cluster = clusterOf(picture);
    rows.push([quoted(data.names[picture]), cluster, quoted(nameOf(cluster)), data.confidence[picture]].join(","));
  }
  return rows.join("\n") + "\n";
}

byId("download").addEventListener("click", () => {
  const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  make("a", { href: address, download: "named-clusters.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
});

// --- Controls ---

function later(action) {
  let waiting;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(action, 150);
  };
}

const again = later(render);
byId("search").addEventListener("input", (event) => { state.text = event.target.value; again(); });
byId("low").addEventListener("input", (event) => { state.low = Number(event.target.value) / 100; again(); });
byId("high").addEventListener("input", (event) => { state.high = Number(event.target.value) / 100; again(); });
byId("sort").addEventListener("input", (event) => { state.sort = event.target.value; render(); });
byId("level").addEventListener("input", (event) => {
  const k = Math.min(Math.max(Math.round(Number(event.target.value)) || 1, 1), data.merges.length + 1);
  state.groups = cut(k);
  byId("cut")?.setAttribute("transform", `translate(0 ${data.cuts[k - 1]})`);
  again();
});
byId("close").addEventListener("click", () => byId("picture").close());

for (const node of document.querySelectorAll("[data-needs-script]")) node.hidden = false;
render();
