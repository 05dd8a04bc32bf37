#include "batch/workers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fmt/format.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hang::batch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kMaxLine = 16 * 1024 * 1024;
constexpr unsigned kItemsOfOneWorker = 500;  // then a new one takes its place: what it may have leaked goes with it

// All bytes, or false at the end of the stream.
bool read_fully(int fd, void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const auto got = read(fd, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool send_fully(int fd, const void* from, std::size_t size) {
  const auto* at = static_cast<const char*>(from);
  while (size > 0) {
    const auto put = send(fd, at, size, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += put;
    size -= static_cast<std::size_t>(put);
  }
  return true;
}

Row failed(const Item& item, Status status, std::string error) {
  Row row;
  row.item = item;
  row.status = status;
  row.error = std::move(error);
  return row;
}

// The address sanitizer reserves terabytes of address space for itself: no limit leaves room for that.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kLimitsMemory = false;
#else
constexpr bool kLimitsMemory = true;
#endif

// The life of a worker: an index comes, a line goes.
[[noreturn]] void serve(int fd, const std::vector<Item>& items, const Limits& limits, const Classify& classify) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (kLimitsMemory && limits.memory > 0) {
    const rlimit limit{limits.memory, limits.memory};
    setrlimit(RLIMIT_AS, &limit);
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);  // of a crash the row is enough
  std::uint32_t index = 0;
  while (read_fully(fd, &index, sizeof index) && index < items.size()) {
    Row row;
    try {
      row = classify(items[index]);
    } catch (const std::exception& error) {
      row = failed(items[index], Status::unreadable, error.what());
    }
    const auto line = to_line(row);
    const auto size = static_cast<std::uint32_t>(line.size());
    if (!send_fully(fd, &size, sizeof size) || !send_fully(fd, line.data(), line.size())) break;
  }
  _exit(0);
}

class Pool {
 public:
  Pool(const std::vector<Item>& items, const Limits& limits, const Classify& classify)
      : items_(items), limits_(limits), classify_(classify) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (auto& worker : workers_) end(worker);
  }

  Result<void> run(const std::function<bool(Row row)>& done,
                   const std::function<void(const Running& running)>& waiting);

 private:
  struct Worker {
    pid_t pid = -1;
    int fd = -1;
    unsigned served = 0;
    std::optional<std::uint32_t> busy;  // index of the item
    Clock::time_point began, deadline;
  };

  Result<void> start(Worker& worker);
  void end(Worker& worker) const;
  Result<void> feed(Worker& worker);
  [[nodiscard]] int wait_ms() const;
  [[nodiscard]] Running running() const;
  std::optional<Row> take(Worker& worker);
  std::string how_it_ended(Worker& worker) const;

  const std::vector<Item>& items_;
  const Limits& limits_;
  const Classify& classify_;
  std::vector<Worker> workers_;
  std::uint32_t next_ = 0;
};

Result<void> Pool::start(Worker& worker) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return Error{ErrorKind::io, fmt::format("no socket pair for a worker: {}", std::strerror(errno))};
  std::fflush(nullptr);  // what is buffered would be written by both
  const pid_t pid = fork();
  if (pid < 0) {
    close(pair[0]);
    close(pair[1]);
    return Error{ErrorKind::io, fmt::format("no process for a worker: {}", std::strerror(errno))};
  }
  if (pid == 0) {
    for (const auto& other : workers_)
      if (other.fd >= 0) close(other.fd);
    close(pair[0]);
    serve(pair[1], items_, limits_, classify_);
  }
  close(pair[1]);
  worker = {pid, pair[0], 0, std::nullopt, {}, {}};
  return {};
}

void Pool::end(Worker& worker) const {
  if (worker.fd >= 0) close(worker.fd);
  if (worker.pid > 0) {
    kill(worker.pid, SIGKILL);
    while (waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  worker = {};
}

// Gives the worker the next item, and makes it if there is none.
Result<void> Pool::feed(Worker& worker) {
  if (worker.busy || next_ >= items_.size()) return {};
  if (worker.served >= kItemsOfOneWorker) end(worker);
  if (worker.pid < 0)
    if (auto made = start(worker); !made) return made;
  worker.busy = next_++;
  worker.began = Clock::now();
  worker.deadline = worker.began + limits_.timeout;
  ++worker.served;
  // One that is gone already is noticed where its answer is read.
  (void)send_fully(worker.fd, &*worker.busy, sizeof *worker.busy);
  return {};
}

std::string Pool::how_it_ended(Worker& worker) const {
  int status = 0;
  kill(worker.pid, SIGKILL);  // one that closed its socket and lives on
  while (waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
  }
  worker.pid = -1;
  if (WIFSIGNALED(status))
    return fmt::format("the reader was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("the reader ended with status {}", WEXITSTATUS(status));
}

// What a worker has to say, or what became of it; nothing if it is still at work.
std::optional<Row> Pool::take(Worker& worker) {
  const auto& item = items_[*worker.busy];
  pollfd ready{worker.fd, POLLIN, 0};
  if (poll(&ready, 1, 0) <= 0) {
    if (Clock::now() < worker.deadline) return std::nullopt;
    end(worker);
    return failed(item, Status::timeout,
                  fmt::format("not done after {} s", std::chrono::duration<double>(limits_.timeout).count()));
  }
  std::uint32_t size = 0;
  std::string line;
  bool whole = read_fully(worker.fd, &size, sizeof size) && size <= kMaxLine;
  if (whole) {
    line.resize(size);
    whole = read_fully(worker.fd, line.data(), size);
  }
  auto row = whole ? from_line(line) : Result<Row>(Error{ErrorKind::io, "no answer"});
  if (row) {
    worker.busy.reset();
    return std::move(*row);
  }
  auto why = how_it_ended(worker);
  end(worker);
  return failed(item, Status::crashed, std::move(why));
}

int Pool::wait_ms() const {
  auto next = Clock::now() + std::chrono::seconds(1);
  for (const auto& worker : workers_)
    if (worker.busy) next = std::min(next, worker.deadline);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0)) + 1;
}

Running Pool::running() const {
  Running running;
  for (const auto& worker : workers_) {
    if (!worker.busy) continue;
    ++running.items;
    running.seconds = std::max(running.seconds, std::chrono::duration<double>(Clock::now() - worker.began).count());
  }
  return running;
}

Result<void> Pool::run(const std::function<bool(Row row)>& done,
                       const std::function<void(const Running& running)>& waiting) {
  workers_.resize(std::min<std::size_t>(std::max(limits_.jobs, 1U), items_.size()));
  for (;;) {
    std::vector<pollfd> fds;
    for (auto& worker : workers_) {
      if (auto fed = feed(worker); !fed) return fed;
      if (worker.busy) fds.push_back({worker.fd, POLLIN, 0});
    }
    if (fds.empty()) return {};
    if (poll(fds.data(), fds.size(), wait_ms()) == 0) waiting(running());
    for (auto& worker : workers_) {
      if (!worker.busy) continue;
      auto row = take(worker);
      if (row && !done(std::move(*row))) return {};
    }
  }
}

}  // namespace

Result<void> classify_all(const std::vector<Item>& items, const Limits& limits, const Classify& classify,
                          const std::function<bool(Row row)>& done,
                          const std::function<void(const Running& running)>& waiting) {
  return Pool(items, limits, classify).run(done, waiting);
}

}  // namespace hang::batch
