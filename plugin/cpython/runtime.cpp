#include "cpython/runtime.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cpython/disassembler.h"
#include "cpython/layout/debug_offsets.h"
#include "cpython/layout/tables.h"
#include "target/elf_file.h"

namespace hang::cpython {
namespace {

using layout::DebugOffsetsHead;

constexpr int kFirstMinorWithDebugOffsets = 13;

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// "libpython3.10.so.1.0", "python3.11d"; not the extension module "_ssl.cpython-311-x86_64-linux-gnu.so".
bool named_like_python(std::string_view path) {
  const auto name = base_name(path);
  return name.find("python") != std::string_view::npos && name.find(".cpython-") == std::string_view::npos;
}

// Where a runtime is looked for, likeliest first, because each look opens a file. The executable leads also because the
// dynamic linker binds to its definitions: a libpython beside a static interpreter is never initialised.
std::vector<Module> search_order(std::vector<Module> modules) {
  if (modules.size() < 2) return modules;
  std::stable_partition(modules.begin() + 1, modules.end(),
                        [](const Module& module) { return named_like_python(module.path); });
  return modules;
}

// The symbols of one module, by its file where we can have it, else by the host.
class ModuleSymbols {
 public:
  ModuleSymbols(Target& target, const Module& module) : target_(&target), module_(&module) {
    if (auto file = ElfFile::open(module.open_path); file) file_ = std::move(*file);
  }

  // Whether other modules can link to `name` here. The host's own look-up would go through every local symbol too.
  bool exports(std::string_view name) {
    return file_ ? file_->exported(name).ok() : target_->symbol(*module_, name).ok();
  }
  // The same, of a static executable that exports nothing by all its symbols.
  bool defines(std::string_view name) {
    if (!exporting_) exporting_ = exports("Py_GetVersion");
    return *exporting_ ? exports(name) : target_->symbol(*module_, name).ok();
  }
  // A read-only variable. Its bytes in the file are those in memory, which a core leaves out.
  template <typename T>
  Result<T> constant(RemoteAddr address, std::string_view name) {
    auto value = read_value<T>(*target_, address, name);
    if (value || !file_) return value;
    T from_file{};
    const auto bytes = std::as_writable_bytes(std::span(&from_file, 1));
    if (!file_->read(address.raw() - module_->load_bias.raw(), bytes)) return value;
    return from_file;
  }

 private:
  Target* target_;
  const Module* module_;
  std::unique_ptr<ElfFile> file_;
  std::optional<bool> exporting_;
};

// PY_VERSION from PY_VERSION_HEX (Include/patchlevel.h): "3.13.0", "3.12.0rc2".
std::string version_of(std::uint32_t hexversion) {
  std::string version = fmt::format("{}.{}.{}", hexversion >> 24, hexversion >> 16 & 0xff, hexversion >> 8 & 0xff);
  const std::uint32_t serial = hexversion & 0xf;
  switch (hexversion >> 4 & 0xf) {
    case 0xa: return version + fmt::format("a{}", serial);
    case 0xb: return version + fmt::format("b{}", serial);
    case 0xc: return version + fmt::format("rc{}", serial);
    default: return version;
  }
}

Error unsupported(std::string_view what, const Module& module) {
  return Error{ErrorKind::unsupported_version,
               fmt::format("{} ({}) is not supported: this hang reads CPython 3.{} to 3.{}", what, module.path,
                           layout::tables().front().minor, layout::tables().back().minor)};
}

Error not_python(Target& target, const std::vector<Module>& modules) {
  const std::string name = modules.empty() ? "" : fmt::format(" ({})", base_name(modules.front().path));
  const std::string who = target.kind() == TargetKind::core ? "the core" : fmt::format("process {}", target.pid());
  // Up to 3.12 nothing in the memory says that it is a CPython: symbols do, and they are in the files.
  const std::string missing = target.missing_files();
  return Error{ErrorKind::not_python, fmt::format("{}{} has no CPython runtime{}{}", who, name,
                                                  missing.empty() ? "" : " in what is here of it; ", missing)};
}

// Constants lie in the files too: what a core does not have of them, it has not lost.
Error with_missing_files(Target& target, Error error) {
  const std::string missing = error.kind == ErrorKind::unreadable ? target.missing_files() : "";
  if (!missing.empty()) error.message += "; " + missing;
  return error;
}

// "2.7.18" off the front of a text, "" if it does not begin like a version of CPython.
std::string leading_version(std::string_view text) {
  std::size_t end = 0;
  int dots = 0;
  while (end < text.size() && (std::isdigit(static_cast<unsigned char>(text[end])) || text[end] == '.'))
    dots += text[end++] == '.';
  const auto version = text.substr(0, end);
  const bool plausible = (version.starts_with("2.") || version.starts_with("3.")) && version.back() != '.' && dots <= 2;
  return plausible ? std::string(version) : "";
}

// Before 3.11 nothing exported has the version, but Py_GetVersion() formats the literal PY_VERSION into a static buffer
// (Python/getversion.c): one of the addresses in its code is that literal.
std::string version_by_code(Target& target, const Module& module) {
  auto function = target.symbol(module, "Py_GetVersion");
  if (!function) return "";
  auto disassembler = Disassembler::open();
  if (!disassembler) return "";
  auto code = disassembler->walk(target, *function, module);
  if (!code) return "";
  for (const CodeReference& reference : code->references) {
    std::array<char, 32> text{};
    if (reference.kind != CodeReference::Kind::address) continue;
    if (!target.read(reference.address, std::as_writable_bytes(std::span(text).first(text.size() - 1)))) continue;
    if (auto version = leading_version(text.data()); std::count(version.begin(), version.end(), '.') == 2)
      return version;
  }
  return "";
}

// "libpython3.6m.so.1.0", "python2.7" -> "3.6", "2.7"
std::string version_by_name(const Module& module) {
  const auto name = base_name(module.path);
  const auto at = name.find("python");
  return at == std::string_view::npos ? "" : leading_version(name.substr(at + std::strlen("python")));
}

// The refusal of a CPython that is too old to export Py_Version (3.10 and before).
Error too_old(Target& target, const Module& module) {
  std::string version = version_by_code(target, module);
  if (version.empty()) version = version_by_name(module);
  return unsupported(version.empty() ? "a CPython before 3.11" : "CPython " + version, module);
}

Error of_unknown_version(const Module& module) {
  return Error{
      ErrorKind::unsupported_version,
      fmt::format("a CPython of unknown version ({}): its symbols are hidden; --assume-python 3.N reads it as that",
                  module.path)};
}

Result<void> check_debug_offsets(Target& target, const Runtime& runtime) {
  auto head = read_value<DebugOffsetsHead>(target, runtime.address, "_PyRuntime.debug_offsets");
  if (!head) return head.error();
  if (!head->has_cookie())
    return Error{ErrorKind::inconsistent, "_PyRuntime does not begin with the cookie \"xdebugpy\"", runtime.address,
                 "_PyRuntime.debug_offsets.cookie"};
  if (head->version != runtime.hexversion)
    return Error{
        ErrorKind::inconsistent,
        fmt::format("_PyRuntime is of version {:#x}, Py_Version says {:#x}", head->version, runtime.hexversion),
        runtime.address, "_PyRuntime.debug_offsets.version"};
  if (head->free_threaded != 0) return unsupported("free-threaded CPython " + runtime.version + "t", runtime.module);
  return {};
}

Result<void> read_build(Target& target, ModuleSymbols& symbols, Runtime& runtime) {
  const std::string name = "CPython " + runtime.version;
  const bool unfinished = (runtime.hexversion >> 4 & 0xf) < 0xc;  // alpha or beta: structs still change
  const bool known = runtime.hexversion >> 24 == 3 && layout::table_of(runtime.minor()) != nullptr && !unfinished;
  if (!runtime.assumed && !known) return unsupported(name, runtime.module);
  if (!runtime.assumed && runtime.minor() >= kFirstMinorWithDebugOffsets)
    if (auto fits = check_debug_offsets(target, runtime); !fits) return fits.error();
  // Include/modsupport.h, 3.11 to 3.15: defined under Py_TRACE_REFS, which makes each object two pointers longer.
  if (symbols.defines("PyModule_Create2TraceRefs"))
    return unsupported(name + " built with --with-trace-refs", runtime.module);
  // Include/object.h and refcount.h, 3.11 to 3.15: declared under Py_REF_DEBUG, which Py_DEBUG implies
  // (Include/pyport.h).
  if (symbols.defines("_Py_NegativeRefcount")) runtime.flavour = Flavour::debug;
  runtime.flavour_known = symbols.defines("Py_GetVersion");
  return {};
}

// PY_VERSION_HEX of a PY_VERSION like "3.11.2" or "3.12.0rc1+"; 0 of another text.
std::uint32_t hexversion_of(std::string_view text) {
  unsigned minor = 0, micro = 0, serial = 0;
  char level[3] = "", plus = 0, rest = 0;
  const std::string copy(text);
  std::uint32_t code = 0xf;
  int fields = std::sscanf(copy.c_str(), "3.%2u.%2u%c%c", &minor, &micro, &plus, &rest);
  if (fields > 2 && !(fields == 3 && plus == '+')) {
    fields = std::sscanf(copy.c_str(), "3.%2u.%2u%2[abrc]%2u", &minor, &micro, level, &serial);
    if (fields != 4) return 0;
    code = level[0] == 'a' ? 0xa : level[0] == 'b' ? 0xb : 0xc;
  }
  // Other libraries have versions that begin with 3 too, but OpenSSL's 3.0 to 3.6 and SQLite's 3.40 are no CPythons.
  if (fields < 2 || minor < 7 || minor > 30) return 0;
  return 0x03000000 | minor << 16 | micro << 8 | code << 4 | serial;
}

// The loaded segments of a module by its ELF header in memory; empty if that is not there.
std::vector<ElfSegment> segments_of(Target& target, const Module& module) {
  constexpr std::uint64_t kMaxHead = 4096;
  std::vector<std::byte> head(kMaxHead);
  head.resize(target.read(module.begin, head).value_or(0));
  return elf_segments_of_head(head);
}

// What a segment has of the file, as it is in memory now; as far as it is there.
std::string read_segment(Target& target, const Module& module, const ElfSegment& segment) {
  constexpr std::uint64_t kMaxSegment = std::uint64_t{64} << 20;
  if (segment.file_size > kMaxSegment) return {};
  std::string bytes(segment.file_size, '\0');
  const RemoteAddr begin(module.load_bias.raw() + segment.address);
  bytes.resize(target.read(begin, std::as_writable_bytes(std::span(bytes))).value_or(0));
  return bytes;
}

// Where no symbol says where the version is: it is one of the string literals (Python/getversion.c). Nothing if there
// is not exactly one that looks like it.
std::optional<std::uint32_t> version_by_literal(Target& target, const Module& module) {
  constexpr std::size_t kLongest = sizeof "3.15.10rc10+";
  constexpr std::string_view kBegin("\0003.", 3);
  std::optional<std::uint32_t> found;
  for (const ElfSegment& segment : segments_of(target, module)) {
    if (segment.writable || segment.executable) continue;
    const std::string bytes = read_segment(target, module, segment);
    for (auto at = bytes.find(kBegin); at != std::string::npos; at = bytes.find(kBegin, at + 1)) {
      const auto text = std::string_view(bytes).substr(at + 1, kLongest);
      const auto end = text.find('\0');
      const std::uint32_t version = end == std::string_view::npos ? 0 : hexversion_of(text.substr(0, end));
      if (version == 0 || version == found) continue;
      if (found) return std::nullopt;
      found = version;
    }
  }
  return found;
}

// Py_Version, or where it is hidden what _PyRuntime itself says (3.13+), or the literal.
Result<std::uint32_t> read_hexversion(Target& target, const Module& module, ModuleSymbols& symbols,
                                      RemoteAddr address) {
  auto version = target.symbol(module, "Py_Version");
  if (version) return symbols.constant<std::uint32_t>(*version, "Py_Version");
  if (version.error().kind != ErrorKind::no_symbols) return version.error();
  auto head = read_value<DebugOffsetsHead>(target, address, "_PyRuntime.debug_offsets");
  if (head && head->has_cookie()) return static_cast<std::uint32_t>(head->version);
  // A module that has the function but no Py_Version is too old, and not one with hidden symbols.
  if (target.symbol(module, "Py_GetVersion").ok()) return version.error();
  if (auto literal = version_by_literal(target, module)) return *literal;
  return version.error();
}

Result<Runtime> identify(Target& target, const Module& module, RemoteAddr address, const RuntimeOptions& options) {
  ModuleSymbols symbols(target, module);
  auto hexversion = read_hexversion(target, module, symbols, address);
  const bool unknown = !hexversion && hexversion.error().kind == ErrorKind::no_symbols;
  if (!hexversion && !(unknown && options.assumed_minor)) {
    if (!unknown) return hexversion.error();
    return target.symbol(module, "Py_GetVersion").ok() ? too_old(target, module) : of_unknown_version(module);
  }
  Runtime runtime;
  runtime.address = address;
  runtime.module = module;
  runtime.hexversion = hexversion.value_or(0);
  runtime.version = hexversion ? version_of(*hexversion) : "of unknown version";
  if (options.assumed_minor && (!hexversion || runtime.minor() != *options.assumed_minor)) {
    runtime.assumed = true;
    runtime.hexversion = 0x030000f0 | static_cast<std::uint32_t>(*options.assumed_minor) << 16;
  }
  if (auto build = read_build(target, symbols, runtime); !build) return build.error();
  return runtime;
}

using Place = std::pair<const Module*, RemoteAddr>;

// The modules, in the order given, that define `name`. Each look opens a file: behind the first that does, only those
// named like a libpython are asked.
Result<std::vector<Place>> find_definitions(Target& target, const std::vector<Module>& modules, std::string_view name) {
  std::vector<Place> found;
  for (const Module& module : modules) {
    if (!found.empty() && !named_like_python(module.path)) continue;
    auto address = target.symbol(module, name);
    if (address) found.emplace_back(&module, *address);
    // A file that cannot be opened or is no ELF file hides nothing but itself; a process that ended hides everything.
    else if (address.error().kind == ErrorKind::no_such_process)
      return address.error();
  }
  return found;
}

// The first cookie of _Py_DebugOffsets in a writable part of the module.
std::optional<RemoteAddr> find_cookie(Target& target, const Module& module) {
  constexpr std::uint64_t kAlignment = 8;
  for (const ElfSegment& segment : segments_of(target, module)) {
    if (!segment.writable) continue;
    const RemoteAddr begin(module.load_bias.raw() + segment.address);
    const std::string bytes = read_segment(target, module, segment);
    for (auto at = bytes.find(DebugOffsetsHead::kCookie); at != std::string::npos;
         at = bytes.find(DebugOffsetsHead::kCookie, at + 1)) {
      DebugOffsetsHead head{};
      if ((begin.raw() + at) % kAlignment != 0 || at + sizeof head > bytes.size()) continue;
      std::memcpy(&head, bytes.data() + at, sizeof head);
      if (head.version >> 24 == 3 && head.free_threaded <= 1) return begin.field(at);
    }
  }
  return std::nullopt;
}

// Runtimes whose symbol is hidden: Python/pylifecycle.c puts _PyRuntime into a section of its own for tools like this
// (GENERATE_DEBUG_SECTION, 3.11 to 3.15).
std::vector<Place> find_hidden(Target& target, const std::vector<Module>& modules) {
  std::vector<Place> found;
  for (const Module& module : modules) {
    auto file = ElfFile::open(module.open_path);
    auto section = file ? (*file)->section(".PyRuntime") : Result<ElfSection>(file.error());
    if (section) {
      found.emplace_back(&module, RemoteAddr(module.load_bias.raw() + section->address));
    } else if (&module == &modules.front() || named_like_python(module.path)) {
      if (auto address = find_cookie(target, module)) found.emplace_back(&module, *address);
    }
  }
  return found;
}

}  // namespace

const char* to_string(Flavour flavour) {
  switch (flavour) {
    case Flavour::release: return "release";
    case Flavour::debug: return "debug";
    case Flavour::free_threaded: return "free-threaded";
  }
  return "release";
}

Result<std::vector<Runtime>> find_runtimes(Target& target, const RuntimeOptions& options) {
  auto modules = target.modules();
  if (!modules) return modules.error();
  const std::vector<Module> ordered = search_order(*modules);
  auto places = find_definitions(target, ordered, "_PyRuntime");
  if (!places) return places.error();
  if (places->empty()) *places = find_hidden(target, ordered);
  std::vector<Runtime> runtimes;
  std::optional<Error> first_error;
  for (const auto& [module, address] : *places) {
    auto runtime = identify(target, *module, address, options);
    if (runtime)
      runtimes.push_back(std::move(*runtime));
    else if (!first_error)
      first_error = runtime.error();
  }
  if (!runtimes.empty()) return runtimes;
  if (first_error) return with_missing_files(target, *first_error);
  // _PyRuntime came with 3.7.
  auto old = find_definitions(target, ordered, "Py_GetVersion");
  if (!old) return old.error();
  return old->empty() ? not_python(target, *modules) : too_old(target, *old->front().first);
}

Result<Runtime> find_runtime(Target& target, const RuntimeOptions& options) {
  auto all = find_runtimes(target, options);
  if (!all) return all.error();
  return std::move(all->front());
}

}  // namespace hang::cpython
