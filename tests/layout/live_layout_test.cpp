// The shipped tables against running CPythons: their own _Py_DebugOffsets, and by way of gdb their debug information.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>

#include "cpython/layout/debug_offsets.h"
#include "cpython/layout/layout.h"
#include "cpython/layout/tables.h"
#include "cpython/runtime.h"
#include "hosts/native/native_target.h"
#include "support/python_process.h"
#include "target/elf_file.h"

namespace hang::cpython::layout {
namespace {

using test::CPython;
using test::PythonProcess;

class LiveLayout : public testing::TestWithParam<CPython> {};
INSTANTIATE_TEST_SUITE_P(, LiveLayout, testing::ValuesIn(test::supported_pythons()),
                         test::python_name<testing::TestParamInfo<CPython>>);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LiveLayout);

TEST_P(LiveLayout, AgreesWithDebugOffsets) {
  auto process = PythonProcess::run_code(GetParam(), "print('READY', flush=True)\nimport time\ntime.sleep(1000)");
  ASSERT_TRUE(process.ok()) << process.error().describe();
  auto target = native::open_process((*process)->pid());
  ASSERT_TRUE(target.ok()) << target.error().describe();
  auto runtime = find_runtime(**target);
  ASSERT_TRUE(runtime.ok()) << runtime.error().describe();
  auto offsets = read_debug_offsets(**target, *runtime);
  if (GetParam().minor < 13) {
    ASSERT_FALSE(offsets.ok());  // they came with 3.13
    EXPECT_EQ(offsets.error().kind, ErrorKind::absent_field);
    return;
  }
  ASSERT_TRUE(offsets.ok()) << offsets.error().describe();

  int compared = 0;
  for (const DebugOffset& offset : *offsets) {
    int rows = 0;
    for (const Row& row : table_of(GetParam().minor)->rows) {
      const bool open = row.kind == RowKind::open_type;
      const bool is_size = (row.kind == RowKind::type || open) && offset.member.empty();
      const bool is_field = row.kind == RowKind::field && row.member == offset.member;
      if (row.type != offset.type || (!is_size && !is_field)) continue;
      ++rows;
      const Numbers& numbers = row.of(runtime->flavour);
      const auto theirs = static_cast<std::int64_t>(offset.value);
      EXPECT_TRUE(open ? numbers.first <= theirs : numbers.first == theirs)
          << offset.type << "." << offset.member << ": " << numbers.first << " in the table, " << theirs << " there";
    }
    EXPECT_EQ(rows, 1) << offset.type << "." << offset.member << " is not in the shipped table";
    compared += rows;
  }
  std::cout << compared << " numbers of _Py_DebugOffsets agree with the shipped table\n";
}

std::optional<std::string> output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string output;
  std::array<char, 4096> chunk;
  while (std::size_t got = fread(chunk.data(), 1, chunk.size(), pipe)) output.append(chunk.data(), got);
  return pclose(pipe) == 0 ? std::optional<std::string>(output) : std::nullopt;
}

// The separate file of a stripped one's debug information (a -dbg package), which its build-id names, if it is there.
std::string with_debug_information(const std::string& root, const std::string& file) {
  auto elf = ElfFile::open(file);
  const auto id = elf ? (*elf)->build_id() : std::nullopt;
  if (!id || id->size() < 3) return file;
  const std::string separate =
      fmt::format("{}/usr/lib/debug/.build-id/{}/{}.debug", root, id->substr(0, 2), id->substr(2));
  return std::filesystem::exists(separate) ? separate : file;
}

// The files that may hold debug information of the modules that module_rows() names.
std::vector<std::string> files_of(const CPython& python) {
  const std::string code =
      "import importlib, os, sys, sysconfig\n"
      "shared = sysconfig.get_config_var(\"Py_ENABLE_SHARED\")\n"
      "name = os.path.join(sysconfig.get_config_var(\"LIBDIR\") or \"\", sysconfig.get_config_var(\"INSTSONAME\") or "
      "\"\")\n"
      "print(name if shared and os.path.exists(name) else os.path.realpath(sys.executable))\n"
      "for module in \"_functools _collections select _socket _signal _asyncio _queue\".split():\n"
      "    file = getattr(importlib.import_module(module), \"__file__\", None)\n"
      "    if file: print(file)\n";
  const std::string in_root = python.root.empty() ? "" : fmt::format("chroot '{}' ", python.root);
  auto output = output_of(fmt::format("{}'{}' -c '{}'", in_root, python.executable, code));
  std::vector<std::string> files;
  std::istringstream lines(output.value_or(""));
  for (std::string line; std::getline(lines, line);)
    files.push_back(with_debug_information(python.root, python.root + line));
  return files;
}

// "type member" -> "offset size" of the wanted "type.member type.member ...", by the debug information of the files.
std::map<std::string, std::string> by_debug_information(const std::vector<std::string>& files,
                                                        const std::string& wanted) {
  std::map<std::string, std::string> found;
  for (const std::string& file : files) {
    auto output = output_of(
        fmt::format("HANG_MEMBERS='{}' gdb -nx -batch -x '{}' '{}' 2>/dev/null", wanted, HANG_MEMBER_OFFSETS, file));
    std::istringstream lines(output.value_or(""));
    for (std::string type, member, offset, size; lines >> type >> member >> offset;)
      if (offset != "absent" && lines >> size) found.emplace(type + " " + member, offset + " " + size);
  }
  return found;
}

// What no header check sees: members that come and go with options of the build (a JIT) that the headers do not record.
TEST_P(LiveLayout, FieldsAgreeWithDebugInformation) {
  if (!output_of("command -v gdb")) GTEST_SKIP() << "no gdb to read debug information with";
  const Flavour flavour = GetParam().debug ? Flavour::debug : Flavour::release;
  std::map<std::string, std::string> ours;
  std::string wanted;
  for (const Row& row : table_of(GetParam().minor)->rows) {
    if (row.kind != RowKind::field) continue;
    const Numbers& numbers = row.of(flavour);
    ours[fmt::format("{} {}", row.type, row.member)] = fmt::format("{} {}", numbers.first, numbers.second);
    wanted += fmt::format("{}.{} ", row.type, row.member);
  }
  // The first file is the one with the runtime.
  auto files = files_of(GetParam());
  ASSERT_FALSE(files.empty());
  files.resize(1);
  const auto theirs = by_debug_information(files, wanted);
  if (theirs.empty()) GTEST_SKIP() << GetParam().path() << " has no debug information";
  for (const auto& [name, numbers] : theirs) EXPECT_EQ(ours[name], numbers) << name;
  for (const auto& [name, numbers] : ours)
    if (!theirs.contains(name)) std::cout << name << " is not in the debug information\n";
  std::cout << theirs.size() << " of " << ours.size() << " fields compared with the debug information of CPython "
            << GetParam().version << "\n";
  EXPECT_GT(theirs.size(), ours.size() * 9 / 10);
}

TEST_P(LiveLayout, ModuleStructsAgreeWithDebugInformation) {
  if (!output_of("command -v gdb")) GTEST_SKIP() << "no gdb to read debug information with";
  std::map<std::string, const ModuleRow*> rows;
  std::string members;
  for (const ModuleRow& row : module_rows()) {
    if (GetParam().minor < row.first_minor || GetParam().minor > row.last_minor) continue;
    rows[fmt::format("{} {}", row.type, row.member)] = &row;
    members += fmt::format("{}.{} ", row.type, row.member);
  }
  ASSERT_FALSE(rows.empty());

  const auto found = by_debug_information(files_of(GetParam()), members);
  if (found.empty()) GTEST_SKIP() << GetParam().path() << " has no debug information";
  for (const auto& [name, row] : rows) {
    const auto theirs = found.find(name);
    // An extension module may be stripped where libpython is not.
    if (theirs == found.end())
      std::cout << name << " is not in the debug information\n";
    else
      EXPECT_EQ(theirs->second, fmt::format("{} {}", row->offset, row->size)) << name << " (" << row->source << ")";
  }
  std::cout << found.size() << " of " << rows.size() << " rows compared with the debug information of CPython "
            << GetParam().version << "\n";
}

}  // namespace
}  // namespace hang::cpython::layout
