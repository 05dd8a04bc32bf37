// hang explain: the page of a shape, alone or with what this process has of it.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/json_parts.h"
#include "report/pages.h"
#include "report/paint.h"
#include "report/report.h"
#include "verdict/look_alikes.h"

namespace hang::report {

namespace {

void add_block(std::string& out, const Block& block, const Style& style) {
  if (block.kind == Block::Kind::code) {
    std::string_view rest = block.text;
    out += '\n';
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\n'), rest.size());
      out += fmt::format("      {}\n", rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    out += '\n';
    return;
  }
  const bool bullet = block.kind == Block::Kind::bullet;
  out += fill((bullet ? "- " : "") + block.text, style.width, 2, bullet ? 2 : 0) + "\n";
}

void add_section(std::string& out, const Section& section, const Style& style, const Paint& paint) {
  out += "\n" + paint.bold(section.title) + "\n";
  bool first = true;
  for (const auto& block : section.blocks) {
    if (!first && block.kind == Block::Kind::paragraph) out += '\n';
    add_block(out, block, style);
    first = false;
  }
}

// "Not to be confused with", each with why it is not that here.
void add_look_alikes(std::string& out, const Section& section, const facts::Snapshot& snapshot, const Style& style,
                     const Paint& paint) {
  const auto excluded = verdict::excluded_look_alikes(snapshot);
  out += "\n" + paint.bold(section.title) + "\n";
  for (const auto& block : section.blocks) {
    add_block(out, block, style);
    const std::string id = block.text.substr(0, block.text.find(' '));
    if (const auto here = excluded.find(id); here != excluded.end())
      out += fill("Here: " + printable(here->second) + ".", style.width, 6, 2) + "\n";
  }
}

std::string title_of(const Page& page, const Paint& paint) {
  const std::string line = page.id + " " + page.shape;
  return page.id.front() == 'N' ? paint.green(line) : paint.red(line);
}

nlohmann::ordered_json page_json(const Page& page) {
  nlohmann::ordered_json j{{"id", page.id}, {"shape", page.shape}, {"summary", page.summary()}};
  j["ctrl_c"] = page.fact("Ctrl-C");
  j["status"] = page.fact("Status");
  nlohmann::ordered_json sections = nlohmann::ordered_json::object();
  for (const auto& section : page.sections) {
    if (section.title.empty()) continue;
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auto& block : section.blocks) list.push_back(block.text);
    sections[section.title] = std::move(list);
  }
  j["sections"] = std::move(sections);
  j["links"] = page.links();
  return j;
}

}  // namespace

std::string page_text(const Page& page, const Style& style) {
  const Paint paint(style);
  std::string out = title_of(page, paint) + "\n";
  for (const auto& block : page.sections.front().blocks) add_block(out, block, style);
  for (const auto& section : page.sections)
    if (!section.title.empty()) add_section(out, section, style, paint);
  return out;
}

std::string page_list_text(const Style& style) {
  Table table({"ID", "SHAPE", "CTRL-C", "STATUS"});
  for (const auto& page : pages()) {
    const std::string status = page.fact("Status");
    table.row({page.id, page.shape, page.fact("Ctrl-C").substr(0, page.fact("Ctrl-C").find_first_of(",;:")),
               status.substr(0, status.find_first_of(",;:"))});
  }
  return table.text(style) + "\nhang explain SHAPE explains one; hang explain -p PID the one that a process is in.\n";
}

std::string explain_text(const facts::Snapshot& snapshot, const verdict::Verdict& verdict, const Style& style) {
  const Paint paint(style);
  const auto* page = find_page(verdict.finding.id);
  if (page == nullptr)
    return paint.yellow("undetermined") + "\n" + fill(printable(verdict.finding.summary), style.width, 2) +
           "\n\nThere is no shape to explain: hang classify says what would decide.\n";
  std::string out = title_of(*page, paint) + fmt::format(" · {}\n", verdict::to_string(verdict.finding.confidence));
  out += fill(page->summary(), style.width, 2) + "\n";
  out += "\n" + paint.bold(fmt::format("In process {}", snapshot.target.pid)) + "\n";
  out += fill(printable(verdict.finding.summary), style.width, 2) + "\n";
  for (const auto& edge : verdict.finding.path)
    out += fill(printable(edge.node + ": " + edge.edge), style.width, 4, 2) + "\n";
  for (const auto& section : page->sections) {
    if (section.title.empty()) continue;
    if (section.title.starts_with("Not to be confused")) {
      add_look_alikes(out, section, snapshot, style, paint);
      continue;
    }
    add_section(out, section, style, paint);
    if (section.title.starts_with("What to do")) {
      out += fill("Here: " + printable(verdict.finding.advice), style.width, 2, 2) + "\n";
    }
  }
  return out;
}

std::string page_json_text(const Page& page) {
  return dump(page_json(page));
}

std::string explain_json(const facts::Snapshot& snapshot, const verdict::Verdict& verdict) {
  nlohmann::ordered_json j{{"schema_version", facts::kSchemaVersion}, {"target", target_json(snapshot)}};
  const auto* page = find_page(verdict.finding.id);
  j["page"] = page == nullptr ? nlohmann::ordered_json(nullptr) : page_json(*page);
  j["summary"] = verdict.finding.summary;
  const auto known = verdict::excluded_look_alikes(snapshot);
  nlohmann::ordered_json excluded = nlohmann::ordered_json::object();
  if (const auto* section = page == nullptr ? nullptr : page->section("Not to be confused with"))
    for (const auto& block : section->blocks) {
      const std::string id = block.text.substr(0, block.text.find(' '));
      if (const auto why = known.find(id); why != known.end()) excluded[id] = why->second;
    }
  j["excluded"] = std::move(excluded);
  return dump(j);
}

}  // namespace hang::report
