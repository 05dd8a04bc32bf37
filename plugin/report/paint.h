// Paint: colour on a terminal, nothing elsewhere, and the few shapes of text that the reports are made of.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"

namespace hang::report {

class Paint {
 public:
  explicit Paint(const Style& style) : style_(style) {}
  [[nodiscard]] std::string bold(const std::string& text) const { return wrap("1", text); }
  [[nodiscard]] std::string dim(const std::string& text) const { return wrap("2", text); }
  [[nodiscard]] std::string red(const std::string& text) const { return wrap("31;1", text); }
  [[nodiscard]] std::string green(const std::string& text) const { return wrap("32", text); }
  [[nodiscard]] std::string yellow(const std::string& text) const { return wrap("33", text); }

 private:
  [[nodiscard]] std::string wrap(const char* code, const std::string& text) const;
  const Style& style_;
};

// Text from the target made harmless for a terminal: control characters are shown, not sent.
std::string printable(const std::string& text);
// Breaks at blanks to `width` columns, every line indented by `indent`; no trailing newline.
std::string fill(const std::string& text, int width, int indent, int hanging = 0);
// Number of terminal columns of UTF-8 text (code points; the reports use no wide ones of their own).
std::size_t columns(const std::string& text);
std::string pad(const std::string& text, std::size_t width);

// Columns as wide as their content; the last one is cut to the terminal's width.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] std::string text(const Style& style) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace hang::report
