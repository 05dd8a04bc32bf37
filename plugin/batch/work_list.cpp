#include "batch/work_list.h"

#include <algorithm>
#include <filesystem>
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

Item item_at(const std::string& path) {
  Item item{path, 0, 0};
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return item;
  if (S_ISREG(status.st_mode)) item.size = static_cast<std::uint64_t>(status.st_size);
  item.mtime_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
  return item;
}

void add_folder(const std::string& folder, const IsItem& is_item, std::vector<Item>& items) {
  if (is_item(folder)) {
    items.push_back(item_at(folder));
    return;
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, fs::directory_options::skip_permission_denied, error)) {
    const auto path = entry.path().string();
    std::error_code ignored;
    if (entry.is_symlink(ignored) && entry.is_directory(ignored)) continue;  // no way round in circles
    if (entry.is_directory(ignored)) add_folder(path, is_item, items);
    if (entry.is_regular_file(ignored) && !is_ours(path)) items.push_back(item_at(path));
  }
}

}  // namespace

std::vector<Item> work_list(const std::vector<std::string>& paths, const Shard& shard, const IsItem& is_item,
                            std::vector<Item> given) {
  auto items = std::move(given);
  for (const auto& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      add_folder(path, is_item, items);
    } else {
      items.push_back(item_at(path));
    }
  }
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.path < b.path; });
  const auto same = [](const Item& a, const Item& b) { return a.path == b.path; };
  items.erase(std::unique(items.begin(), items.end(), same), items.end());
  std::erase_if(items, [&](const Item& item) { return hash_of(item.path) % shard.count != shard.index - 1; });
  return items;
}

}  // namespace hang::batch
