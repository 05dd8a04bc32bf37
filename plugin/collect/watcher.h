// Watcher: reads the few words that move, again and again, and counts what it saw move (facts::Watch).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "cpython/python.h"
#include "facts/facts.h"
#include "kernel/ip_sampler.h"
#include "kernel/write_trap.h"

namespace hang::collect {

class Watcher {
 public:
  // `snapshot` is a first full sample of a live local process; it says which threads and GILs are worth watching.
  Watcher(cpython::Python& python, const facts::Snapshot& snapshot);

  // Reads for `interval`; goes on to `most` while something looks stuck that a healthy process may look like for an
  // interval (a GIL that nobody gives back, a loop that is blocked), and stops as soon as it moves. After that a holder
  // that never moved is looked at closely, the longer the less anybody needs its GIL.
  facts::Watch run(std::chrono::milliseconds interval, std::chrono::milliseconds most);

 private:
  struct Thread {
    facts::ThreadFacts first, last;
    facts::ThreadWatch seen;
  };
  struct State {
    cpython::Progress last;
    facts::StateWatch seen;
  };
  struct Gil {
    cpython::GilWords last;
    std::uint64_t first_switch = 0;
    facts::GilWatch seen;
  };

  void sample();
  void sample_threads();
  void sample_states();
  void sample_gils();
  [[nodiscard]] bool looks_stuck() const;
  // Nothing where the word is not known or the kernel sets no such trap.
  static std::optional<kernel::WriteTrap> trap(std::uint64_t tid, const Result<RemoteAddr>& word);
  void look_closely();
  [[nodiscard]] bool main_gil_is_kept() const;
  [[nodiscard]] bool somebody_asks() const;
  [[nodiscard]] std::chrono::milliseconds how_long(std::uint64_t holder) const;
  void start_samplers();
  void stop_samplers();
  [[nodiscard]] facts::Watch result(double ms) const;

  cpython::Python& python_;
  const facts::Snapshot& snapshot_;
  std::map<std::uint64_t, Thread> threads_;
  std::map<std::uint64_t, State> states_;
  std::vector<Gil> gils_;
  std::map<std::uint64_t, kernel::IpSampler> samplers_;  // of the threads that have a GIL, by tid
};

}  // namespace hang::collect
