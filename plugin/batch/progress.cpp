#include "batch/progress.h"

#include <cstdio>
#include <fmt/format.h>

namespace hang::batch {

using std::chrono::steady_clock;

std::string progress_line(std::size_t done, std::size_t total, double per_second) {
  constexpr std::size_t kWidth = 30;
  const auto filled = total == 0 ? kWidth : kWidth * done / total;
  auto line = fmt::format("[{:#<{}}{:-<{}}]  {}/{}", "", filled, "", kWidth - filled, done, total);
  if (per_second <= 0) return line;
  const auto left = static_cast<double>(total - done) / per_second;
  return line +
         fmt::format("  {:.1f}/s  {:.0f} {} left", per_second, left < 90 ? left : left / 60, left < 90 ? "s" : "min");
}

Progress::Progress(bool shown, std::size_t total, std::size_t before)
    : shown_(shown), total_(total), done_(before), begun_at_(before), begin_(steady_clock::now()) {}

Progress::~Progress() {
  draw(true);
  if (shown_ && total_ > 0) std::fputs("\n", stderr);
}

void Progress::step() {
  ++done_;
  draw(false);
}

void Progress::draw(bool last) {
  const auto now = steady_clock::now();
  if (!shown_ || total_ == 0 || (!last && now - drawn_ < std::chrono::milliseconds(100))) return;
  drawn_ = now;
  const auto seconds = std::chrono::duration<double>(now - begin_).count();
  const auto rate = seconds > 0.2 ? static_cast<double>(done_ - begun_at_) / seconds : 0;
  std::fputs(("\r\033[K" + progress_line(done_, total_, rate)).c_str(), stderr);
}

}  // namespace hang::batch
