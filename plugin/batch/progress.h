// Progress: one line on a terminal that says how far a batch is, how fast it goes and how long it will take.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace hang::batch {

// What the workers are at.
struct Running {
  std::size_t items = 0;
  double seconds = 0;  // the longest of them
};

class Progress {
 public:
  // `shown` false: says nothing. `total` items in all, `before` of them done by an earlier run.
  Progress(bool shown, std::size_t total, std::size_t before);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();
  void step();
  // Nothing is done since, and time goes by.
  void wait(const Running& running);

 private:
  void draw(bool always);
  bool shown_;
  std::size_t total_, done_, begun_at_;
  Running running_;
  std::chrono::steady_clock::time_point begin_, drawn_;
};

// "[#####-----]  512/1000  45.1/s  11 s left", in at most `width` columns: the bar gives way first, then what is last.
// Once all that is left is running, how long it will take is anybody's guess: "3 running for 12 s" then.
std::string progress_line(std::size_t done, std::size_t total, double per_second, const Running& running,
                          std::size_t width);

}  // namespace hang::batch
