#include "batch/groups.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>

namespace hang::batch {
namespace {

// The row says already whose reason it is.
std::string without_path(const Row& row) {
  std::string reason = row.error;
  for (const auto& lead : {row.item.path + ": ", row.item.path + " "})
    if (reason.starts_with(lead)) reason.erase(0, lead.size());
  return reason;
}

// Numbers apart, reasons that are alike are one.
std::string kind_of_reason(const Row& row) {
  const std::string reason = without_path(row);
  std::string kind;
  for (const char c : reason) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit)
      kind += c;
    else if (kind.empty() || kind.back() != '#')
      kind += '#';
  }
  return kind;
}

// Hangs, undetermined, no hang, no verdict.
int rank_of(const Group& group) {
  if (!group.reason.empty()) return 3;
  if (group.id.empty()) return 1;
  return group.id.front() == 'N' ? 2 : 0;
}

void add(const Row& row, Group& group) {
  if (group.count++ == 0) {
    const bool verdict = row.status == Status::classified;
    group.id = row.id;
    group.shape = verdict ? row.shape : name_of(row.status);
    group.blame = row.blame;
    group.ctrl_c = row.ctrl_c;
    group.reason = verdict ? "" : without_path(row);
    group.signature = row.signature;
    group.first_ns = group.last_ns = row.item.mtime_ns;
    group.example = row.item.path;
    group.summary = row.summary;
  }
  group.first_ns = std::min(group.first_ns, row.item.mtime_ns);
  group.last_ns = std::max(group.last_ns, row.item.mtime_ns);
}

// Cut in the middle: the ends of a path say most.
std::string shortened(const std::string& text, std::size_t width) {
  if (text.size() <= width || width < 5) return text;
  const auto head = (width - 3) / 3;
  return text.substr(0, head) + "..." + text.substr(text.size() - (width - 3 - head));
}

}  // namespace

std::vector<Group> groups_of(const Rows& rows) {
  std::map<std::string, Group> groups;
  for (const auto& [path, row] : rows) {
    const bool verdict = row.status == Status::classified;
    add(row, groups[verdict ? "v" + row.id + row.signature : name_of(row.status) + kind_of_reason(row)]);
  }
  std::vector<Group> list;
  for (auto& [key, group] : groups) list.push_back(std::move(group));
  std::stable_sort(list.begin(), list.end(), [](const Group& a, const Group& b) {
    return std::make_tuple(rank_of(a), -static_cast<std::int64_t>(a.count), a.example) <
           std::make_tuple(rank_of(b), -static_cast<std::int64_t>(b.count), b.example);
  });
  return list;
}

std::string table_text(const std::vector<Group>& groups, std::size_t width) {
  constexpr std::size_t kShape = 32, kTimes = 16, kFixed = 7 + kShape + 2 * (kTimes + 2) + 9;
  const auto rest = std::max<std::size_t>(width > kFixed ? width - kFixed : 0, 70);
  const auto blame = rest / 2, example = rest - blame;
  std::string text = fmt::format("{:>5}  {:<{}}  {:<6}  {:<{}}  {:<{}}  {:<{}}  {}\n", "count", "shape", kShape,
                                 "Ctrl-C", "blame", blame, "first (UTC)", kTimes, "last (UTC)", kTimes, "example");
  for (const auto& group : groups) {
    const auto shape = group.id.empty() ? group.shape : group.id + " " + group.shape;
    text += fmt::format(
        "{:>5}  {:<{}}  {:<6}  {:<{}}  {:<{}}  {:<{}}  {}\n", group.count, shortened(shape, kShape), kShape,
        group.ctrl_c.empty() ? "-" : group.ctrl_c, shortened(group.reason.empty() ? group.blame : group.reason, blame),
        blame, time_of(group.first_ns), kTimes, time_of(group.last_ns), kTimes, shortened(group.example, example));
  }
  return text;
}

int exit_code_of(const Rows& rows) {
  bool hang = false;
  for (const auto& [path, row] : rows) {
    if (row.status != Status::classified || row.id.empty()) return 3;
    hang = hang || row.id.front() != 'N';
  }
  return hang ? 1 : 0;
}

}  // namespace hang::batch
