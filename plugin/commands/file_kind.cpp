#include "commands/file_kind.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

#include "commands/files.h"

namespace hang::commands {
namespace {

using namespace std::string_view_literals;

// An ELF file; what kernels and core_pattern helpers compress cores with.
constexpr std::array kCoreMagics{
    "\x7f"
    "ELF"sv,
    "\x28\xb5\x2f\xfd"sv,
    "\x04\x22\x4d\x18"sv,
    "\xfd"
    "7zXZ"sv,
    "\x1f\x8b"sv,
    "MDMP"sv};

}  // namespace

Result<FileKind> kind_of_file(const std::string& path) {
  if (is_snapshot(path)) return FileKind::snapshot;
  if (is_folder(path))
    return Error{ErrorKind::usage, path + " is a folder, but no snapshot: it has no " + kManifestName};
  // O_NONBLOCK: a FIFO would wait for its writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const std::string why = errno == ENOENT ? "no such file, and it is no pid" : std::strerror(errno);
    return Error{ErrorKind::io, "cannot open " + path + ": " + why};
  }
  std::array<char, 64> head{};
  const ssize_t count = read(fd, head.data(), head.size());
  const int number = errno;
  close(fd);
  if (count < 0) return Error{ErrorKind::io, "cannot read " + path + ": " + std::strerror(number)};
  if (count == 0) return Error{ErrorKind::io, path + " is empty"};
  const std::string_view text(head.data(), static_cast<std::size_t>(count));
  for (const auto magic : kCoreMagics)
    if (text.starts_with(magic)) return FileKind::core;
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return FileKind::facts;
  return Error{ErrorKind::usage, path + " is neither a core nor saved facts"};
}

}  // namespace hang::commands
