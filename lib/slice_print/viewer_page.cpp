#include "slice_print/viewer_page.h"

namespace osteo::slice_print {

const char* const kViewerHead = R"page(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Layers</title>
<style>
body { margin: 0; font: 14px sans-serif; display: flex; height: 100vh; color: #222; }
#side { width: 290px; padding: 12px; overflow: auto; border-right: 1px solid #ccc; box-sizing: border-box; }
#view { flex: 1; min-width: 0; }
canvas { width: 100%; height: 100%; display: block; background: #fff; touch-action: none; }
input[type=range] { width: 100%; }
table { border-collapse: collapse; width: 100%; }
td { padding: 2px 4px; border-bottom: 1px solid #eee; }
td + td { text-align: right; }
label { display: block; }
.key { display: inline-block; width: 12px; height: 12px; margin: 0 5px; }
p { color: #666; }
</style>
</head>
<body>
<div id="side">
<div id="title"></div>
<input id="slider" type="range" min="0" value="0" aria-label="layer">
<table id="numbers"></table>
<div id="kinds"></div>
<p id="note"></p>
<p>Arrow keys: one layer; page keys: ten. Wheel: zoom; drag: move; double click: whole layer.</p>
</div>
<div id="view"><canvas id="canvas"></canvas></div>
<script>
)page";

const char* const kViewerTail = R"page(
const kinds = [
  {name: "outline", fill: "#dcdcdc"},
  {name: "bodies", fills: ["#9ecae1", "#fdae6b", "#a1d99b", "#bcbddc", "#fdd0a2"]},
  {name: "mask", fill: "rgba(90,120,220,0.45)"}, {name: "supports", fill: "#c7e0f4"},
  {name: "contours", line: "#1f4e9c"}, {name: "hatches", line: "#d9541a"}, {name: "up-skin", line: "#1b7837"},
  {name: "down-skin", line: "#7b3294"}, {name: "hatches of supports", line: "#4d4d4d"},
  {name: "perimeters", line: "#1f4e9c"}, {name: "thin walls", line: "#1b7837"}, {name: "infill", line: "#e08a5b"},
  {name: "supports' beads", line: "#8c8c8c"}, {name: "skirt", line: "#c0a060"}];
const at = id => document.getElementById(id);
const canvas = at("canvas"), slider = at("slider");
let view = {x: 0, y: 0, scale: 1}, parts = [];
slider.max = data.length - 1;
at("title").textContent = job.title;
at("note").textContent = job.note;
const used = new Set();
function read(layer) {
  const text = atob(data[layer].shape), bytes = Uint8Array.from(text, c => c.charCodeAt(0));
  const numbers = new DataView(bytes.buffer), found = [];
  for (let p = 0; p < bytes.length;) {
    const part = {kind: bytes[p], form: bytes[p + 1], points: [], widths: []};
    const count = numbers.getUint32(p + 2, true);
    p += 6;
    for (let n = 0; n < count; ++n, p += part.form === 3 ? 6 : 4) {
      part.points.push(numbers.getUint16(p, true) * job.step, numbers.getUint16(p + 2, true) * job.step);
      if (part.form === 3) part.widths.push(numbers.getUint16(p + 4, true) * job.step);
    }
    found.push(part);
  }
  return found;
}
function trace(path, part) {
  const q = part.points;
  for (let n = 0; n < q.length; n += 2) {
    const start = part.form === 2 ? n % 4 === 0 : n === 0;
    if (start) path.moveTo(q[n], q[n + 1]); else path.lineTo(q[n], q[n + 1]);
  }
  if (part.form === 0) path.closePath();
}
function draw() {
  const ratio = window.devicePixelRatio || 1, wide = canvas.clientWidth * ratio, high = canvas.clientHeight * ratio;
  canvas.width = wide;
  canvas.height = high;
  const c = canvas.getContext("2d"), s = view.scale * ratio;
  c.setTransform(s, 0, 0, -s, wide / 2 - view.x * s, high / 2 + view.y * s);
  c.strokeStyle = "#bbb";
  c.lineWidth = 1 / view.scale;
  c.strokeRect(0, 0, job.size[0], job.size[1]);
  kinds.forEach((kind, k) => {
    if (kind.hidden) return;
    const paths = new Map(), beads = new Map();
    let body = -1;
    for (const part of parts) {
      if (part.kind === 255) ++body;
      if (part.kind !== k) continue;
      if (part.form === 3) {
        for (let n = 0; n + 1 < part.widths.length; ++n) {
          const width = Math.max(1, Math.round(50 * (part.widths[n] + part.widths[n + 1]))) / 100;
          if (!beads.has(width)) beads.set(width, new Path2D());
          trace(beads.get(width), {form: 1, points: part.points.slice(2 * n, 2 * n + 4)});
        }
        continue;
      }
      const key = kind.fills ? body % kind.fills.length : 0;
      if (!paths.has(key)) paths.set(key, new Path2D());
      trace(paths.get(key), part);
    }
    c.lineCap = "round";
    for (const [width, path] of beads) {
      c.strokeStyle = kind.line;
      c.lineWidth = 0.95 * width;
      c.stroke(path);
    }
    for (const [key, path] of paths) {
      c.fillStyle = kind.fills ? kind.fills[key] : kind.fill;
      c.strokeStyle = kind.line || "#888";
      c.lineWidth = (kind.line ? 1.2 : 0.6) / view.scale;
      if (!kind.line) c.fill(path, "evenodd");
      c.stroke(path);
    }
  });
}
function addKey(kind) {
  const label = document.createElement("label"), box = document.createElement("input");
  const key = document.createElement("span");
  box.type = "checkbox";
  box.checked = true;
  box.onchange = () => { kind.hidden = !box.checked; draw(); };
  key.className = "key";
  key.style.background = kind.line || kind.fill || kind.fills[0];
  label.append(box, key, kind.name);
  at("kinds").append(label);
}
function show(layer) {
  layer = Math.max(0, Math.min(data.length - 1, layer));
  slider.value = layer;
  parts = read(layer);
  const table = at("numbers");
  table.textContent = "";
  for (const [name, value] of Object.entries(data[layer].row)) {
    const row = table.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = value;
  }
  for (const part of parts) {
    if (part.kind >= kinds.length || used.has(part.kind)) continue;
    used.add(part.kind);
    addKey(kinds[part.kind]);
  }
  draw();
}
function whole() {
  const fit = Math.min(canvas.clientWidth / job.size[0], canvas.clientHeight / job.size[1]);
  view = {x: job.size[0] / 2, y: job.size[1] / 2, scale: 0.92 * fit};
  draw();
}
slider.oninput = () => show(+slider.value);
window.onresize = whole;
window.onkeydown = event => {
  const step = {ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10,
                Home: -data.length, End: data.length}[event.key];
  if (step === undefined) return;
  event.preventDefault();
  show(+slider.value + step);
};
canvas.onwheel = event => {
  event.preventDefault();
  const factor = Math.exp(-event.deltaY / 400);
  const x = event.offsetX - canvas.clientWidth / 2, y = canvas.clientHeight / 2 - event.offsetY;
  view.x += x / view.scale * (1 - 1 / factor);
  view.y += y / view.scale * (1 - 1 / factor);
  view.scale *= factor;
  draw();
};
canvas.onpointermove = event => {
  if (!event.buttons) return;
  view.x -= event.movementX / view.scale;
  view.y += event.movementY / view.scale;
  draw();
};
canvas.ondblclick = whole;
show(Math.floor(data.length / 2));
whole();
</script>
</body>
</html>
)page";

}  // namespace osteo::slice_print
