#!/usr/bin/env python3
"""One self-contained HTML page of a result: page.py RESULT.json > PAGE.html

Nothing is fetched and nothing runs: the charts are SVG, drawn once for wide screens and once for narrow ones, and
the style sheet shows the one that fits. The page is well-formed XML too.
"""

import json
import pathlib
import sys
from html import escape

from charts import charts
from figures import NOT_MEASURED, shown_median, shown_range
from goals import goals, tally
from sections import goal_table, sections, skipped_table

STYLE = pathlib.Path(__file__).with_name("page.css")
WIDE_PX, NARROW_PX = 820, 368
VERDICT_SIGNS = {"met": "\u2713", "not met": "\u2717", NOT_MEASURED: "\u2013"}


def page(result):
    drawn = charts(result)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>runwire compared</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
{heading(result)}
{goal_section(result)}
{"".join(chart_section(chart) for chart in drawn)}
{left_out(result)}
{full_tables(result)}
</main>
</body>
</html>
"""


def heading(result):
    machine = result.get("machine") or {}
    cores = f"{machine['cores']} cores" if machine.get("cores") else None
    kernel = f"kernel {machine['kernel']}" if machine.get("kernel") else None
    scheduling = f"scheduled {machine['scheduling']}" if machine.get("scheduling") else None
    where = ", ".join(said for said in (machine.get("cpu"), cores, kernel, scheduling) if said)
    share = result.get("foreign_cpu_share_max")
    alone = f" Other programs had at most {share:.0%} of the CPU." if share is not None else ""
    return f"""<header>
<h1>runwire compared</h1>
<p>{escape(where or "The machine was not recorded")}. {escape(result.get("date") or "Undated")}.{alone}</p>
<p>Made with <code>{escape(result.get("made_with") or "./dev compare")}</code>. All servers are measured in turn, round
after round, on one machine. <b>R</b> is how many commands a second a bare loop of two processes runs without any
server, <b>L</b> how long it takes for one command at a time; what is compared is ratios to the R and L of the same
round, and of these the median over the rounds.</p>
{builds(result)}
</header>"""


def builds(result):
    known = (result.get("builds") or {}).items()
    said = "".join(f"<div><dt>{escape(str(name))}</dt><dd>{escape(str(built))}</dd></div>" for name, built in known)
    return f"<dl>{said}</dl>" if said else ""


def goal_section(result):
    judged = goals(result)
    rows = "".join(goal_row(goal) for goal in judged)
    return f"""<section><h2>Goals</h2>
<p>{tally(judged)}. A goal is judged by the median of the rounds.</p>
<table class="goals"><thead><tr><th>goal</th><th>wanted</th><th>median</th><th>rounds</th><th>verdict</th></tr></thead>
<tbody>{rows}</tbody></table></section>"""


def goal_row(goal):
    verdict = goal.verdict()
    kind = verdict.replace(" ", "-")
    return (
        f'<tr><th scope="row">{escape(goal.what)}</th><td class="wanted">{escape(goal.wanted())}</td>'
        f'<td class="figure">{shown_median(goal.measured, 4)}</td>'
        f'<td class="range">{shown_range(goal.measured, 4)}</td>'
        f'<td class="verdict {kind}"><span>{VERDICT_SIGNS[verdict]} {verdict}</span></td></tr>\n'
    )


def chart_section(chart):
    if chart.draw is None:
        shown = f"<p>{NOT_MEASURED}</p>"
    else:
        shown = f'<div class="wide">{chart.draw(WIDE_PX)}</div>\n<div class="narrow">{chart.draw(NARROW_PX)}</div>'
    return f"<section><h2>{escape(chart.heading)}</h2>\n<p>{escape(chart.caption)}</p>\n{shown}</section>\n"


def left_out(result):
    return f"<section><h2>What was left out, and why</h2>{table_markup(skipped_table(result))}</section>"


def full_tables(result):
    """All but the goals and what was left out, which stand above."""
    above = {goal_table(result).title, skipped_table(result).title}
    shown = (table for table in sections(result) if table.title not in above)
    said = "\n".join(
        f"<h3>{escape(table.title)}</h3><p>{escape(table.note)}</p>{table_markup(table)}" for table in shown
    )
    return f"<section><h2>All figures</h2>{said}</section>"


def table_markup(table):
    if not table.rows:
        return f"<p>{NOT_MEASURED}</p>"
    head = row_markup(table.headings, table.words, "th")
    body = "\n".join(row_markup(row, table.words, "td") for row in table.rows)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def row_markup(cells, words, tag):
    marked = (
        f"<{tag}>{escape(cell)}</{tag}>" if place < words else f'<{tag} class="figure">{figure_markup(cell)}</{tag}>'
        for place, cell in enumerate(cells)
    )
    return f"<tr>{''.join(marked)}</tr>"


def figure_markup(cell):
    """The range beside a median is set back."""
    median, _, rest = cell.partition(" ")
    return f'{escape(median)} <span class="range">{escape(rest)}</span>' if ".." in rest else escape(cell)


def main(paths):
    if len(paths) != 1:
        sys.exit("usage: page.py RESULT.json > PAGE.html")
    with open(paths[0], encoding="utf-8") as source:
        result = json.load(source)
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(page(result))


if __name__ == "__main__":
    main(sys.argv[1:])
