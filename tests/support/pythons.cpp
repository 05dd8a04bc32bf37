#include "support/pythons.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

namespace hang::test {
namespace {

namespace fs = std::filesystem;

// Prints "CPYTHON major minor micro debug free_threaded"; runs on 2.7 too.
constexpr const char* kProbe =
    "import sys; i = getattr(sys, 'implementation', None); "
    "print('%s %d %d %d %d %d' % ((i.name if i else 'cpython',) + tuple(sys.version_info[:3]) + "
    "(hasattr(sys, 'gettotalrefcount'), 't' in getattr(sys, 'abiflags', ''))))";

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// pyenv's shims are shell scripts that choose an interpreter only when they run.
bool is_elf(const fs::path& path) {
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return magic == std::array<char, 4>{'\x7f', 'E', 'L', 'F'};
}

struct Candidate {
  fs::path root, executable;
};

// "/path/to/python3.12", or in a root file system "/path/to/root!/usr/bin/python3.14", as HANG_TEST_PYTHONS has them.
Candidate candidate_of(const std::string& given) {
  const auto mark = given.find('!');
  if (mark == std::string::npos) return {{}, given};
  return {given.substr(0, mark), given.substr(mark + 1)};
}

// What scripts/pythons wrote: "EXECUTABLE VERSION" lines in ROOT/hang-pythons.
void add_roots(std::vector<Candidate>& found) {
  if (getuid() != 0) return;  // chroot
  std::string folder = environment("HANG_ROOTS");
  const std::string cache = environment("XDG_CACHE_HOME");
  if (folder.empty()) folder = (cache.empty() ? environment("HOME") + "/.cache" : cache) + "/hang/roots";
  std::error_code ignored;  // none were made
  for (const auto& root : fs::directory_iterator(folder, ignored)) {
    std::ifstream contents(root.path() / "hang-pythons");
    for (std::string line; std::getline(contents, line);)
      if (line.rfind('/', 0) == 0) found.push_back({root.path(), line.substr(0, line.find(' '))});
  }
}

std::vector<Candidate> candidates() {
  std::vector<Candidate> found;
  if (auto given = environment("HANG_TEST_PYTHONS"); !given.empty()) {
    for (const auto& path : split(given, ':')) found.push_back(candidate_of(path));
    return found;
  }
  auto folders = split(environment("PATH"), ':');
  folders.insert(folders.end(), {"/usr/bin", "/usr/local/bin"});
  const auto root = environment("PYENV_ROOT").empty() ? environment("HOME") + "/.pyenv" : environment("PYENV_ROOT");
  std::error_code ignored;  // no pyenv here
  for (const auto& entry : fs::directory_iterator(root + "/versions", ignored)) folders.push_back(entry.path() / "bin");
  for (const auto& folder : folders) {
    for (const char* name : {"python", "python3"}) found.push_back({{}, fs::path(folder) / name});
    for (int minor = 6; minor < 20; ++minor) {
      const std::string name = "python3." + std::to_string(minor);
      for (const char* suffix : {"", "-dbg", "d", "t"}) found.push_back({{}, fs::path(folder) / (name + suffix)});
    }
  }
  add_roots(found);
  return found;
}

// What a file is, as far as its directory entry tells: what was found out about it holds until one of these changes.
std::string identity_of(const fs::path& executable) {
  struct stat status {};
  if (stat(executable.c_str(), &status) != 0) return "";
  std::ostringstream text;
  text << status.st_dev << ':' << status.st_ino << ':' << status.st_size << ':' << status.st_mtim.tv_sec << ':'
       << status.st_mtim.tv_nsec;
  return text.str();
}

// Every test is a process of its own, and each would start a dozen interpreters only to learn their names. So what a
// probe printed is kept in a file of ours, one line "identity answer" for each executable.
class ProbeCache {
 public:
  ProbeCache() : path_(fs::temp_directory_path() / ("hang-test-pythons-" + std::to_string(getuid()))) {
    struct stat status {};
    // Anybody may write to the temporary directory; only what we wrote is believed.
    if (lstat(path_.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != getuid()) return;
    std::ifstream file(path_);
    for (std::string identity, answer; file >> identity && std::getline(file, answer);) answers_[identity] = answer;
  }
  ProbeCache(const ProbeCache&) = delete;
  ProbeCache& operator=(const ProbeCache&) = delete;
  ~ProbeCache() {
    if (!changed_) return;
    std::string fresh = path_.string() + ".XXXXXX";
    const int fd = mkstemp(fresh.data());
    if (fd < 0) return;
    close(fd);
    std::ofstream file(fresh);
    for (const auto& [identity, answer] : answers_) file << identity << answer << '\n';
    file.close();
    std::error_code ignored;  // the next process probes again
    fs::rename(fresh, path_, ignored);
  }

  [[nodiscard]] std::optional<std::string> find(const std::string& identity) const {
    auto found = answers_.find(identity);
    return found == answers_.end() ? std::nullopt : std::optional(found->second);
  }
  void add(const std::string& identity, const std::string& answer) {
    answers_[identity] = " " + answer;
    changed_ = true;
  }

 private:
  fs::path path_;
  std::map<std::string, std::string> answers_;
  bool changed_ = false;
};

// A probe that is running; all are started before any is waited for.
struct Probe {
  Candidate candidate;
  std::string identity;
  std::optional<std::string> known;
  std::unique_ptr<FILE, int (*)(FILE*)> output{nullptr, nullptr};
};

Probe start_probe(const Candidate& candidate, const ProbeCache& cache) {
  Probe probe{candidate, identity_of(candidate.root.string() + candidate.executable.string()), std::nullopt};
  probe.known = cache.find(probe.identity);
  if (probe.known) return probe;
  const std::string in_root = candidate.root.empty() ? "" : "chroot '" + candidate.root.string() + "' ";
  const std::string command =
      in_root + "'" + candidate.executable.string() + "' -E -S -c \"" + kProbe + "\" 2>/dev/null";
  probe.output = {popen(command.c_str(), "re"), [](FILE* file) { return pclose(file); }};
  return probe;
}

std::string answer_of(const Probe& probe, ProbeCache& cache) {
  if (probe.known) return *probe.known;
  std::array<char, 128> line{};
  if (!probe.output || !std::fgets(line.data(), line.size(), probe.output.get())) return "";
  const std::string answer(line.data(), std::strcspn(line.data(), "\n"));
  cache.add(probe.identity, answer);
  return answer;
}

std::optional<CPython> python_of(const Probe& probe, const std::string& answer) {
  CPython python;
  std::string implementation;
  std::istringstream words(answer);
  if (!(words >> implementation >> python.major >> python.minor >> python.micro >> python.debug >>
        python.free_threaded) ||
      implementation != "cpython")
    return std::nullopt;
  python.executable = probe.candidate.executable;
  python.root = probe.candidate.root;
  python.version =
      std::to_string(python.major) + "." + std::to_string(python.minor) + "." + std::to_string(python.micro);
  python.supported =
      python.major == 3 && python.minor >= 11 && python.minor <= HANG_NEWEST_MINOR && !python.free_threaded;
  return python;
}

void name_uniquely(std::vector<CPython>& pythons) {
  std::map<std::string, int> used;
  for (CPython& python : pythons) {
    python.name = "py" + python.version + (python.debug ? "_debug" : "") + (python.free_threaded ? "_t" : "");
    std::replace(python.name.begin(), python.name.end(), '.', '_');
    if (int before = used[python.name]++; before > 0) python.name += "_n" + std::to_string(before + 1);
  }
}

std::vector<CPython> discover() {
  std::vector<fs::path> seen;
  ProbeCache cache;
  std::vector<Probe> probes;
  for (const Candidate& candidate : candidates()) {
    std::error_code error;
    const fs::path real = fs::canonical(candidate.root.string() + candidate.executable.string(), error);
    if (error || !is_elf(real) || std::find(seen.begin(), seen.end(), real) != seen.end()) continue;
    seen.push_back(real);
    const std::string inside = real.string().substr(candidate.root.string().size());
    probes.push_back(start_probe({candidate.root, inside}, cache));
  }
  std::vector<CPython> pythons;
  for (const Probe& probe : probes)
    if (auto python = python_of(probe, answer_of(probe, cache))) pythons.push_back(*python);
  std::sort(pythons.begin(), pythons.end(), [](const CPython& a, const CPython& b) {
    return std::tie(a.major, a.minor, a.micro, a.debug, a.root, a.executable) <
           std::tie(b.major, b.minor, b.micro, b.debug, b.root, b.executable);
  });
  name_uniquely(pythons);
  return pythons;
}

std::vector<CPython> where_supported(bool wanted) {
  std::vector<CPython> chosen;
  for (const CPython& python : installed_pythons())
    if (python.supported == wanted) chosen.push_back(python);
  return chosen;
}

}  // namespace

const std::vector<CPython>& installed_pythons() {
  static const std::vector<CPython> found = discover();
  return found;
}

std::vector<CPython> supported_pythons() {
  return where_supported(true);
}
std::vector<CPython> unsupported_pythons() {
  return where_supported(false);
}

const CPython* newest_here() {
  const CPython* newest = nullptr;
  for (const CPython& python : installed_pythons())
    if (python.supported && python.root.empty()) newest = &python;
  return newest;
}

void PrintTo(const CPython& python, std::ostream* out) {
  *out << python.version << " " << python.path();
}

}  // namespace hang::test
