#include "cpython/signal_statics.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>
#include <thread>

#include "hosts/native/native_target.h"
#include "support/fake_target.h"
#include "support/python_process.h"
#include "target/elf_file.h"

namespace hang::cpython {
namespace {

using test::CPython;
using test::PythonProcess;

// READY <wakeup fd> <address of the SIGUSR1 handler>; then the main thread blocks in a read() that a signal does not
// end (SA_RESTART), outside the interpreter, so that a signal that arrives stays tripped.
constexpr const char* kProgram = R"(
import ctypes, os, signal, socket, sys
a, b = socket.socketpair()
b.setblocking(False)
def handler(number, frame): pass
signal.signal(signal.SIGUSR1, handler)
signal.siginterrupt(signal.SIGUSR1, False)
signal.set_wakeup_fd(b.fileno(), warn_on_full_buffer=False)
libc = ctypes.CDLL(None)
buffer = ctypes.create_string_buffer(1)
r, w = os.pipe()
print("READY", b.fileno(), id(handler), flush=True)
libc.read(r, buffer, 1)
)";

std::vector<CPython> pythons_3_11() {
  std::vector<CPython> chosen;
  for (const CPython& python : test::supported_pythons())
    if (python.minor == 11) chosen.push_back(python);
  return chosen;
}

struct Handler {
  std::int32_t tripped, padding;
  std::uint64_t func;
};

class SignalStaticsOf : public testing::TestWithParam<CPython> {
 protected:
  void SetUp() override {
    auto process = PythonProcess::run_code(GetParam(), kProgram);
    ASSERT_TRUE(process.ok()) << process.error().describe();
    process_ = std::move(*process);
    auto target = native::open_process(process_->pid());
    ASSERT_TRUE(target.ok()) << target.error().describe();
    target_ = std::move(*target);
    auto runtime = find_runtime(*target_);
    ASSERT_TRUE(runtime.ok()) << runtime.error().describe();
    runtime_ = *runtime;
    ASSERT_EQ(std::sscanf(process_->ready().c_str(), "%d %lu", &wakeup_fd_, &handler_), 2) << process_->ready();
  }
  std::unique_ptr<PythonProcess> process_;
  std::unique_ptr<Target> target_;
  Runtime runtime_;
  int wakeup_fd_ = -2;
  std::uint64_t handler_ = 0;
};

TEST_P(SignalStaticsOf, AreTheOnesThatPythonSet) {
  auto statics = find_signal_statics(*target_, runtime_);
  ASSERT_TRUE(statics.ok()) << statics.error().describe();
  EXPECT_EQ(*read_value<std::int32_t>(*target_, statics->wakeup), wakeup_fd_);
  EXPECT_EQ(*read_value<std::int32_t>(*target_, statics->wakeup.field(4)), 0) << "warn_on_full_buffer";
  const auto usr1 = read_value<Handler>(*target_, statics->handlers.field(SIGUSR1 * sizeof(Handler)));
  EXPECT_EQ(usr1->func, handler_);
  EXPECT_EQ(usr1->tripped, 0);
  EXPECT_EQ(*read_value<std::int32_t>(*target_, statics->is_tripped), 0);
}

// The C handler sets Handlers[n].tripped and then is_tripped, so the latter is what is waited for.
TEST_P(SignalStaticsOf, ShowATrippedSignal) {
  auto statics = find_signal_statics(*target_, runtime_);
  ASSERT_TRUE(statics.ok()) << statics.error().describe();
  process_->signal(SIGUSR1);
  const auto flag = statics->handlers.field(SIGUSR1 * sizeof(Handler));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (*read_value<std::int32_t>(*target_, statics->is_tripped) == 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  EXPECT_EQ(*read_value<std::int32_t>(*target_, statics->is_tripped), 1);
  EXPECT_EQ(*read_value<std::int32_t>(*target_, flag), 1);
  EXPECT_EQ(*read_value<std::int32_t>(*target_, statics->handlers.field(SIGUSR2 * sizeof(Handler))), 0);
}

TEST_P(SignalStaticsOf, CodeAndSymbolTableAgree) {
  auto by_code = signal_statics_by_code(*target_, runtime_);
  ASSERT_TRUE(by_code.ok()) << by_code.error().describe();
  auto by_symbols = signal_statics_by_symbols(*target_, runtime_);
  auto file = ElfFile::open(runtime_.module.open_path);
  ASSERT_TRUE(file.ok()) << file.error().describe();
  if ((*file)->definitions("PyErr_CheckSignals").empty()) {  // stripped
    ASSERT_FALSE(by_symbols.ok());
    EXPECT_EQ(by_symbols.error().kind, ErrorKind::no_symbols);
    return;
  }
  ASSERT_TRUE(by_symbols.ok()) << by_symbols.error().describe();
  EXPECT_EQ(by_code->wakeup, by_symbols->wakeup);
  EXPECT_EQ(by_code->is_tripped, by_symbols->is_tripped);
  EXPECT_EQ(by_code->handlers, by_symbols->handlers);
}

INSTANTIATE_TEST_SUITE_P(, SignalStaticsOf, testing::ValuesIn(pythons_3_11()),
                         test::python_name<testing::TestParamInfo<CPython>>);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SignalStaticsOf);

TEST(SignalStatics, MissingCodeIsNamed) {
  test::FakeTarget target;
  Runtime runtime;
  runtime.module = {"/python", "/nonexistent", RemoteAddr(0), RemoteAddr(0x400000), RemoteAddr(0x500000)};
  auto none = find_signal_statics(target, runtime);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, ErrorKind::no_symbols);
  // Functions that return at once use no variable.
  for (const char* name : {"_PyErr_CheckSignalsTstate", "PyErr_SetInterruptEx"})
    target.add_symbol("/python", name, RemoteAddr(0x401000));
  target.put(RemoteAddr(0x401000), '\xc3');
  none = find_signal_statics(target, runtime);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, ErrorKind::no_symbols);
  EXPECT_NE(none.error().message.find("is_tripped"), std::string::npos) << none.error().message;
}

}  // namespace
}  // namespace hang::cpython
