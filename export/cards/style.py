"""The style of a card's page: light and dark, phone and paper."""

STYLE = """
:root{--ink:#1b1f24;--soft:#59636e;--line:#d1d9e0;--back:#fff;--field:#f6f8fa;--link:#0550ae}
@media (prefers-color-scheme:dark){
:root{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--back:#0d1117;--field:#161b22;--link:#79c0ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:56rem;margin:0 auto;padding:1.5rem 1rem 4rem;overflow-wrap:anywhere}
h1{font-size:1.8rem;margin:.5rem 0}
h2{font-size:1.25rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
a{color:var(--link)}
code{font:.875em ui-monospace,monospace;background:var(--field);padding:.1em .3em;border-radius:4px}
pre{background:var(--field);padding:.8rem 1rem;border-radius:8px;overflow-x:auto}
pre code{padding:0;background:none;overflow-wrap:normal}
.table{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
th,td{border-bottom:1px solid var(--line);padding:.35rem .8rem .35rem 0;text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:600}
img{max-width:100%;height:auto}
p>img{display:block;background:#fff;border-radius:8px;padding:.5rem}
td img{border-radius:4px;min-width:3rem;image-rendering:auto}
@media print{
:root{--ink:#000;--soft:#444;--line:#bbb;--back:#fff;--field:#f4f4f4;--link:#000}
main{max-width:none;padding:0}
h2{break-after:avoid}
pre,img,tr{break-inside:avoid}
pre{white-space:pre-wrap}
.table{overflow:visible}}
"""
