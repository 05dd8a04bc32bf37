// Patient: facts of a made-up process, built step by step, for tests of the rules. Every verdict is taken from the
// facts after a round trip through JSON, so that what a rule uses is known to survive in a facts file.
#pragma once

#include <cstdint>
#include <string>

#include "facts/facts.h"

namespace hang::test {

class Patient {
 public:
  // A healthy CPython 3.13 process: main thread 100 in epoll_wait without a timeout on an empty set, its GIL free,
  // default SIGINT handler, no wakeup fd.
  Patient();

  facts::Snapshot& facts() { return snapshot_; }
  facts::ThreadFacts& thread(std::uint64_t tid);
  facts::ThreadStateFacts& state(std::uint64_t tid, std::int64_t interpreter = 0);
  facts::GilFacts& gil(int index = 0) { return snapshot_.python->gils[index]; }

  // Adds an interpreter that shares GIL `gil`, or has a new one of its own for -1.
  Patient& interpreter(std::int64_t id, int gil = 0);
  // Adds a Python thread of `interpreter` with one frame of user code, asleep in an endless futex wait.
  Patient& python_thread(std::uint64_t tid, const std::string& name, std::int64_t interpreter = 0);
  // `tid` holds the GIL and computes; its innermost frame does not move.
  Patient& hog(std::uint64_t tid, std::int64_t interpreter, int gil = 0);
  // `tid` waits for that GIL.
  Patient& wants_gil(std::uint64_t tid, int gil = 0);
  // SIGINT arrived and Python has not acted on it.
  Patient& tripped();
  // Watched for `ms`: GIL words as they are, nothing moved.
  Patient& watched(double ms);
  // The thread runs a loop, asleep in its selector on epoll set 5 with timeout `ms`.
  facts::LoopFacts& loop(std::uint64_t tid, facts::LoopKind kind = facts::LoopKind::asyncio, std::int64_t ms = -1);
  // A pair of connected unix sockets of this process; `watched` is in epoll set 5.
  Patient& socketpair(int watched, int other);
  // The listening socket `fd`, in epoll set 5.
  Patient& listening(int fd);

 private:
  facts::Snapshot snapshot_;
};

// A futex wait on `word` without a timeout.
facts::Wait endless_futex(std::uint64_t word);

// The facts after writing them to JSON and reading them back.
facts::Snapshot through_json(const facts::Snapshot& snapshot);

}  // namespace hang::test
