#include "support/pythons.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>

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

std::vector<fs::path> candidates() {
  std::vector<fs::path> found;
  if (auto given = environment("HANG_TEST_PYTHONS"); !given.empty()) {
    for (const auto& path : split(given, ':')) found.emplace_back(path);
    return found;
  }
  auto folders = split(environment("PATH"), ':');
  folders.insert(folders.end(), {"/usr/bin", "/usr/local/bin"});
  const auto root = environment("PYENV_ROOT").empty() ? environment("HOME") + "/.pyenv" : environment("PYENV_ROOT");
  std::error_code ignored;  // no pyenv here
  for (const auto& entry : fs::directory_iterator(root + "/versions", ignored)) folders.push_back(entry.path() / "bin");
  for (const auto& folder : folders) {
    for (const char* name : {"python", "python3"}) found.push_back(fs::path(folder) / name);
    for (int minor = 6; minor < 20; ++minor) {
      const std::string name = "python3." + std::to_string(minor);
      for (const char* suffix : {"", "-dbg", "d", "t"}) found.push_back(fs::path(folder) / (name + suffix));
    }
  }
  return found;
}

// A probe that is running; all are started before any is waited for.
struct Probe {
  fs::path executable;
  std::unique_ptr<FILE, int (*)(FILE*)> output{nullptr, nullptr};
};

Probe start_probe(const fs::path& executable) {
  const std::string command = "'" + executable.string() + "' -E -S -c \"" + kProbe + "\" 2>/dev/null";
  return {executable, {popen(command.c_str(), "re"), [](FILE* file) { return pclose(file); }}};
}

std::optional<CPython> finish_probe(const Probe& probe) {
  std::array<char, 32> name{};
  CPython python;
  int debug = 0, free_threaded = 0;
  if (!probe.output || std::fscanf(probe.output.get(), "%31s %d %d %d %d %d", name.data(), &python.major, &python.minor,
                                   &python.micro, &debug, &free_threaded) != 6)
    return std::nullopt;
  if (std::string(name.data()) != "cpython") return std::nullopt;
  python.executable = probe.executable;
  python.debug = debug != 0;
  python.free_threaded = free_threaded != 0;
  python.version =
      std::to_string(python.major) + "." + std::to_string(python.minor) + "." + std::to_string(python.micro);
  python.supported = python.major == 3 && python.minor >= 11 && python.minor <= 13 && !python.free_threaded;
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
  std::vector<fs::path> executables;
  for (const auto& candidate : candidates()) {
    std::error_code error;
    const fs::path real = fs::canonical(candidate, error);
    if (error || !is_elf(real)) continue;
    if (std::find(executables.begin(), executables.end(), real) == executables.end()) executables.push_back(real);
  }
  std::vector<Probe> probes;
  for (const auto& executable : executables) probes.push_back(start_probe(executable));
  std::vector<CPython> pythons;
  for (const Probe& probe : probes)
    if (auto python = finish_probe(probe)) pythons.push_back(*python);
  std::sort(pythons.begin(), pythons.end(), [](const CPython& a, const CPython& b) {
    return std::tie(a.major, a.minor, a.micro, a.debug, a.executable) <
           std::tie(b.major, b.minor, b.micro, b.debug, b.executable);
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

void PrintTo(const CPython& python, std::ostream* out) {
  *out << python.version << " " << python.executable;
}

}  // namespace hang::test
