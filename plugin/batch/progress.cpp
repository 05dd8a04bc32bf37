#include "batch/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace hang::batch {

using std::chrono::steady_clock;

namespace {

constexpr std::size_t kBar = 30, kLeastBar = 5;
constexpr std::size_t kUnknownWidth = 80;

// One column less than there are: a terminal that wraps there would take the next line.
std::size_t columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return (known ? size.ws_col : kUnknownWidth) - 1;
}

// "11 s left", "3 running for 12 s"
std::string outlook(std::size_t left, double per_second, const Running& running) {
  if (left > 0 && left <= running.items && running.seconds >= 2)
    return fmt::format("{} running for {:.0f} s", running.items, running.seconds);
  if (per_second <= 0) return {};
  const auto seconds = std::ceil(static_cast<double>(left) / per_second);
  return seconds < 90 ? fmt::format("{:.0f} s left", seconds) : fmt::format("{:.0f} min left", seconds / 60);
}

}  // namespace

std::string progress_line(std::size_t done, std::size_t total, double per_second, const Running& running,
                          std::size_t width) {
  std::string text = fmt::format("{}/{}", done, total);
  const auto add = [&](const std::string& part) {
    if (!part.empty() && text.size() + 2 + part.size() <= width) text += "  " + part;
  };
  if (per_second > 0) add(fmt::format("{:.1f}/s", per_second));
  add(outlook(total - done, per_second, running));
  if (text.size() + kLeastBar + 4 > width) return text.substr(0, width);
  const auto bar = std::min(kBar, width - text.size() - 4);
  const auto filled = total == 0 ? bar : bar * done / total;
  return fmt::format("[{:#<{}}{:-<{}}]  {}", "", filled, "", bar - filled, text);
}

Progress::Progress(bool shown, std::size_t total, std::size_t before)
    : shown_(shown), total_(total), done_(before), begun_at_(before), begin_(steady_clock::now()) {}

Progress::~Progress() {
  draw(true);
  if (shown_ && total_ > 0) std::fputs("\n", stderr);
}

void Progress::step() {
  ++done_;
  running_ = {};
  draw(false);
}

void Progress::wait(const Running& running) {
  running_ = running;
  draw(true);
}

void Progress::draw(bool always) {
  const auto now = steady_clock::now();
  if (!shown_ || total_ == 0 || (!always && now - drawn_ < std::chrono::milliseconds(100))) return;
  drawn_ = now;
  const auto seconds = std::chrono::duration<double>(now - begin_).count();
  const auto rate = seconds > 0.2 ? static_cast<double>(done_ - begun_at_) / seconds : 0;
  std::fputs(("\r\033[K" + progress_line(done_, total_, rate, running_, columns())).c_str(), stderr);
}

}  // namespace hang::batch
