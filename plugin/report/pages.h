// Pages: the explanations of the shapes, docs/shapes/ID.md, compiled in. One source for the documentation, for
// `hang explain` and for the links of a report.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hang::report {

// A bullet, a paragraph or lines of code; text has its lines joined, code keeps them.
struct Block {
  enum class Kind { paragraph, bullet, code } kind = Kind::paragraph;
  std::string text;
};

struct Section {
  std::string title;  // "What happens"; "" for what stands before the first one
  std::vector<Block> blocks;
};

struct Page {
  std::string id, shape;  // "S1", "gil-hostage-signal-drop"
  std::vector<Section> sections;

  [[nodiscard]] const Section* section(std::string_view title) const;
  [[nodiscard]] std::string summary() const;                    // the first paragraph
  [[nodiscard]] std::string fact(std::string_view name) const;  // "named" for "Status"
  [[nodiscard]] std::vector<std::string> links() const;         // URLs of "See also"
};

// All pages, in the order of the families.
const std::vector<Page>& pages();
// By id or name, in any case; null if there is no such shape.
const Page* find_page(std::string_view word);

}  // namespace hang::report
