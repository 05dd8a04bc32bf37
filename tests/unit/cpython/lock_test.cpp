// Which lock a thread waits for, which frames hold it, which frame is a signal handler; and native stacks without a
// stop.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "cpython/readers.h"
#include "live_python.h"

namespace hang::cpython::test {
namespace {

// The futex word that the thread sleeps on; 0 if it is not in futex() within the deadline.
std::uint64_t awaited_futex(std::uint64_t pid) {
  constexpr auto kDeadline = std::chrono::seconds(30);
  const auto until = std::chrono::steady_clock::now() + kDeadline;
  while (std::chrono::steady_clock::now() < until) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/syscall");
    std::string number, word;
    if (file >> number >> word && number == "202") return std::stoull(word, nullptr, 16);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return 0;
}

class LockReader : public OnEveryPython {
 protected:
  void SetUp() override {
    live_.run_patient(GetParam(), "locks.py");
    if (HasFatalFailure()) return;
    futex_ = awaited_futex(live_.process->pid());
    ASSERT_NE(futex_, 0U);
    live_.read();
    main_ = live_.state(live_.process->pid());
    ASSERT_NE(main_, nullptr);
  }
  [[nodiscard]] std::size_t frame(const std::string& function) const {
    for (std::size_t i = 0; i < main_->frames.size(); ++i)
      if (main_->frames[i].function == function) return i;
    return main_->frames.size();
  }

  LivePython live_;
  std::uint64_t futex_ = 0;
  const facts::ThreadStateFacts* main_ = nullptr;
};
INSTANTIATE_ON_EVERY_PYTHON(LockReader);

TEST_P(LockReader, TheHandlerIsMarked) {
  for (std::size_t i = 0; i < main_->frames.size(); ++i) {
    const bool handler = main_->frames[i].function == "handler";
    EXPECT_EQ(main_->frames[i].handler, handler ? std::optional<int>(SIGUSR1) : std::nullopt) << i;
  }
}

TEST_P(LockReader, TheLockAndTheFrameThatHoldsIt) {
  const auto lock = live_.python->awaited_lock(*main_, futex_, live_.facts().thread_states);
  ASSERT_TRUE(lock.has_value());
  EXPECT_EQ(lock->object, live_.at("lock").raw());
  EXPECT_EQ(lock->type, "_thread.lock");
  EXPECT_EQ(lock->name, "self._lock");
  ASSERT_EQ(lock->held_by.size(), 1U);
  EXPECT_EQ(lock->held_by[0].tstate, main_->address);
  EXPECT_EQ(lock->held_by[0].frame, frame("interrupted"));
}

TEST_P(LockReader, AWordThatIsNoLockLeadsToNone) {
  EXPECT_FALSE(live_.python->awaited_lock(*main_, futex_ + 0x1000, live_.facts().thread_states).has_value());
}

TEST_P(LockReader, OpenWithBlocksAreThoseAroundTheCall) {
  const RemoteAddr at(main_->frames[frame("interrupted")].address);
  const auto open = open_with_blocks(live_.python->reader(), at);
  ASSERT_OK(open);
  const auto has = [&](const char* name) {
    return std::find(open->begin(), open->end(), live_.at(name)) != open->end();
  };
  EXPECT_TRUE(has("lock"));
  EXPECT_TRUE(has("other"));
  const auto none = open_with_blocks(live_.python->reader(), RemoteAddr(main_->frames[frame("handler")].address));
  ASSERT_OK(none);
  EXPECT_TRUE(none->empty());
}

TEST_P(LockReader, NativeStackWithoutAStop) {
  const auto stack = live_.target->native_stack(live_.process->pid());
  ASSERT_OK(stack);
  ASSERT_GE(stack->size(), 4U);
  const auto named = std::count_if(stack->begin() + 1, stack->end(), [&](const StackFrame& frame) {
    const auto symbol = live_.target->code_symbol(RemoteAddr(frame.pc - 1));
    return symbol && (symbol->name.find("Py") != std::string::npos || symbol->name.find("py") != std::string::npos);
  });
  EXPECT_GE(named, 1);
  for (std::size_t i = 1; i < stack->size(); ++i) {
    EXPECT_LE((*stack)[i].function, (*stack)[i].pc) << i;
    EXPECT_NE((*stack)[i].pc, (*stack)[i - 1].pc) << "a walk that does not get on";
  }
}

}  // namespace
}  // namespace hang::cpython::test
