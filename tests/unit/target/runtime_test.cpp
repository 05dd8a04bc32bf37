#include "cpython/runtime.h"

#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cpython/layout/tables.h"
#include "hosts/native/native_target.h"
#include "support/fake_target.h"
#include "support/python_process.h"

namespace hang::cpython {
namespace {

using test::CPython;
using test::FakeTarget;
using test::PythonProcess;

constexpr const char* kReadyAndWait =
    "import sys, time; sys.stdout.write('READY\\n'); sys.stdout.flush(); time.sleep(1000)";

class LiveRuntime : public testing::TestWithParam<CPython> {
 protected:
  Result<Runtime> find() {
    auto process = PythonProcess::run_code(GetParam(), kReadyAndWait);
    if (!process) return process.error();
    process_ = std::move(*process);
    auto target = native::open_process(process_->pid());
    if (!target) return target.error();
    target_ = std::move(*target);
    return find_runtime(*target_);
  }
  std::unique_ptr<PythonProcess> process_;
  std::unique_ptr<Target> target_;
};

class SupportedRuntime : public LiveRuntime {};
TEST_P(SupportedRuntime, IsFoundWithVersionAndFlavour) {
  auto runtime = find();
  ASSERT_TRUE(runtime.ok()) << runtime.error().describe();
  EXPECT_EQ(runtime->version, GetParam().version);
  EXPECT_EQ(runtime->minor(), GetParam().minor);
  EXPECT_EQ(runtime->flavour, GetParam().debug ? Flavour::debug : Flavour::release);
  EXPECT_GE(runtime->address, runtime->module.begin);
  EXPECT_LT(runtime->address, runtime->module.end);
}
INSTANTIATE_TEST_SUITE_P(, SupportedRuntime, testing::ValuesIn(test::supported_pythons()),
                         test::python_name<testing::TestParamInfo<CPython>>);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SupportedRuntime);

std::string range() {
  return fmt::format("CPython 3.{} to 3.{}", layout::tables().front().minor, layout::tables().back().minor);
}

class UnsupportedRuntime : public LiveRuntime {};
TEST_P(UnsupportedRuntime, IsRefusedByName) {
  auto runtime = find();
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.error().kind, ErrorKind::unsupported_version) << runtime.error().describe();
  const std::string expected = fmt::format("CPython {}{} (", GetParam().version, GetParam().free_threaded ? "t" : "");
  EXPECT_NE(runtime.error().message.find(expected), std::string::npos) << runtime.error().message;
  EXPECT_NE(runtime.error().message.find(range()), std::string::npos) << runtime.error().message;
}
INSTANTIATE_TEST_SUITE_P(, UnsupportedRuntime, testing::ValuesIn(test::unsupported_pythons()),
                         test::python_name<testing::TestParamInfo<CPython>>);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(UnsupportedRuntime);

TEST(FindRuntime, ProcessWithoutPython) {
  auto process = PythonProcess::run_program({"/bin/sh", "-c", "echo READY; kill -STOP $$"});
  ASSERT_TRUE(process.ok()) << process.error().describe();
  auto target = native::open_process((*process)->pid());
  ASSERT_TRUE(target.ok()) << target.error().describe();
  auto runtime = find_runtime(**target);
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.error().kind, ErrorKind::not_python);
  const std::string shell = std::filesystem::canonical("/bin/sh").filename();
  EXPECT_EQ(runtime.error().message, fmt::format("process {} ({}) has no CPython runtime", (*process)->pid(), shell));
}

// A target with one module at 0x400000 that claims to be a CPython of the given version.
class FakeRuntime : public testing::Test {
 protected:
  void claim(std::uint32_t hexversion, std::string_view cookie = "xdebugpy", std::uint64_t free_threaded = 0) {
    target_.put(RemoteAddr(0x401000), hexversion);
    target_.add_symbol("/python", "Py_Version", RemoteAddr(0x401000));
    target_.put_bytes(kRuntime, std::as_bytes(std::span(cookie)));
    target_.put(kRuntime.field(8), std::uint64_t{hexversion});
    target_.put(kRuntime.field(16), free_threaded);
  }
  void SetUp() override {
    target_.add_module({"/python", "/nonexistent/python", RemoteAddr(0), RemoteAddr(0x400000), RemoteAddr(0x500000)});
    target_.add_symbol("/python", "_PyRuntime", kRuntime);
  }
  static constexpr RemoteAddr kRuntime{0x402000};
  FakeTarget target_;
};

TEST_F(FakeRuntime, SupportedVersion) {
  claim(0x030d00f0);
  auto runtime = find_runtime(target_);
  ASSERT_TRUE(runtime.ok()) << runtime.error().describe();
  EXPECT_EQ(runtime->version, "3.13.0");
  EXPECT_EQ(runtime->address, kRuntime);
  EXPECT_EQ(runtime->flavour, Flavour::release);
}

TEST_F(FakeRuntime, DebugBuildByNegativeRefcount) {
  claim(0x030c01f0);
  target_.add_symbol("/python", "_Py_NegativeRefcount", RemoteAddr(0x403000));
  EXPECT_EQ(find_runtime(target_)->flavour, Flavour::debug);
}

TEST_F(FakeRuntime, NewerVersionIsRefusedByName) {
  const int newer = layout::tables().back().minor + 1;
  claim(0x030002f0 | static_cast<std::uint32_t>(newer) << 16);
  auto runtime = find_runtime(target_);
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.error().kind, ErrorKind::unsupported_version);
  EXPECT_EQ(runtime.error().message,
            fmt::format("CPython 3.{}.2 (/python) is not supported: this hang reads {}", newer, range()));
}

TEST_F(FakeRuntime, BetaIsRefusedAndReleaseCandidateIsNot) {
  claim(0x030d00b1);
  EXPECT_NE(find_runtime(target_).error().message.find("3.13.0b1"), std::string::npos);
  claim(0x030d00c2);
  EXPECT_EQ(find_runtime(target_)->version, "3.13.0rc2");
}

TEST_F(FakeRuntime, FreeThreadedBuildIsRefusedByName) {
  claim(0x030d00f0, "xdebugpy", 1);
  auto runtime = find_runtime(target_);
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.error().kind, ErrorKind::unsupported_version);
  EXPECT_NE(runtime.error().message.find("free-threaded CPython 3.13.0t"), std::string::npos);
}

TEST_F(FakeRuntime, TraceRefsBuildIsRefusedByName) {
  claim(0x030b07f0);
  target_.add_symbol("/python", "PyModule_Create2TraceRefs", RemoteAddr(0x403000));
  EXPECT_NE(find_runtime(target_).error().message.find("--with-trace-refs"), std::string::npos);
}

TEST_F(FakeRuntime, WrongCookieIsInconsistent) {
  claim(0x030d00f0, "xdebugpx");
  EXPECT_EQ(find_runtime(target_).error().kind, ErrorKind::inconsistent);
}

TEST_F(FakeRuntime, VersionsThatDisagreeAreInconsistent) {
  claim(0x030d00f0);
  target_.put(kRuntime.field(8), std::uint64_t{0x030d01f0});
  EXPECT_EQ(find_runtime(target_).error().kind, ErrorKind::inconsistent);
}

TEST_F(FakeRuntime, UnreadableVersionIsNotAGuess) {
  claim(0x030d00f0);
  target_.fail_at(RemoteAddr(0x401000), 4);
  auto runtime = find_runtime(target_);
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.error().kind, ErrorKind::unreadable);
  EXPECT_TRUE(target_.failures_not_visited().empty());
}

TEST_F(FakeRuntime, OldPythonWithoutCodeIsNamedByItsFile) {
  FakeTarget target;
  target.add_module({"/usr/bin/app", "", RemoteAddr(0), RemoteAddr(0x400000), RemoteAddr(0x500000)});
  target.add_module({"/usr/lib/libpython3.6m.so.1.0", "", RemoteAddr(0), RemoteAddr(0x600000), RemoteAddr(0x700000)});
  target.add_symbol("/usr/lib/libpython3.6m.so.1.0", "Py_GetVersion", RemoteAddr(0x601000));
  auto runtime = find_runtime(target);
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.error().kind, ErrorKind::unsupported_version);
  EXPECT_EQ(runtime.error().message.rfind("CPython 3.6 (/usr/lib/libpython3.6m.so.1.0) is not supported", 0), 0U);
}

TEST_F(FakeRuntime, ExecutableWinsOverALibraryBesideIt) {
  claim(0x030d00f0);
  target_.add_module({"/lib/libpython3.12.so", "", RemoteAddr(0), RemoteAddr(0x600000), RemoteAddr(0x700000)});
  target_.add_symbol("/lib/libpython3.12.so", "_PyRuntime", RemoteAddr(0x601000));
  EXPECT_EQ(find_runtime(target_)->module.path, "/python");
}

TEST_F(FakeRuntime, DeadProcessIsNotAProcessWithoutPython) {
  target_.fail_all(Error{ErrorKind::no_such_process, "process 1 ended while it was read"});
  EXPECT_EQ(find_runtime(target_).error().kind, ErrorKind::no_such_process);
}

}  // namespace
}  // namespace hang::cpython
