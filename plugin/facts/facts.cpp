#include "facts/facts.h"

#include <algorithm>

#include "base/address.h"

namespace hang::facts {
namespace {

template <typename List, typename Match>
auto find(const List& list, Match match) -> decltype(&list.front()) {
  auto it = std::find_if(list.begin(), list.end(), match);
  return it == list.end() ? nullptr : &*it;
}

}  // namespace

const ThreadFacts* Snapshot::thread(std::uint64_t tid) const {
  return find(threads, [&](const auto& t) { return t.tid == tid; });
}

const FdFacts* Snapshot::fd(int number) const {
  return find(kernel.fds, [&](const auto& f) { return f.fd == number; });
}

const NeighbourFacts* Snapshot::neighbour(std::uint64_t pid) const {
  return find(kernel.neighbours, [&](const auto& n) { return n.pid == pid; });
}

const Reading* Snapshot::reading(const std::string& key) const {
  return find(readings, [&](const auto& r) { return r.key == key; });
}

const ThreadWatch* Snapshot::thread_watch(std::uint64_t tid) const {
  return find(watch.threads, [&](const auto& t) { return t.tid == tid; });
}

const StateWatch* Snapshot::state_watch(std::uint64_t tstate) const {
  return find(watch.states, [&](const auto& s) { return s.tstate == tstate; });
}

const GilWatch* Snapshot::gil_watch(int gil) const {
  return find(watch.gils, [&](const auto& g) { return g.gil == gil; });
}

const ThreadStateFacts* Snapshot::thread_state(std::uint64_t address) const {
  return python ? find(python->thread_states, [&](const auto& t) { return t.address == address; }) : nullptr;
}

const InterpreterFacts* Snapshot::interpreter(std::int64_t id) const {
  return python ? find(python->interpreters, [&](const auto& i) { return i.id == id; }) : nullptr;
}

std::optional<int> Snapshot::gil_of_futex(std::uint64_t word) const {
  if (!python) return std::nullopt;
  const RemoteAddr at(word);
  for (std::size_t i = 0; i < python->gils.size(); ++i) {
    const auto& gil = python->gils[i];
    // glibc 2.41 changed the inside of pthread_cond_t: any word of the condition or of its mutex counts.
    if (at.within(RemoteAddr(gil.cond), gil.cond_size) || at.within(RemoteAddr(gil.mutex), gil.mutex_size))
      return static_cast<int>(i);
  }
  return std::nullopt;
}

}  // namespace hang::facts
