#include <csignal>
#include <fmt/format.h>

#include "live_python.h"

namespace hang::cpython::test {
namespace {

using facts::HandlerKind;

constexpr const char* kWait = "\nprint('READY', flush=True)\ntime.sleep(1000)\n";

class SignalReader : public OnEveryPython {
 protected:
  const facts::SignalFacts& read(const std::string& code) {
    live_.run_code(GetParam(), "import functools, signal, socket, sys, time\n" + code);
    if (!HasFatalFailure()) live_.read();
    if (HasFatalFailure()) {
      static const facts::SignalFacts nothing;
      return nothing;
    }
    for (const auto& gap : live_.snapshot.gaps) ADD_FAILURE() << gap.what << ": " << gap.why;
    return live_.facts().signals;
  }
  LivePython live_;
};
INSTANTIATE_ON_EVERY_PYTHON(SignalReader);

TEST_P(SignalReader, Default) {
  const auto& signals = read(kWait);
  EXPECT_EQ(signals.wakeup_fd, -1);
  EXPECT_EQ(signals.is_tripped, false);
  EXPECT_EQ(signals.sigint_tripped, false);
  EXPECT_TRUE(signals.tripped.empty());
  EXPECT_EQ(signals.sigint_handler, HandlerKind::default_int_handler);
  EXPECT_EQ(signals.sigint_handler_name, "_signal.default_int_handler");
  EXPECT_NE(live_.snapshot.reading("signals.wakeup.fd"), nullptr);
  EXPECT_NE(live_.snapshot.reading("signals.handlers.2.func"), nullptr);
}

TEST_P(SignalReader, Ignored) {
  EXPECT_EQ(read(std::string("signal.signal(2, signal.SIG_IGN)") + kWait).sigint_handler, HandlerKind::sig_ign);
}

TEST_P(SignalReader, SystemDefault) {
  EXPECT_EQ(read(std::string("signal.signal(2, signal.SIG_DFL)") + kWait).sigint_handler, HandlerKind::sig_dfl);
}

TEST_P(SignalReader, Function) {
  const auto& signals = read(std::string("def outer():\n"
                                         "    def handler(number, frame): pass\n"
                                         "    return handler\n"
                                         "signal.signal(2, outer())") +
                             kWait);
  EXPECT_EQ(signals.sigint_handler, HandlerKind::function);
  EXPECT_EQ(signals.sigint_handler_name, "__main__.outer.<locals>.handler");
  EXPECT_EQ(signals.sigint_handler_file, "<string>");
  EXPECT_EQ(signals.sigint_handler_line, 3);
}

TEST_P(SignalReader, MethodPartialAndInstance) {
  const std::string classes =
      "class A:\n"
      "    def on_signal(self, *rest): pass\n"
      "    def __call__(self, *rest): pass\n";
  const auto method = read(classes + "signal.signal(2, A().on_signal)" + kWait);
  EXPECT_EQ(method.sigint_handler, HandlerKind::method);
  EXPECT_EQ(method.sigint_handler_name, "__main__.A.on_signal");
  EXPECT_EQ(method.sigint_handler_line, 3);

  const auto partial = read(classes + "signal.signal(2, functools.partial(A().on_signal, 1))" + kWait);
  EXPECT_EQ(partial.sigint_handler, HandlerKind::partial);
  EXPECT_EQ(partial.sigint_handler_name, "__main__.A.on_signal");

  const auto instance = read(classes + "signal.signal(2, A())" + kWait);
  EXPECT_EQ(instance.sigint_handler, HandlerKind::other);
  EXPECT_EQ(instance.sigint_handler_name, "__main__.A");
  EXPECT_EQ(instance.sigint_handler_line, 4);
}

TEST_P(SignalReader, AsyncioRunner) {
  const auto signals = read(
      "import asyncio\n"
      "async def main():\n"
      "    print('READY', flush=True)\n"
      "    await asyncio.sleep(1000)\n"
      "asyncio.run(main())\n");
  EXPECT_EQ(signals.sigint_handler, HandlerKind::partial);
  EXPECT_EQ(signals.sigint_handler_name, "asyncio.runners.Runner._on_sigint");
  EXPECT_EQ(signals.runner_interrupt_count, 0);
}

TEST_P(SignalReader, WakeupFd) {
  const auto& signals = read(
      "reader, writer = socket.socketpair()\n"
      "writer.setblocking(False)\n"
      "signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)\n"
      "print(f'READY fd={writer.fileno()}', flush=True)\n"
      "time.sleep(1000)\n");
  EXPECT_EQ(signals.wakeup_fd, static_cast<int>(live_.said.at("fd")));
  EXPECT_EQ(signals.warn_on_full_buffer, false);
}

// The C handler ran on another thread, and the main thread, in a system call that nobody interrupted, has not acted.
TEST_P(SignalReader, Tripped) {
  const auto& signals = read(
      "import os, select, threading\n"
      "signal.signal(signal.SIGUSR2, lambda *rest: None)\n"
      "def trip():\n"
      "    while True:\n"
      "        with open(f'/proc/self/task/{os.getpid()}/syscall') as file:\n"
      "            if file.read().split()[0] in ('232', '281'): break\n"
      "    signal.pthread_kill(threading.get_ident(), signal.SIGINT)\n"
      "    signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)\n"
      "    print('READY', flush=True)\n"
      "    time.sleep(1000)\n"
      "threading.Thread(target=trip).start()\n"
      "select.epoll().poll()\n");
  EXPECT_EQ(signals.is_tripped, true);
  EXPECT_EQ(signals.sigint_tripped, true);
  EXPECT_EQ(signals.tripped, (std::vector<int>{SIGINT, SIGUSR2}));
}

}  // namespace
}  // namespace hang::cpython::test
