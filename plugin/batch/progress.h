// Progress: one line on a terminal that says how far a batch is, how fast it goes and how long it will take.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace hang::batch {

class Progress {
 public:
  // `shown` false: says nothing. `total` items in all, `before` of them done by an earlier run.
  Progress(bool shown, std::size_t total, std::size_t before);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();
  void step();

 private:
  void draw(bool last);
  bool shown_;
  std::size_t total_, done_, begun_at_;
  std::chrono::steady_clock::time_point begin_, drawn_;
};

// "[#####-----]  512/1000  45.1/s  11 s left"
std::string progress_line(std::size_t done, std::size_t total, double per_second);

}  // namespace hang::batch
