"""cohort.html: contact sheet, plots and a table that sorts, in one file without anything from outside."""
import base64
import html
import io
import os

from PIL import Image

from results import LEAST_CASES, OUTLIER_Z, cpu_s, is_number, peak_mib, text

TILE = 320  # pixels
MOST_TILES = 240  # a page of more pictures is too heavy to open; failures and outliers come first

STYLE = """
:root{--ink:#1b2733;--soft:#5d6b78;--line:#d9dfe5;--paper:#fff;--wash:#f4f6f8;--good:#2b6ca3;--bad:#b3261e;--odd:#c77700}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--line:#38434e;--paper:#161c22;--wash:#1f272f;--good:#7db5e6;--bad:#ff8a80;--odd:#ffb74d}}
*{box-sizing:border-box}body{font:15px/1.45 system-ui,"DejaVu Sans",sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;padding:24px;max-width:1400px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 10px}p{margin:4px 0;color:var(--soft);max-width:90ch}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:12px}
figure{margin:0;border:1px solid var(--line);border-radius:6px;overflow:hidden;background:var(--wash)}
figure.bad{border-color:var(--bad)}figure.odd{border-color:var(--odd)}
figure img{display:block;width:100%;aspect-ratio:4/3;object-fit:contain;background:#fff}
figure .none{display:flex;align-items:center;justify-content:center;aspect-ratio:4/3;padding:12px;color:var(--bad);text-align:center;overflow-wrap:anywhere;font-size:13px}
figcaption{padding:6px 8px;font-size:13px;overflow-wrap:anywhere}figcaption a{color:inherit;font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:8px 24px}
svg text{fill:var(--soft);font-size:11px}svg .name{fill:var(--ink);font-size:12px}svg .band{fill:var(--good);opacity:.15}svg .middle{stroke:var(--good);stroke-width:2}
svg .dot{fill:var(--good);opacity:.75}svg .dot.odd{fill:var(--odd);opacity:1}svg .axis{stroke:var(--line)}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:6px}table{border-collapse:collapse;font-size:13px;white-space:nowrap}
th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}
th{background:var(--wash);position:sticky;top:0}th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid var(--good)}
th[aria-sort=ascending] button:after{content:" \\2191"}th[aria-sort=descending] button:after{content:" \\2193"}
td.odd{color:var(--odd);font-weight:600}td.bad{color:var(--bad);font-weight:600}td.long{white-space:normal;min-width:28ch}
"""

SCRIPT = """
for(const table of document.querySelectorAll('table.sorts'))table.querySelectorAll('th button').forEach((button,column)=>button.onclick=()=>{
 const head=button.parentElement,up=head.getAttribute('aria-sort')!=='ascending';
 table.querySelectorAll('th').forEach(th=>th.removeAttribute('aria-sort'));head.setAttribute('aria-sort',up?'ascending':'descending');
 const key=row=>{const t=row.cells[column].dataset.v??row.cells[column].textContent;return t==='n/a'||t===''?null:t};
 const rows=[...table.tBodies[0].rows].sort((a,b)=>{const x=key(a),y=key(b);if(x===null||y===null)return(x===null)-(y===null);
  const d=isNaN(x)||isNaN(y)?x.localeCompare(y,undefined,{numeric:true}):x-y;return up?d:-d});
 table.tBodies[0].append(...rows)});
"""

escape = html.escape


def thumbnail(path):
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        picture.thumbnail((TILE, TILE))
        held = io.BytesIO()
        picture.save(held, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


def tile(row, pictures):
    state = "bad" if row["exit_code"] != 0 else "odd" if row["outliers"] else ""
    picture = next((os.path.join(row["folder"], name) for name in pictures if os.path.exists(os.path.join(row["folder"], name))), None)
    link = escape("/".join(row["case"].split("_")) + "/")
    said = row["reason"] if state == "bad" else ", ".join(row["outliers"]) and "outlier: " + ", ".join(row["outliers"])
    shown = f'<img loading="lazy" alt="{escape(row["case"])}" src="{thumbnail(picture)}">' if picture else \
        f'<div class="none">{escape(row["reason"] or "no picture")}</div>'
    note = f"<br>{escape(said)}" if said and (picture or state != "bad") else ""
    return f'<figure class="{state}">{shown}<figcaption><a href="{link}">{escape(row["case"])}</a>{note}</figcaption></figure>'


def spread_dots(values, low, high, width):
    """x and a level for each value, so that dots lie beside one another instead of on top."""
    taken, placed = [], []
    for value in values:
        x = 10 + (width - 20) * ((value - low) / (high - low) if high > low else 0.5)
        level = 0
        while level < 6 and any(l == level and abs(x - at) < 7 for at, l in taken):
            level += 1
        taken = taken[-200:] + [(x, level)]
        placed.append((x, level))
    return placed


def plot(summary, rows):
    width, base, column = 340, 62, summary["column"]
    held = sorted(((row["values"][column], row["case"]) for row in rows if is_number(row["values"][column])))
    low, high = summary["least"], summary["most"]
    at = lambda value: 10 + (width - 20) * ((value - low) / (high - low) if high > low else 0.5)
    middle, spread = summary["median"], summary["robust_sd"]
    left, right = max(low, middle - OUTLIER_Z * spread), min(high, middle + OUTLIER_Z * spread)
    parts = [f'<svg viewBox="0 0 {width} 84" role="img" aria-label="{escape(column)}"><text class="name" x="10" y="13">{escape(column)}</text>',
             f'<rect class="band" x="{at(left):.1f}" y="20" width="{max(1, at(right) - at(left)):.1f}" height="46"/>',
             f'<line class="axis" x1="10" x2="{width - 10}" y1="66" y2="66"/>',
             f'<line class="middle" x1="{at(middle):.1f}" x2="{at(middle):.1f}" y1="20" y2="66"/>']
    for (value, case), (x, level) in zip(held, spread_dots([value for value, _ in held], low, high, width)):
        odd = " odd" if case in summary["outliers"] else ""
        parts.append(f'<circle class="dot{odd}" cx="{x:.1f}" cy="{base - 7 * level}" r="3"><title>{escape(case)}: {text(value)}</title></circle>')
    parts.append(f'<text x="10" y="80">{text(low)}</text><text x="{width / 2}" y="80" text-anchor="middle">median {text(middle)}</text>'
                 f'<text x="{width - 10}" y="80" text-anchor="end">{text(high)}</text></svg>')
    return "".join(parts)


def cell(value, kind=""):
    shown, classes = escape(text(value)), (["n"] if is_number(value) else ["long"] if len(text(value)) > 40 else []) + ([kind] if kind else [])
    exact = f' data-v="{value}"' if is_number(value) else ""
    return f'<td class="{" ".join(classes)}"{exact}>{shown}</td>' if classes else f"<td>{shown}</td>"


def table(head, rows):
    names = "".join(f'<th><button type="button">{escape(name)}</button></th>' for name in head)
    return f'<div class="wide"><table class="sorts"><thead><tr>{names}</tr></thead><tbody>' + \
        "\n".join("<tr>" + "".join(cells) + "</tr>" for cells in rows) + "</tbody></table></div>"


def case_cells(row, others):
    cells = [cell(row["case"]), *(cell(row["others"].get(key)) for key in others), cell(row["exit_code"], "bad" if row["exit_code"] else "")]
    cells += [cell(value, "odd" if column in row["outliers"] else "") for column, value in row["values"].items()]
    return cells + [cell(row["reason"] or None)]


def write(out, recipe, rows, summaries):
    others = list(dict.fromkeys(key for row in rows for key in row["others"]))
    failed = [row for row in rows if row["exit_code"] != 0]
    odd = [row for row in rows if row["outliers"]]
    shown = sorted(rows, key=lambda row: (row["exit_code"] == 0, not row["outliers"]))[:MOST_TILES] if len(rows) > MOST_TILES else rows
    columns = list(rows[0]["values"]) if rows else []
    parts = [f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(recipe.title)}</title>',
             f"<style>{STYLE}</style><h1>{escape(recipe.title)}</h1>",
             f"<p>Cases: {len(rows)}. Came through: {len(rows) - len(failed)}. Did not: {len(failed)}. With outliers: {len(odd)}. Research only.</p>",
             f'<h2>Pictures</h2>{"" if len(shown) == len(rows) else f"<p>{len(shown)} of {len(rows)}, failures and outliers first.</p>"}<div class="sheet">',
             *(tile(row, recipe.pictures) for row in shown), "</div>"]
    if summaries:
        parts += ["<h2>Distributions</h2>", f"<p>A dot a case. The line is the median, the band {OUTLIER_Z} robust standard deviations (1.4826 MAD) to either "
                  f"side; beyond it a case is an outlier (from {LEAST_CASES} cases on).</p>", '<div class="plots">',
                  *(plot(summary, rows) for summary in summaries), "</div>"]
    parts += ["<h2>Cases</h2><p>A click on a column sorts by it.</p>",
              table(["case", *others, "exit_code", *columns, "reason"], [case_cells(row, others) for row in rows]),
              "\n<!-- execution -->\n<h2>Time and memory</h2><p>Of the last attempt; these alone differ from run to run.</p>",
              table(["case", "attempt", "threads", "host", "wall_s", "cpu_s", "peak_memory_mib"],
                    [[cell(row["case"]), *(cell(row["execution"].get(key)) for key in ("attempt", "threads", "host", "wall_s")),
                      cell(cpu_s(row)), cell(peak_mib(row))] for row in rows]),
              "\n<!-- end of execution -->\n", f"<script>{SCRIPT}</script></html>\n"]
    path = os.path.join(out, "cohort.html")
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))
    os.replace(temporary, path)
