// ProcessChain: who can still act, of this process and of those that its waits lead to. Waits are followed from thread
// to thread: for data and room through the holders of the other end, for the end of a child to its main thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "verdict/process.h"
#include "verdict/wait_graph.h"

namespace hang::verdict {

// Whether something goes on without any of the others. `unclear`: it sleeps, and what could wake it was not seen.
enum class Ability { none, unclear, able };

enum class Need { child_end, data, room, connection, thread_end, lock };

// One dependency of an actor.
struct Link {
  std::size_t from = 0, to = 0;
  Need need = Need::lock;
  int fd = -1;           // in `from`'s process
  std::string what;      // "the end of process 12 (cat)", "data in the pipe of fd 3, which is empty"
  std::string evidence;  // "wait4", "it has the writing end, fd 4"
};

// A thread, or (tid 0) any thread of a process.
struct Actor {
  std::uint64_t pid = 0, tid = 0;
  Ability base = Ability::none, ability = Ability::none;
  std::string why;       // of a base that is not `none`: "runs", "sleeps for 5.0 s"
  bool stopped = false;  // by a signal or a tracer
  bool timed = false;    // what makes it able is a timer
  bool guessed = false;  // it is called able because too little of it was seen
  std::vector<std::size_t> links;
};

class ProcessChain {
 public:
  ProcessChain(const Process& process);

  [[nodiscard]] const Actor* thread(std::uint64_t pid, std::uint64_t tid) const;
  [[nodiscard]] const Actor* process(std::uint64_t pid) const { return thread(pid, 0); }
  [[nodiscard]] const Actor& actor(std::size_t index) const { return actors_[index]; }
  [[nodiscard]] const Link& link(std::size_t index) const { return links_[index]; }
  // The main thread of this process.
  [[nodiscard]] const Actor* main() const { return thread(own_, process_->main_tid()); }
  // From a thread along what keeps it, until it comes back to where it was or cannot go on.
  [[nodiscard]] std::vector<std::size_t> walk(std::uint64_t pid, std::uint64_t tid) const;
  [[nodiscard]] std::vector<PathEdge> path(const std::vector<std::size_t>& walk) const;
  // The thread that a link leads to: of a process, the one of its threads that the walk takes.
  [[nodiscard]] const Actor& target(const Link& link) const;
  // What makes an able actor so: the last of its walk.
  [[nodiscard]] const Actor& source(const Actor& actor) const;
  // Every thread of that process rests: none ran between the looks.
  [[nodiscard]] bool rests(std::uint64_t pid) const;
  // "thread 12 \"name\"" with its interpreter and line, "thread 13 of process 14 (cat)", "process 14 (cat)"
  [[nodiscard]] std::string label(const Actor& actor) const;
  // "process 12 (cat)"
  [[nodiscard]] std::string process_label(std::uint64_t pid) const;
  // What it does, in words: "sleeps for 5.0 s", "waits for the end of process 13 (sleep)".
  [[nodiscard]] std::string doing(const Actor& actor) const;
  // It has ended: a zombie, or gone.
  [[nodiscard]] bool has_ended(std::uint64_t pid) const;

 private:
  friend class ChainBuilder;
  const Process* process_;
  std::uint64_t own_ = 0;
  std::vector<Actor> actors_;
  std::vector<Link> links_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> index_;
};

}  // namespace hang::verdict
