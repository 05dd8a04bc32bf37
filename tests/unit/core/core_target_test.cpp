// A core and its program files: only the file that was mapped fills in what the core leaves out, and only what nobody
// could have written to.
#include "hosts/core/core_target.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core_builder.h"

namespace hang::core {
namespace {

using test::append;
using test::CoreBuilder;
using test::elf_header;
using test::TemporaryFile;

constexpr std::uint64_t kBase = 0x7f0000000000, kPage = 0x1000;

// A shared object of three pages: headers and build id, read-only text, writable data.
std::string library(const std::string& build_id, char text = 't') {
  std::string file;
  append(file, elf_header(ET_DYN, 3));
  const std::uint64_t note = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr);
  const std::uint64_t note_size = sizeof(Elf64_Nhdr) + 4 + build_id.size();
  append(file, Elf64_Phdr{PT_LOAD, PF_R | PF_X, 0, 0, 0, 2 * kPage, 2 * kPage, kPage});
  append(file, Elf64_Phdr{PT_LOAD, PF_R | PF_W, 2 * kPage, 2 * kPage, 0, kPage, kPage, kPage});
  append(file, Elf64_Phdr{PT_NOTE, PF_R, note, note, 0, build_id.empty() ? 0 : note_size, note_size, 4});
  append(file, Elf64_Nhdr{4, static_cast<Elf64_Word>(build_id.size()), NT_GNU_BUILD_ID});
  file += std::string("GNU\0", 4) + build_id;
  file.resize(kPage, '\0');
  file += std::string(kPage, text) + std::string(kPage, 'd');
  return file;
}

// A core of a process that mapped `file`; only its first page was kept, if that.
CoreBuilder core_of(const std::string& file, const std::string& path, bool with_head = true) {
  CoreBuilder core;
  core.thread(71, 202);
  core.process(71);
  core.segments = {{kBase, with_head ? file.substr(0, kPage) : "", 2 * kPage, PF_R | PF_X},
                   {kBase + 2 * kPage, "", kPage, PF_R | PF_W}};
  core.files = {{kBase, kBase + 2 * kPage, 0, path}, {kBase + 2 * kPage, kBase + 3 * kPage, 2, path}};
  core.list_files();
  return core;
}

std::string read(Target& target, std::uint64_t address, std::size_t size) {
  std::string text(size, '?');
  auto count = target.read(RemoteAddr(address), std::as_writable_bytes(std::span(text)));
  return text.substr(0, count.value_or(0));
}

std::unique_ptr<Target> open(const TemporaryFile& core, const std::string& executable = "",
                             const std::string& sysroot = "") {
  auto target = open_core({core.path(), executable, sysroot});
  EXPECT_TRUE(target.ok()) << target.error().message;
  return target.ok() ? std::move(*target) : nullptr;
}

TEST(CoreTarget, ReadOnlyPagesComeFromTheFileWithTheSameBuildId) {
  const TemporaryFile file(library("one-two-three-four-5"));
  const TemporaryFile core(core_of(library("one-two-three-four-5"), file.path()).build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "ttt");
  EXPECT_EQ(read(*target, kBase + kPage - 2, 4), std::string("\0\0tt", 4)) << "from the core, then from the file";
  EXPECT_EQ(read(*target, kBase + 2 * kPage, 3), "") << "what is writable has changed since";
  EXPECT_EQ(read(*target, kBase + 2 * kPage - 2, 4), "tt");
  EXPECT_TRUE(target->flaws().empty());
}

TEST(CoreTarget, AnotherBuildOfTheFileIsNotBelieved) {
  const TemporaryFile file(library("another-build-id-...", 'X'));
  const TemporaryFile core(core_of(library("one-two-three-four-5"), file.path()).build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "");
  const auto flaws = target->flaws();
  ASSERT_EQ(flaws.size(), 1u);
  EXPECT_THAT(flaws[0].what, testing::HasSubstr(file.path()));
  EXPECT_THAT(flaws[0].why, testing::HasSubstr("another build"));
}

TEST(CoreTarget, NorOneThatHasNoBuildIdWhereTheCoreHas) {
  const TemporaryFile file(library(""));
  const TemporaryFile core(core_of(library("one-two-three-four-5"), file.path()).build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "");
}

TEST(CoreTarget, AbsentFilesAreNamed) {
  const TemporaryFile core(core_of(library("one-two-three-four-5"), "/nowhere/libx.so").build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  const auto modules = target->modules();
  ASSERT_TRUE(modules.ok());
  ASSERT_EQ(modules->size(), 1u);
  EXPECT_EQ(modules->front().path, "/nowhere/libx.so");
  EXPECT_EQ(modules->front().open_path, "");
  ASSERT_EQ(target->flaws().size(), 1u);
  EXPECT_THAT(target->flaws()[0].why, testing::HasSubstr("not here"));
}

TEST(CoreTarget, ExecutableAndSysrootSayWhereFilesAre) {
  const TemporaryFile file(library("one-two-three-four-5"));
  auto builder = core_of(library("one-two-three-four-5"), "/nowhere/python3");
  builder.entry(kBase + 0x10);
  const TemporaryFile core(builder.build());
  const auto named = open(core, file.path());
  ASSERT_TRUE(named);
  EXPECT_EQ(read(*named, kBase + kPage, 3), "ttt");

  const std::string root = testing::TempDir() + "hang_sysroot_" + std::to_string(getpid());
  std::filesystem::create_directories(root + "/nowhere");
  std::filesystem::copy_file(file.path(), root + "/nowhere/python3");
  const auto rooted = open(core, "", root);
  ASSERT_TRUE(rooted);
  EXPECT_EQ(read(*rooted, kBase + kPage, 3), "ttt");
  std::filesystem::remove_all(root);
}

TEST(CoreTarget, DebuginfodsCacheIsLookedInto) {
  const std::string cache = testing::TempDir() + "hang_debuginfod_" + std::to_string(getpid());
  const std::string id = "6f6e65";  // "one"
  std::filesystem::create_directories(cache + "/" + id);
  std::ofstream(cache + "/" + id + "/executable", std::ios::binary) << library("one");
  setenv("DEBUGINFOD_CACHE_PATH", cache.c_str(), 1);
  const TemporaryFile core(core_of(library("one"), "/nowhere/libx.so").build());
  const auto target = open(core);
  unsetenv("DEBUGINFOD_CACHE_PATH");
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "ttt");
  std::filesystem::remove_all(cache);
}

TEST(CoreTarget, WithoutTheFirstPageALayoutThatFitsIsTakenAndSaid) {
  const TemporaryFile file(library("one-two-three-four-5"));
  const TemporaryFile core(core_of(library("one-two-three-four-5"), file.path(), false).build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "ttt");
  ASSERT_EQ(target->flaws().size(), 1u);
  EXPECT_THAT(target->flaws()[0].why, testing::HasSubstr("build id"));
}

TEST(CoreTarget, CutOffIsSaid) {
  CoreBuilder builder;
  builder.thread(71, 202);
  builder.segments = {{0x10000, std::string(4096, 'a')}};
  const std::string bytes = builder.build();
  const TemporaryFile core(bytes.substr(0, bytes.size() - 100));
  const auto target = open(core);
  ASSERT_TRUE(target);
  ASSERT_EQ(target->flaws().size(), 1u);
  EXPECT_THAT(target->flaws()[0].why, testing::HasSubstr("100 bytes"));
}

}  // namespace
}  // namespace hang::core
