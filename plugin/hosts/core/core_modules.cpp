#include "hosts/core/core_modules.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "hosts/core/file_bytes.h"
#include "hosts/native/memory_map.h"
#include "target/elf_file.h"

namespace hang::core {
namespace {

using native::MappedModule;
using native::Mapping;

// A process with all of PyPI loaded has fewer.
constexpr std::size_t kMaxHeads = 8192;

constexpr std::string_view kDeleted = " (deleted)";

// The core's file map in the words of /proc/PID/maps. A core has no inode numbers: equal paths are one file.
std::vector<Mapping> mappings_of(const CoreFile& core) {
  std::vector<Mapping> mappings;
  std::map<std::string_view, std::uint64_t> numbers;
  for (const MappedFile& file : core.notes().files) {
    const CoreSegment* segment = core.segment_at(file.begin);
    Mapping mapping;
    mapping.begin = file.begin;
    mapping.end = file.end;
    mapping.offset = file.offset;
    mapping.inode = numbers.emplace(file.path, numbers.size() + 1).first->second;
    mapping.readable = segment == nullptr || segment->readable;
    mapping.writable = segment != nullptr && segment->writable;
    // gdb leaves out what is as in its file, with its protection.
    mapping.executable = segment == nullptr || segment->executable;
    mapping.path = file.path;
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

// A file here that may be one that was mapped.
class Candidate {
 public:
  explicit Candidate(const std::string& path) {
    struct stat status {};
    // Asked before it is opened: the name comes out of the core, and opening a device may do something.
    if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0 || fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) return;
    size_ = static_cast<std::uint64_t>(status.st_size);
    head_.resize(native::kHeadBytes);
    head_.resize(bytes().read_some(0, head_));
  }
  Candidate(const Candidate&) = delete;
  Candidate& operator=(const Candidate&) = delete;
  ~Candidate() {
    if (fd_ >= 0) close(fd_);
  }

  [[nodiscard]] bool usable() const { return !elf_segments_of_head(head_).empty(); }
  [[nodiscard]] const std::vector<std::byte>& head() const { return head_; }
  [[nodiscard]] std::optional<std::string> build_id() const {
    return build_id_of_head(head_, [this](std::uint64_t, std::uint64_t offset, std::span<std::byte> out) {
      return bytes().read(offset, out);
    });
  }

 private:
  [[nodiscard]] FileBytes bytes() const { return {fd_, size_}; }

  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::vector<std::byte> head_;
};

std::string debuginfod_cache() {
  if (const char* path = std::getenv("DEBUGINFOD_CACHE_PATH"); path != nullptr) return path;
  if (const char* path = std::getenv("XDG_CACHE_HOME"); path != nullptr)
    return std::string(path) + "/debuginfod_client";
  const char* home = std::getenv("HOME");
  return home != nullptr ? std::string(home) + "/.cache/debuginfod_client" : "";
}

enum class Match { same, unproven, other };

class Finder {
 public:
  Finder(const CoreFile& core, const CoreOptions& options) : core_(&core), options_(&options) {}

  CoreModules find();

 private:
  [[nodiscard]] std::vector<std::string> candidates(const Module& module, bool executable) const;
  [[nodiscard]] Match compare(const Candidate& candidate, const Module& module) const;
  [[nodiscard]] bool laid_out_like(const Candidate& candidate, const Module& module) const;
  void choose(Module& module, bool executable);
  void add_headless(const std::vector<Mapping>& mappings);

  const CoreFile* core_;
  const CoreOptions* options_;
  CoreModules found_;
  std::optional<std::string> wanted_id_;  // of the module that is looked for
  std::vector<std::byte> head_;           // its first bytes in memory
};

std::vector<std::string> Finder::candidates(const Module& module, bool executable) const {
  std::vector<std::string> list;
  std::string path = module.path;
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  if (executable && !options_->executable.empty()) list.push_back(options_->executable);
  if (!options_->sysroot.empty()) list.push_back(options_->sysroot + path);
  list.push_back(path);
  const std::string cache = wanted_id_ ? debuginfod_cache() : "";
  if (!cache.empty()) list.push_back(cache + "/" + *wanted_id_ + "/executable");
  return list;
}

// Without the first page in the core: whether the file's segments lie where the file was mapped.
bool Finder::laid_out_like(const Candidate& candidate, const Module& module) const {
  constexpr std::uint64_t kPage = 4096;
  const auto down = [](std::uint64_t at) { return at & ~(kPage - 1); };
  const auto segments = elf_segments_of_head(candidate.head());
  return std::all_of(segments.begin(), segments.end(), [&](const ElfSegment& segment) {
    const std::uint64_t begin = down(segment.address) + module.load_bias.raw();
    return segment.file_size == 0 ||
           std::any_of(core_->notes().files.begin(), core_->notes().files.end(), [&](const MappedFile& file) {
             return file.path == module.path && file.begin == begin && file.offset == down(segment.offset);
           });
  });
}

Match Finder::compare(const Candidate& candidate, const Module& module) const {
  const auto id = candidate.build_id();
  if (wanted_id_) return id == wanted_id_ ? Match::same : Match::other;
  // Built without one: the headers are all that can be compared.
  if (!head_.empty()) {
    const std::size_t size = std::min(head_.size(), candidate.head().size());
    return size > 0 && !id && std::memcmp(head_.data(), candidate.head().data(), size) == 0 ? Match::same
                                                                                            : Match::other;
  }
  return laid_out_like(candidate, module) ? Match::unproven : Match::other;
}

void Finder::choose(Module& module, bool executable) {
  head_.resize(native::kHeadBytes);
  head_.resize(core_->read(module.begin.raw(), head_));
  const auto read = [&](std::uint64_t address, std::uint64_t, std::span<std::byte> out) {
    return core_->read(address + module.load_bias.raw(), out) == out.size();
  };
  wanted_id_ = build_id_of_head(head_, read);
  MissingFile missing{module.path, wanted_id_.value_or(""), "", "", executable};
  for (const std::string& path : candidates(module, executable)) {
    const Candidate candidate(path);
    if (!candidate.usable()) continue;
    const Match match = compare(candidate, module);
    if (match == Match::other) {
      if (missing.other.empty()) missing.other_id = candidate.build_id().value_or("");
      if (missing.other.empty()) missing.other = path;
      continue;
    }
    module.open_path = path;
    if (match == Match::unproven) found_.unproven.push_back(module.path);
    return;
  }
  found_.missing.push_back(std::move(missing));
}

// A core that was written without the first pages of files (bit 4 of coredump_filter): the program headers are those of
// the file of that name here, if it fits.
void Finder::add_headless(const std::vector<Mapping>& mappings) {
  std::vector<std::vector<std::byte>> heads(mappings.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < mappings.size() && count < kMaxHeads; ++i) {
    std::byte first{};
    if (!native::may_begin_module(mappings[i]) || core_->read(mappings[i].begin, std::span(&first, 1)) == 1) continue;
    ++count;
    Module named;
    named.path = mappings[i].path;
    wanted_id_.reset();
    for (const std::string& path : candidates(named, mappings[i].path == mappings.front().path)) {
      if (!heads[i].empty()) break;
      const Candidate candidate(path);
      if (candidate.usable()) heads[i] = candidate.head();
    }
  }
  for (MappedModule& module : native::group_modules(mappings, heads))
    found_.modules.push_back(std::move(module.module));
}

CoreModules Finder::find() {
  const std::vector<Mapping> mappings = mappings_of(*core_);
  std::vector<std::vector<std::byte>> heads(mappings.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < mappings.size() && count < kMaxHeads; ++i) {
    if (!native::may_begin_module(mappings[i])) continue;
    heads[i].resize(native::kHeadBytes);
    heads[i].resize(core_->read(mappings[i].begin, heads[i]));
    if (!heads[i].empty()) ++count;
  }
  for (MappedModule& module : native::group_modules(mappings, heads))
    found_.modules.push_back(std::move(module.module));
  add_headless(mappings);
  const auto entry = core_->notes().entry;
  // The executable comes first, as in the dynamic linker's own list: its definitions win.
  const auto is_executable = [&](const Module& module) {
    return entry && RemoteAddr(*entry) >= module.begin && RemoteAddr(*entry) < module.end;
  };
  std::stable_partition(found_.modules.begin(), found_.modules.end(), is_executable);
  for (std::size_t i = 0; i < found_.modules.size(); ++i)
    choose(found_.modules[i], i == 0 && (!entry || is_executable(found_.modules[i])));
  return std::move(found_);
}

}  // namespace

CoreModules find_modules(const CoreFile& core, const CoreOptions& options) {
  return Finder(core, options).find();
}

}  // namespace hang::core
