// Which descriptors a loop watches, by its own map of them: in a core there is no /proc/PID/fdinfo that could tell.
// Both frameworks change the map and the epoll set together.
#include <utility>

#include "cpython/readers.h"
#include "loops/frameworks.h"

namespace hang::loops {

using cpython::Objects;
using cpython::Python;
using facts::WatchedFd;

namespace {

constexpr std::size_t kMostFds = 100'000;

// BaseSelectorEventLoop._start_serving registers its _accept_connection (Lib/asyncio/selector_events.py).
bool accepts(Python& python, RemoteAddr handle) {
  auto callback = python.objects().attribute(handle, "_callback");
  if (!callback) return false;
  const auto callable = python.describe_callable(*callback);
  return callable && callable->name.ends_with("._accept_connection");
}

// The map's entries by `read`, which says nothing for one that it cannot read; then the list is not known.
template <typename Read>
std::optional<std::vector<WatchedFd>> read_map(Python& python, RemoteAddr map, const Read& read) {
  std::vector<WatchedFd> list;
  bool complete = true;
  const auto done = python.objects().dict_each(map, [&](RemoteAddr key, RemoteAddr value) {
    const auto fd = python.objects().integer(key);
    const std::optional<WatchedFd> one = fd ? read(static_cast<int>(*fd), value) : std::nullopt;
    complete = complete && one && list.size() < kMostFds;
    if (complete && one->fd >= 0) list.push_back(*one);
    return complete;
  });
  return done && complete ? std::optional(std::move(list)) : std::nullopt;
}

}  // namespace

// selectors._BaseSelectorImpl._fd_to_key: SelectorKey(fileobj, fd, events, data), and data is the pair of Handles for
// reading and writing (Lib/selectors.py, Lib/asyncio/selector_events.py; 3.11 to 3.15).
void read_watched_asyncio(Python& python, facts::LoopFacts& loop) {
  constexpr std::size_t kFields = 4, kData = 3;
  auto objects = python.objects();
  const auto map = objects.path(RemoteAddr(loop.object), "_selector._fd_to_key");
  if (!map) return;
  loop.watched = read_map(python, *map, [&](int fd, RemoteAddr value) -> std::optional<WatchedFd> {
    const auto key = objects.items(value);
    if (!key || key->size() != kFields) return std::nullopt;
    WatchedFd watched{fd, false};
    if (const auto handles = objects.items((*key)[kData]); handles && !handles->empty())
      watched.accepts = accepts(python, handles->front());
    return watched;
  });
}

// EpollIOManager._registered: EpollWaiters with `current_flags`, which are 0 while the one-shot registration is
// disarmed (trio/_core/_io_epoll.py, 0.22 to 0.34).
void read_watched_trio(Python& python, facts::LoopFacts& loop) {
  auto objects = python.objects();
  const auto map = objects.path(RemoteAddr(loop.object), "io_manager._registered");
  if (!map) return;
  loop.watched = read_map(python, *map, [&](int fd, RemoteAddr waiters) -> std::optional<WatchedFd> {
    const auto flags = objects.attribute(waiters, "current_flags");
    const auto armed = flags ? objects.integer(*flags) : Result<std::int64_t>(flags.error());
    if (!armed) return std::nullopt;
    return WatchedFd{*armed == 0 ? -1 : fd, false};
  });
}

}  // namespace hang::loops
