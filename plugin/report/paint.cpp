#include "report/paint.h"

#include <algorithm>
#include <fmt/format.h>

namespace hang::report {

std::string Paint::wrap(const char* code, const std::string& text) const {
  return style_.color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

std::string printable(const std::string& text) {
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::size_t columns(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string pad(const std::string& text, std::size_t width) {
  const std::size_t used = columns(text);
  return used >= width ? text : text + std::string(width - used, ' ');
}

std::string fill(const std::string& text, int width, int indent, int hanging) {
  std::string out, line(static_cast<std::size_t>(indent), ' ');
  bool empty = true;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (!empty && columns(line) + 1 + columns(word) > static_cast<std::size_t>(width)) {
      out += line + "\n";
      line = std::string(static_cast<std::size_t>(indent + hanging), ' ');
      empty = true;
    }
    if (!empty) line += ' ';
    line += word;
    empty = false;
  }
  return out + line;
}

namespace {

// At most `width` columns; what is cut is marked.
std::string cut(const std::string& text, std::size_t width) {
  if (columns(text) <= width || width < 4) return text;
  std::string out;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size() && used < width - 1;) {
    std::size_t next = i + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xc0) == 0x80) ++next;
    out += text.substr(i, next - i);
    i = next;
    ++used;
  }
  return out + "…";
}

}  // namespace

std::string Table::text(const Style& style) const {
  const Paint paint(style);
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows_[r].size() && i < widths.size(); ++i) {
      const bool last = i + 1 == rows_[r].size();
      const std::string cell = printable(rows_[r][i]);
      const std::size_t left = static_cast<std::size_t>(std::max(20, style.width)) -
                               std::min<std::size_t>(columns(line), static_cast<std::size_t>(style.width));
      line += last ? (style.verbose ? cell : cut(cell, std::max<std::size_t>(left, 12))) : pad(cell, widths[i]) + "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += (r == 0 ? paint.bold(line) : line) + "\n";
  }
  return out;
}

}  // namespace hang::report
