// Executables that embed CPython are CPython processes too, whatever became of their files and symbols.
#include <algorithm>
#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "e2e/hosts.h"
#include "hosts/native/native_target.h"
#include "support/python_process.h"
#include "target/elf_file.h"

namespace hang::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kEmbedders = HANG_EMBEDDERS;
const std::string kScript = std::string(HANG_LABS) + "/l1_asyncio_queue.py";

class Embedding : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override {
    process_.reset();
    fs::remove_all(folder_);
  }

  // A copy that the test may change.
  std::string copy_of(const std::string& file) {
    const fs::path copy = folder_ / fs::path(file).filename();
    fs::copy_file(file, copy, fs::copy_options::overwrite_existing);
    return copy;
  }
  std::string copy_of_embedder(const std::string& name) { return copy_of(kEmbedders + "/" + name); }

  void start(const std::vector<std::string>& command, PythonOptions options = {}) {
    options.environment.emplace_back("PYTHONPATH", HANG_LABS);  // for labkit
    auto started = PythonProcess::run_program(command, options);
    ASSERT_TRUE(started.ok()) << started.error().describe();
    process_ = std::move(*started);
  }
  // Runs by a libpython that the test may change, and returns that.
  std::string start_with_copied_library() {
    const std::string library = copy_of(fs::canonical(HANG_LIBPYTHON));
    PythonOptions options;
    options.environment = {{"LD_LIBRARY_PATH", folder_}};
    start({kEmbedders + "/embed_shared", kScript}, options);
    return library;
  }
  std::string pid() const { return std::to_string(process_->pid()); }

  // A static executable that exports nothing can load no extension module, and has no asyncio then.
  std::string sleeper() {
    std::ofstream(folder_ / "sleeper.py") << "import time\nprint('READY', flush=True)\ntime.sleep(1000)\n";
    return folder_ / "sleeper.py";
  }

  // The lab parks its only task on a queue that nobody else has.
  void expect_orphaned(const std::vector<std::string>& more = {}) { expect("L1", more); }
  void expect_asleep() { expect("N3"); }
  void expect(const std::string& id, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"-p", pid()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    report_ = classify_in_cli(arguments);
    ASSERT_TRUE(report_.json) << report_.command.out << report_.command.err;
    EXPECT_EQ(report_.json->at("verdict").value("id", ""), id) << report_.json->dump(1);
  }
  std::string version() const { return report_.json->at("target").value("python", ""); }
  std::string gaps() const { return report_.json->at("gaps").dump(); }

  const fs::path folder_ = fs::path(testing::TempDir()) / ("hang_embedding_" + std::to_string(getpid()));
  std::unique_ptr<PythonProcess> process_;
  Report report_;
};

TEST_F(Embedding, Shared) {
  start({kEmbedders + "/embed_shared", kScript});
  expect_orphaned();
}

TEST_F(Embedding, StaticWithoutExports) {
  for (const char* name : {"embed_static", "embed_pie"}) {
    if (!fs::exists(kEmbedders + "/" + name)) GTEST_SKIP() << "no static libpython was found";
    start({kEmbedders + "/" + name, sleeper()});
    expect_asleep();
  }
}

// The runtime by its section, the version by the literal; the signal statics of 3.11 are out of reach, and that is
// said.
TEST_F(Embedding, StaticStripped) {
  for (const char* name : {"embed_static", "embed_pie"}) {
    if (!fs::exists(kEmbedders + "/" + name)) GTEST_SKIP() << "no static libpython was found";
    const std::string copy = copy_of_embedder(name);
    ASSERT_EQ(run_command({"strip", "-s", copy}).exit_code, 0);
    start({copy, sleeper()});
    expect_asleep();
    EXPECT_THAT(version(), HasSubstr("3.11."));
    EXPECT_THAT(gaps(), HasSubstr("Python's signal state"));
  }
}

// As some packers leave it: only the program headers tell what is where.
void remove_section_headers(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  Elf64_Ehdr header;
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  header.e_shoff = 0;
  header.e_shnum = 0;
  header.e_shstrndx = 0;
  file.seekp(0);
  file.write(reinterpret_cast<const char*>(&header), sizeof header);
}

TEST_F(Embedding, WithoutSectionHeaders) {
  if (!fs::exists(kEmbedders + "/embed_exporting")) GTEST_SKIP() << "no static libpython was found";
  const std::string copy = copy_of_embedder("embed_exporting");
  remove_section_headers(copy);
  start({copy, kScript});
  expect_orphaned();
}

TEST_F(Embedding, NothingTellsWhereTheRuntimeIs) {
  if (!fs::exists(kEmbedders + "/embed_static")) GTEST_SKIP() << "no static libpython was found";
  const std::string copy = copy_of_embedder("embed_static");
  ASSERT_EQ(run_command({"strip", "-s", copy}).exit_code, 0);
  remove_section_headers(copy);
  start({copy, sleeper()});
  const CommandResult result = run_command({HANG_BINARY, "classify", "-p", pid()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("has no CPython runtime"));
}

TEST_F(Embedding, DeletedExecutable) {
  if (!fs::exists(kEmbedders + "/embed_static")) GTEST_SKIP() << "no static libpython was found";
  const std::string copy = copy_of_embedder("embed_static");
  start({copy, sleeper()});
  fs::remove(copy);
  expect_asleep();
}

TEST_F(Embedding, DeletedLibrary) {
  fs::remove(start_with_copied_library());
  expect_orphaned();
}

// An upgrade while it runs: the name now leads to another file.
TEST_F(Embedding, UpgradedLibrary) {
  const std::string library = start_with_copied_library();
  fs::copy_file("/bin/sh", folder_ / "new", fs::copy_options::overwrite_existing);
  fs::rename(folder_ / "new", library);
  expect_orphaned();
}

// What is read when neither the file nor a link to it is to be had.
TEST_F(Embedding, ImageOfTheMemoryHasTheExportedSymbols) {
  start({kEmbedders + "/embed_shared", kScript});
  auto target = native::open_process(process_->pid());
  ASSERT_TRUE(target.ok()) << target.error().describe();
  const auto read = [&](std::uint64_t address, std::span<std::byte> out) {
    return (*target)->read(RemoteAddr(address), out).value_or(0);
  };
  int compared = 0;
  for (const Module& module : (*target)->modules().value_or({})) {
    auto file = ElfFile::open(module.open_path);
    auto image = ElfFile::open_image(read, module.begin.raw(), module.load_bias.raw(), module.path);
    ASSERT_TRUE(file.ok() && image.ok()) << module.path;
    for (const char* name : {"_PyRuntime", "Py_Version", "malloc", "deflate", "no such symbol", "_Py_NoneStruct"}) {
      const auto ours = (*image)->exported(name), theirs = (*file)->exported(name);
      ASSERT_EQ(ours.ok(), theirs.ok()) << name << " of " << module.path;
      if (!ours) continue;
      EXPECT_EQ(ours->address, theirs->address) << name;
      EXPECT_EQ(ours->size, theirs->size) << name;
      ++compared;
    }
  }
  EXPECT_GE(compared, 3);
}

TEST_F(Embedding, AnotherLibraryThatWasNeverInitialized) {
  const std::string other = copy_of(fs::canonical(HANG_LIBPYTHON));
  start({kEmbedders + "/embed_two", sleeper(), fs::canonical(HANG_LIBPYTHON), other});
  expect_asleep();
  EXPECT_THAT(gaps(), testing::Not(HasSubstr("other Python runtime")));
}

TEST_F(Embedding, AnotherLibraryThatRunsToo) {
  const std::string other = copy_of(fs::canonical(HANG_LIBPYTHON));
  start({kEmbedders + "/embed_two", sleeper(), fs::canonical(HANG_LIBPYTHON), "+" + other});
  const Report report = classify_in_cli({"-p", pid()});
  ASSERT_TRUE(report.json) << report.command.out << report.command.err;
  EXPECT_THAT(report.json->at("gaps").dump(), HasSubstr("other Python runtime"));
}

// /usr/bin/python3.N of a container: the same names lead to other files here, or to none.
TEST_F(Embedding, Container) {
  const auto pythons = supported_pythons();
  const auto inside = std::find_if(pythons.rbegin(), pythons.rend(),
                                   [](const CPython& python) { return !python.root.empty() && !python.debug; });
  if (inside == pythons.rend()) GTEST_SKIP() << "no root file system (scripts/pythons)";
  PythonOptions options;
  options.root = inside->root;
  options.container = true;
  start({inside->executable, kScript}, options);
  expect_orphaned();
  EXPECT_THAT(version(), HasSubstr(inside->version));
  if (const std::string why = why_no_lldb(); !why.empty()) GTEST_SKIP() << why;
  const Report report = classify_in_lldb(static_cast<pid_t>(process_->pid()));
  ASSERT_TRUE(report.json) << report.command.out << report.command.err;
  EXPECT_EQ(report.json->at("verdict").value("id", ""), "L1") << report.json->dump(1);
}

TEST_F(Embedding, AssumedVersion) {
  start({kEmbedders + "/embed_shared", kScript});
  expect_orphaned({"--assume-python", "3.11"});
  EXPECT_THAT(gaps(), testing::Not(HasSubstr("--assume-python"))) << "it is what it was assumed to be";
  const Report wrong = classify_in_cli({"-p", pid(), "--assume-python", "3.13"});
  EXPECT_EQ(wrong.command.exit_code, 2) << "a layout that does not fit is no verdict";
  EXPECT_THAT(wrong.command.err, HasSubstr("hang: ")) << wrong.command.err;
  const Report unknown = classify_in_cli({"-p", pid(), "--assume-python", "3.99"});
  EXPECT_EQ(unknown.command.exit_code, 2);
  const Report nonsense = classify_in_cli({"-p", pid(), "--assume-python", "2.7"});
  EXPECT_EQ(nonsense.command.exit_code, 2);
  EXPECT_THAT(nonsense.command.err, HasSubstr("a version like 3.13"));
}

}  // namespace
}  // namespace hang::test
