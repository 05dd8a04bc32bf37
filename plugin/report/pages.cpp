#include "report/pages.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace hang::report {
namespace {

struct Source {
  std::string_view id, text;
};
constexpr Source kSources[] = {
#include "report/page_sources.inc"
};

void remove_marks(std::string& text) {
  for (auto at = text.find("**"); at != std::string::npos; at = text.find("**")) text.erase(at, 2);
}

void append_line(std::string& text, std::string_view line) {
  while (line.starts_with(' ')) line.remove_prefix(1);
  if (!text.empty()) text += ' ';
  text += line;
}

// The Markdown of docs/shapes, which uses titles, paragraphs, bullets with continuation lines, and indented code.
Page parse(const Source& source) {
  Page page;
  page.sections.emplace_back();
  bool fresh = true;  // the next line begins a block
  std::string_view rest = source.text;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    auto& blocks = page.sections.back().blocks;
    if (line.starts_with("# ")) {
      const auto blank = line.find(' ', 2);
      page.id = line.substr(2, blank - 2);
      page.shape = blank == std::string_view::npos ? "" : line.substr(blank + 1);
      continue;
    }
    if (line.starts_with("## ")) {
      page.sections.push_back({std::string(line.substr(3)), {}});
      fresh = true;
      continue;
    }
    if (line.find_first_not_of(' ') == std::string_view::npos) {
      fresh = true;
      continue;
    }
    if (line.starts_with("    ") && (fresh || (!blocks.empty() && blocks.back().kind == Block::Kind::code))) {
      if (fresh || blocks.empty()) blocks.push_back({Block::Kind::code, {}});
      blocks.back().text += std::string(line.substr(4)) + "\n";
    } else if (line.starts_with("- ")) {
      blocks.push_back({Block::Kind::bullet, std::string(line.substr(2))});
    } else if (fresh || blocks.empty() || blocks.back().kind == Block::Kind::code) {
      blocks.push_back({Block::Kind::paragraph, std::string(line)});
    } else {
      append_line(blocks.back().text, line);
    }
    fresh = false;
  }
  for (auto& section : page.sections)
    for (auto& block : section.blocks)
      if (block.kind != Block::Kind::code) remove_marks(block.text);
  return page;
}

// S, L, K, G, I, P, B, N: the order of docs/shapes/README.md; then by number.
std::pair<std::size_t, int> order_of(const Page& page) {
  constexpr std::string_view kFamilies = "SLKGIPBN";
  return {kFamilies.find(page.id.front()), std::atoi(page.id.c_str() + 1)};
}

bool same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

const Section* Page::section(std::string_view title) const {
  const auto found = std::find_if(sections.begin(), sections.end(), [&](const Section& s) { return s.title == title; });
  return found == sections.end() ? nullptr : &*found;
}

std::string Page::summary() const {
  for (const auto& block : sections.front().blocks)
    if (block.kind == Block::Kind::paragraph) return block.text;
  return {};
}

std::string Page::fact(std::string_view name) const {
  for (const auto& block : sections.front().blocks)
    if (block.kind == Block::Kind::bullet && block.text.starts_with(name) && block.text.substr(name.size(), 2) == ": ")
      return block.text.substr(name.size() + 2);
  return {};
}

std::vector<std::string> Page::links() const {
  std::vector<std::string> urls;
  if (const auto* also = section("See also"))
    for (const auto& block : also->blocks)
      if (block.text.starts_with("https://")) urls.push_back(block.text.substr(0, block.text.find(' ')));
  return urls;
}

const std::vector<Page>& pages() {
  static const std::vector<Page> all = [] {  // constant: what was compiled in
    std::vector<Page> list;
    for (const auto& source : kSources) list.push_back(parse(source));
    std::sort(list.begin(), list.end(), [](const Page& a, const Page& b) { return order_of(a) < order_of(b); });
    return list;
  }();
  return all;
}

const Page* find_page(std::string_view word) {
  for (const auto& page : pages())
    if (same(page.id, word) || same(page.shape, word)) return &page;
  return nullptr;
}

}  // namespace hang::report
