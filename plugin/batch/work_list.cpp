#include "batch/work_list.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sys/stat.h>
#include <system_error>
#include <utility>

namespace hang::batch {

namespace fs = std::filesystem;

namespace {

// FNV-1a: std::hash is not the same on every machine.
std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

// Beside a core its sidecar; and what a batch itself writes, where somebody puts it into the folder.
bool is_ours(const std::string& path) {
  for (const char* suffix : {".hang.json", ".jsonl", ".jsonl.tmp", ".sqlite", ".db", ".html"})
    if (path.ends_with(suffix)) return true;
  return false;
}

std::string real_path(const std::string& path) {
  std::error_code error;
  const auto real = fs::weakly_canonical(path, error);
  return error || real.empty() ? path : real.string();
}

Item item_at(const std::string& path) {
  Item item{path, 0, 0};
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return item;
  if (S_ISREG(status.st_mode)) item.size = static_cast<std::uint64_t>(status.st_size);
  item.mtime_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
  return item;
}

// Finds what is below the paths. A file that is named twice, whatever the spelling, keeps its first name.
class Finder {
 public:
  explicit Finder(const IsItem& is_item) : is_item_(is_item) {}
  void add(Item item, const std::string& real);
  void add_path(const std::string& path);
  [[nodiscard]] WorkList list(const Shard& shard);

 private:
  void add_folder(const std::string& folder, const std::string& real);
  void add_entry(const fs::directory_entry& entry, const std::string& real_folder);
  void refuse(const std::string& path, const std::string& real, std::string reason);

  const IsItem& is_item_;
  std::map<std::string, Item> found_;  // by the real path
  std::size_t seen_ = 0;               // also those that were there already
  WorkList list_;
};

void Finder::add(Item item, const std::string& real) {
  ++seen_;
  found_.emplace(real, std::move(item));
}

void Finder::refuse(const std::string& path, const std::string& real, std::string reason) {
  ++seen_;
  if (found_.emplace(real, item_at(path)).second) list_.refused.emplace(path, std::move(reason));
}

void Finder::add_entry(const fs::directory_entry& entry, const std::string& real_folder) {
  const auto path = entry.path().string();
  const auto real = real_folder + "/" + entry.path().filename().string();
  std::error_code ignored;
  const bool link = entry.is_symlink(ignored);
  const auto type = entry.status(ignored).type();
  if (type == fs::file_type::directory) {
    if (!link) add_folder(path, real);  // no way round in circles
  } else if (is_ours(path)) {
    return;
  } else if (type == fs::file_type::regular || type == fs::file_type::none) {  // none: its row will say why
    add(item_at(path), link ? real_path(path) : real);
  } else if (link && type == fs::file_type::not_found) {
    refuse(path, real, "is a link to what is not there");
  }
}

void Finder::add_folder(const std::string& folder, const std::string& real) {
  if (is_item_(folder)) {
    add(item_at(folder), real);
    return;
  }
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) entries.push_back(*at);
  if (error) refuse(folder, real, "cannot be searched: " + error.message());
  // A link to a file of the same folder gives way to the file; else the order is that of the names.
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    std::error_code ignored;
    return std::make_pair(a.is_symlink(ignored), a.path().native()) <
           std::make_pair(b.is_symlink(ignored), b.path().native());
  });
  for (const auto& entry : entries) add_entry(entry, real);
}

void Finder::add_path(const std::string& path) {
  std::error_code ignored;
  const auto real = real_path(path);
  const auto type = fs::status(path, ignored).type();
  const auto before = seen_;
  if (type == fs::file_type::directory) {
    add_folder(path, real);
    if (seen_ == before) list_.empty.push_back(path);
  } else if (type == fs::file_type::regular || type == fs::file_type::none) {
    add(item_at(path), real);
  } else if (type == fs::file_type::not_found) {
    const bool link = fs::is_symlink(fs::symlink_status(path, ignored));
    refuse(path, real, link ? "is a link to what is not there" : "no such file");
  } else {
    refuse(path, real, "is not a regular file");
  }
}

WorkList Finder::list(const Shard& shard) {
  for (auto& [real, item] : found_) list_.items.push_back(std::move(item));
  std::sort(list_.items.begin(), list_.items.end(), [](const Item& a, const Item& b) { return a.path < b.path; });
  std::erase_if(list_.items, [&](const Item& item) { return hash_of(item.path) % shard.count != shard.index - 1; });
  return std::move(list_);
}

}  // namespace

WorkList work_list(const std::vector<std::string>& paths, const Shard& shard, const IsItem& is_item,
                   const std::vector<Item>& given) {
  Finder finder(is_item);
  for (const auto& item : given) finder.add(item, item.path.starts_with('/') ? real_path(item.path) : item.path);
  for (const auto& path : paths) finder.add_path(path);
  return finder.list(shard);
}

}  // namespace hang::batch
