// Names of the model's enumerations, one table each, for JSON and for reports.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "facts/facts.h"

namespace hang::facts {

template <typename Enum>
struct Names;  // specialised below: static constexpr std::array of {value, name}

template <>
struct Names<Source> {
  static constexpr auto table = std::to_array<std::pair<Source, std::string_view>>({
      {Source::debug_offsets, "debug_offsets"},
      {Source::dwarf, "dwarf"},
      {Source::table, "table"},
      {Source::procfs, "procfs"},
      {Source::sock_diag, "sock_diag"},
      {Source::core_note, "core_note"},
      {Source::snapshot, "snapshot"},
  });
};

template <>
struct Names<TargetKind> {
  static constexpr auto table = std::to_array<std::pair<TargetKind, std::string_view>>({
      {TargetKind::live, "live"},
      {TargetKind::core, "core"},
      {TargetKind::facts, "facts"},
      {TargetKind::remote, "remote"},
  });
};

template <>
struct Names<ParkedOn> {
  static constexpr auto table = std::to_array<std::pair<ParkedOn, std::string_view>>({
      {ParkedOn::unknown, "unknown"},
      {ParkedOn::nothing, "nothing"},
      {ParkedOn::timer, "timer"},
      {ParkedOn::fd, "fd"},
      {ParkedOn::future, "future"},
      {ParkedOn::tasks, "tasks"},
      {ParkedOn::receive, "receive"},
      {ParkedOn::send, "send"},
      {ParkedOn::queue_get, "queue_get"},
      {ParkedOn::queue_put, "queue_put"},
      {ParkedOn::queue_join, "queue_join"},
      {ParkedOn::event, "event"},
      {ParkedOn::lock, "lock"},
      {ParkedOn::semaphore, "semaphore"},
      {ParkedOn::condition, "condition"},
      {ParkedOn::barrier, "barrier"},
      {ParkedOn::thread, "thread"},
      {ParkedOn::process, "process"},
      {ParkedOn::forever, "forever"},
  });
};

template <>
struct Names<WaitKind> {
  static constexpr auto table = std::to_array<std::pair<WaitKind, std::string_view>>({
      {WaitKind::none, "none"},
      {WaitKind::unknown, "unknown"},
      {WaitKind::futex, "futex"},
      {WaitKind::epoll, "epoll"},
      {WaitKind::poll, "poll"},
      {WaitKind::select, "select"},
      {WaitKind::nanosleep, "nanosleep"},
      {WaitKind::read, "read"},
      {WaitKind::write, "write"},
      {WaitKind::accept, "accept"},
      {WaitKind::connect, "connect"},
      {WaitKind::recv, "recv"},
      {WaitKind::send, "send"},
      {WaitKind::wait_child, "wait_child"},
      {WaitKind::signal, "signal"},
      {WaitKind::other, "other"},
  });
};

template <>
struct Names<FdType> {
  static constexpr auto table = std::to_array<std::pair<FdType, std::string_view>>({
      {FdType::unknown, "unknown"},
      {FdType::regular, "regular"},
      {FdType::directory, "directory"},
      {FdType::chr, "chr"},
      {FdType::tty, "tty"},
      {FdType::block, "block"},
      {FdType::pipe, "pipe"},
      {FdType::fifo, "fifo"},
      {FdType::unix_socket, "unix_socket"},
      {FdType::inet_socket, "inet_socket"},
      {FdType::netlink_socket, "netlink_socket"},
      {FdType::other_socket, "other_socket"},
      {FdType::epoll, "epoll"},
      {FdType::eventfd, "eventfd"},
      {FdType::signalfd, "signalfd"},
      {FdType::timerfd, "timerfd"},
      {FdType::pidfd, "pidfd"},
      {FdType::inotify, "inotify"},
      {FdType::anon, "anon"},
  });
};

template <>
struct Names<HandlerKind> {
  static constexpr auto table = std::to_array<std::pair<HandlerKind, std::string_view>>({
      {HandlerKind::unknown, "unknown"},
      {HandlerKind::none, "none"},
      {HandlerKind::default_int_handler, "default_int_handler"},
      {HandlerKind::sig_dfl, "sig_dfl"},
      {HandlerKind::sig_ign, "sig_ign"},
      {HandlerKind::function, "function"},
      {HandlerKind::method, "method"},
      {HandlerKind::builtin, "builtin"},
      {HandlerKind::partial, "partial"},
      {HandlerKind::other, "other"},
  });
};

template <>
struct Names<Provider> {
  static constexpr auto table = std::to_array<std::pair<Provider, std::string_view>>({
      {Provider::unknown, "unknown"},
      {Provider::nobody_needed, "nobody_needed"},
      {Provider::thread, "thread"},
      {Provider::loop, "loop"},
      {Provider::pool, "pool"},
  });
};

template <>
struct Names<ChannelKind> {
  static constexpr auto table = std::to_array<std::pair<ChannelKind, std::string_view>>({
      {ChannelKind::memory_channel, "memory_channel"},
      {ChannelKind::async_queue, "async_queue"},
      {ChannelKind::thread_queue, "thread_queue"},
      {ChannelKind::process_queue, "process_queue"},
      {ChannelKind::connection, "connection"},
      {ChannelKind::interpreter_queue, "interpreter_queue"},
      {ChannelKind::interpreter_channel, "interpreter_channel"},
  });
};

template <>
struct Names<LoopKind> {
  static constexpr auto table = std::to_array<std::pair<LoopKind, std::string_view>>({
      {LoopKind::asyncio, "asyncio"},
      {LoopKind::trio, "trio"},
      {LoopKind::unknown, "unknown"},
  });
};

template <typename Enum>
concept Named = requires {
  Names<Enum>::table;
};

template <Named Enum>
constexpr std::string_view name_of(Enum value) {
  for (const auto& [known, name] : Names<Enum>::table)
    if (known == value) return name;
  return "?";
}

template <Named Enum>
constexpr std::optional<Enum> from_name(std::string_view name) {
  for (const auto& [value, known] : Names<Enum>::table)
    if (known == name) return value;
  return std::nullopt;
}

}  // namespace hang::facts
