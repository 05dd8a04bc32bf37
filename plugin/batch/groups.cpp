#include "batch/groups.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

namespace hang::batch {
namespace {

// The row says already whose reason it is.
std::string without_path(const Row& row) {
  std::string reason = row.error;
  for (const auto& lead : {row.item.path + ": ", row.item.path + " "})
    if (reason.starts_with(lead)) reason.erase(0, lead.size());
  return reason;
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
    group.also_blamed = row.also_blamed;
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

// What tells a group from those that are blamed on the same first line.
void set_differences(std::vector<Group>& groups) {
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<Group*>> alike;
  for (auto& group : groups)
    if (group.reason.empty()) alike[{group.id, group.shape, group.blame}].push_back(&group);
  for (const auto& shown : alike) {
    const auto& all = shown.second;
    std::map<std::string, std::size_t> groups_with;
    for (const auto* group : all)
      for (const auto& line : std::set(group->also_blamed.begin(), group->also_blamed.end())) ++groups_with[line];
    const bool as_many = std::all_of(all.begin(), all.end(), [&](const Group* group) {
      return group->also_blamed.size() == all.front()->also_blamed.size();
    });
    for (auto* group : all) {
      const auto& lines = group->also_blamed;
      const auto own =
          std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return groups_with[line] < all.size(); });
      if (own != lines.end())
        group->difference = *own;
      else if (!as_many && !lines.empty())  // the same lines, of more threads
        group->difference = fmt::format("{} more", lines.size());
    }
  }
}

// The blame column, cut to `width`; both of two lines stay to be seen.
std::string what_of(const Group& group, std::size_t width) {
  if (!group.reason.empty()) return shortened(group.reason, width);
  if (group.difference.empty()) return shortened(group.blame, width);
  constexpr std::string_view kAnd = " + ";
  const auto room = width > kAnd.size() ? width - kAnd.size() : 0;
  const auto first = std::max(room / 2, room - std::min(room, group.difference.size()));
  const auto blame = shortened(group.blame, first);
  return blame + std::string(kAnd) + shortened(group.difference, room - std::min(room, blame.size()));
}

// Columns of the table. Those of times have all the same width.
constexpr std::size_t kTimes = 16, kShape = 32, kLeastBlame = 35, kMostPadding = 60;

struct Widths {
  std::size_t shape, blame, example;
};

// What is longer is cut.
Widths most_of(std::size_t width) {
  constexpr std::size_t kUncut = std::numeric_limits<std::size_t>::max();
  if (width == 0) return {kUncut, kUncut, kUncut};
  constexpr std::size_t kFixed = 7 + kShape + 2 * (kTimes + 2) + 9;
  const auto rest = std::max<std::size_t>(width > kFixed ? width - kFixed : 0, 2 * kLeastBlame);
  return {kShape, rest / 2, rest - rest / 2};
}

}  // namespace

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
  set_differences(list);
  return list;
}

std::string table_text(const std::vector<Group>& groups, std::size_t width) {
  const auto most = most_of(width);
  std::vector<std::pair<std::string, std::string>> texts;
  auto columns = most;
  if (width == 0) columns = {kShape, kLeastBlame, 0};
  for (const auto& group : groups) {
    texts.emplace_back(shortened(group.id.empty() ? group.shape : group.id + " " + group.shape, most.shape),
                       what_of(group, most.blame));
    if (width > 0) continue;
    // One long reason moves its own line only.
    columns.blame = std::max(columns.blame, std::min(texts.back().second.size(), kMostPadding));
  }
  std::string text =
      fmt::format("{:>5}  {:<{}}  {:<6}  {:<{}}  {:<{}}  {:<{}}  {}\n", "count", "shape", columns.shape, "Ctrl-C",
                  "blame", columns.blame, "first (UTC)", kTimes, "last (UTC)", kTimes, "example");
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto& group = groups[i];
    text +=
        fmt::format("{:>5}  {:<{}}  {:<6}  {:<{}}  {:<{}}  {:<{}}  {}\n", group.count, texts[i].first, columns.shape,
                    group.ctrl_c.empty() ? "-" : group.ctrl_c, texts[i].second, columns.blame, time_of(group.first_ns),
                    kTimes, time_of(group.last_ns), kTimes, shortened(group.example, most.example));
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
