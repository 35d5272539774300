/* report/style.c - the look of the HTML report: one palette by CSS variables, light and dark. */
#include "report/html.h"

static const char css[] =
        ":root{color-scheme:light dark;--bg:#f7f8fa;--card:#fff;--ink:#1b2430;--dim:#5d6b7c;"
        "--line:#dfe4ea;--prov:#4c78a8;--req:#d08a1d;--used:#2a9d6f;--before:#8a94a3;"
        "--after:#2a9d6f;--bad:#c0392b;--chip:#eef1f5;--heat:42,157,111}\n"
        "@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2029;--ink:#e6ebf2;"
        "--dim:#94a1b3;--line:#2c3542;--prov:#7aa6d8;--req:#e5ad55;--used:#4cc38f;"
        "--before:#7d8999;--after:#4cc38f;--bad:#ef7d6e;--chip:#242c38;--heat:76,195,143}}\n"
        "*{box-sizing:border-box}"
        "body{margin:0;background:var(--bg);color:var(--ink);"
        "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
        "main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}"
        "h1{font-size:26px;margin:0 0 2px}h2{font-size:18px;margin:0 0 4px}"
        "h3{font-size:14px;margin:0 0 6px;color:var(--dim);font-weight:600}"
        "p{margin:4px 0}.dim{color:var(--dim)}\n"
        "section{background:var(--card);border:1px solid var(--line);border-radius:10px;"
        "padding:18px 20px;margin-top:18px}"
        ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:14px;"
        "margin-top:18px}"
        ".tile{background:var(--card);border:1px solid var(--line);border-radius:10px;"
        "padding:14px 16px}"
        ".tile b{display:block;font-size:23px;line-height:1.25;font-variant-numeric:tabular-nums}"
        ".tile s{text-decoration:none;color:var(--dim);font-size:15px;font-weight:400}"
        ".tile b,.tile s{white-space:nowrap}.tile .good{color:var(--after);font-weight:600}.tile "
        ".bad,.bad{color:var(--bad)}\n"
        ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:18px}"
        "svg{width:100%;height:auto;display:block}"
        ".grid{stroke:var(--line);stroke-width:1}.tick{fill:var(--dim);font-size:13px}"
        ".line-provisioned,.line-requested,.line-used,.line-before,.line-after{fill:none;"
        "stroke-width:1.8}"
        ".line-provisioned{stroke:var(--prov)}.line-requested{stroke:var(--req);"
        "stroke-dasharray:4 3}.line-used{stroke:var(--used)}"
        ".line-before{stroke:var(--before)}.line-after{stroke:var(--after)}"
        ".area-provisioned{fill:var(--prov);opacity:.13}.area-used{fill:var(--used);opacity:.45}"
        ".area-after{fill:var(--after);opacity:.16}\n"
        ".legend span{display:inline-flex;align-items:center;gap:6px;margin-right:16px;"
        "color:var(--dim);font-size:13px}.legend i{width:18px;height:4px;border-radius:2px}"
        ".k-prov{background:var(--prov)}.k-req{background:var(--req)}.k-used{background:var(--used)"
        "}"
        ".k-before{background:var(--before)}.k-after{background:var(--after)}\n"
        "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;"
        "font-size:14px}table.counts{width:auto}.scroll{overflow-x:auto}"
        "th,td{padding:6px 7px;text-align:right;border-bottom:1px solid var(--line);"
        "white-space:nowrap}th{color:var(--dim);font-weight:600;font-size:12.5px}"
        "th:first-child,td:first-child,td.l,th.l{text-align:left}"
        "tr.ours td{font-weight:650}tr.bound td{color:var(--dim)}"
        ".bar{display:inline-block;height:10px;border-radius:3px;background:var(--before);"
        "vertical-align:middle;min-width:1px}tr.ours .bar{background:var(--after)}\n"
        ".nodes{display:grid;grid-template-columns:repeat(auto-fill,minmax(320px,1fr));gap:12px}"
        ".node{border:1px solid var(--line);border-radius:8px;padding:8px 10px}"
        ".node header{display:flex;justify-content:space-between;font-size:12.5px;gap:8px;"
        "margin-bottom:4px;white-space:nowrap}.node header b{overflow:hidden;"
        "text-overflow:ellipsis}"
        ".gpu{display:grid;grid-template-columns:16px minmax(0,1fr);gap:6px;align-items:center;"
        "margin-top:4px;font-size:11px;color:var(--dim)}"
        ".slots{display:flex;gap:2px;height:24px;min-width:0}"
        ".slot{border:1px solid var(--line);border-radius:4px;overflow:hidden;padding:3px 5px;"
        "white-space:nowrap;text-overflow:ellipsis;color:var(--ink);min-width:0}"
        ".slot.free{border-style:dashed;color:var(--dim)}\n"
        ".chip{background:var(--chip);border-radius:5px;padding:1px 7px;font-size:12px;"
        "white-space:nowrap}.chip.refused,.chip.abandoned,.chip.undone{color:var(--bad)}"
        ".chip.done{color:var(--after)}"
        "input[type=search]{width:100%;padding:7px 10px;border:1px solid var(--line);"
        "border-radius:7px;background:var(--bg);color:var(--ink);font:inherit;margin:8px 0}"
        "td.text{white-space:normal;text-align:left;min-width:280px;font-size:13px}"
        "#decisions th{position:sticky;top:0;background:var(--card)}"
        "footer{color:var(--dim);font-size:13px;margin-top:22px}"
        "code{background:var(--chip);border-radius:4px;padding:1px 5px}\n";

static const char script[] =
        "document.querySelectorAll('input[type=search]').forEach(function(box){"
        "var rows=document.querySelectorAll('#log tr');"
        "box.addEventListener('input',function(){var words=box.value.toLowerCase().split(/\\s+/);"
        "rows.forEach(function(row){var text=row.textContent.toLowerCase();"
        "row.hidden=!words.every(function(w){return text.indexOf(w)>=0;});});});});\n";

const char *report_style_css(void)
{
    return css;
}

const char *report_style_script(void)
{
    return script;
}
