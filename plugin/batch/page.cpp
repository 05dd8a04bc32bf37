#include "batch/page.h"

#include <fmt/format.h>

namespace hang::batch {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

constexpr const char* kHead = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>hang batch</title>
<style>
:root { color-scheme: light dark; --line: #d0d4da; --soft: #5c6470; --bar: #3b6fd4; --hang: #b3261e; --idle: #2e7d32; --unsure: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --line: #3a3f47; --soft: #9aa3af; --bar: #6f9bf0; --hang: #ff8a80; --idle: #81c784; --unsure: #ffcc80; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1400px; padding: 16px; }
h1 { font-size: 20px; margin: 0 0 4px; } p.sum { color: var(--soft); margin: 0 0 16px; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: 8px 10px 8px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.count { font-variant-numeric: tabular-nums; white-space: nowrap; min-width: 72px; }
td.count i { display: block; height: 4px; background: var(--bar); border-radius: 2px; margin-top: 4px; }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.hang { color: var(--hang); } .idle { color: var(--idle); } .unsure { color: var(--unsure); }
.shape { font-weight: 600; white-space: nowrap; } details { color: var(--soft); } summary { cursor: pointer; }
.nw { white-space: nowrap; } td.time { white-space: nowrap; color: var(--soft); font-variant-numeric: tabular-nums; }
@media (max-width: 800px) {
  thead { display: none; } table, tbody, tr, td { display: block; width: 100%; }
  tr { border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; margin-bottom: 12px; box-sizing: border-box; }
  td { border: 0; padding: 3px 0; } td[data-label]::before { content: attr(data-label) ": "; color: var(--soft); }
  .shape { white-space: normal; }
}
</style></head><body>
)html";

const char* class_of(const Group& group) {
  if (!group.reason.empty() || group.id.empty()) return "unsure";
  return group.id.front() == 'N' ? "idle" : "hang";
}

std::string row_html(const Group& group, std::size_t most) {
  const auto name = group.id.empty() ? group.shape : group.id + " " + group.shape;
  const auto share = most == 0 ? 0 : 100 * group.count / most;
  std::string what =
      group.reason.empty() ? fmt::format("<code>{}</code>", escaped(group.blame)) : escaped(group.reason);
  if (!group.difference.empty()) what += fmt::format(" + <code>{}</code>", escaped(group.difference));
  if (!group.summary.empty())
    what += fmt::format("<details><summary>what was seen</summary>{}</details>", escaped(group.summary));
  return fmt::format(
      "<tr><td class=\"count\">{}<i style=\"width:{}%\"></i></td><td class=\"shape {}\">{}</td><td "
      "data-label=\"Ctrl-C\">{}</td>"
      "<td>{}</td><td class=\"time\" data-label=\"first\">{}</td><td class=\"time\" data-label=\"last\">{}</td>"
      "<td data-label=\"example\"><code>{}</code></td></tr>\n",
      group.count, share, class_of(group), escaped(name), group.ctrl_c.empty() ? "-" : escaped(group.ctrl_c), what,
      time_of(group.first_ns), time_of(group.last_ns), escaped(group.example));
}

}  // namespace

std::string page_html(const std::vector<Group>& groups, const Rows& rows) {
  std::size_t most = 0, hangs = 0, unsure = 0;
  for (const auto& group : groups) {
    most = std::max(most, group.count);
    if (!group.reason.empty() || group.id.empty())
      unsure += group.count;
    else if (group.id.front() != 'N')
      hangs += group.count;
  }
  std::string html = kHead;
  html += fmt::format(
      "<h1>Why they hang</h1><p class=\"sum\">{} looked at, {} hung, {} not decided or not readable, {} causes.</p>\n"
      "<table><thead><tr><th>count</th><th>shape</th><th class=\"nw\">Ctrl-C</th><th>blame</th><th>first "
      "(UTC)</th><th>last "
      "(UTC)</th>"
      "<th>example</th></tr></thead><tbody>\n",
      rows.size(), hangs, unsure, groups.size());
  for (const auto& group : groups) html += row_html(group, most);
  return html + "</tbody></table></body></html>\n";
}

}  // namespace hang::batch
