// ReferenceSearch: a bounded walk over real objects, from frames to whatever they lead to.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cpython/python.h"
#include "facts/facts.h"
#include "loops/named_code.h"

namespace hang::loops {

// What a search looks for.
struct Goal {
  std::unordered_set<std::uint64_t> objects;
  std::unordered_set<int> fds;  // sockets with one of these descriptors
  // Memory channels of trio and anyio, by their state: who has an end that is open?
  std::unordered_set<std::uint64_t> channels;
  std::unordered_set<std::uint64_t> barriers;  // not looked into: other tasks, whose references are their own
  bool all = false;                            // go on after the first
  // Asked for each object with the name of its type; what it answers true for is not looked into.
  std::function<bool(RemoteAddr object, const std::string& type)> stop_at;
};

// A file of the standard library or of a framework, not of the program.
bool is_library(const std::string& file);

class ReferenceSearch {
 public:
  static constexpr std::size_t kMaxObjects = 4000;  // looked at in one search
  static constexpr int kMaxDepth = 7, kMaxDepthOfAll = 14;

  ReferenceSearch(cpython::Python& python, const Goal& goal)
      : python_(python), objects_(python.objects()), goal_(goal) {}

  // What these frames hold is where the search begins.
  void begin_at(const std::vector<facts::FrameFacts>& frames, int depth = 0);
  void begin_at(RemoteAddr object) { push(object, 0); }
  // True if something of the goal was reached; with Goal::all, after all that can be reached was looked at.
  bool run();

  // False: the budget ended first, or something was met that cannot be looked into.
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] std::size_t looked_at() const { return seen_.size(); }
  [[nodiscard]] bool reached(std::uint64_t object) const { return reached_.contains(object); }
  // Functions, classes of instances, and suspended frames that the search came by.
  [[nodiscard]] const Callables& met() const { return met_; }
  // An open end of that channel, to send or to receive by.
  [[nodiscard]] bool reached_sender(std::uint64_t channel) const { return senders_.contains(channel); }
  [[nodiscard]] bool reached_receiver(std::uint64_t channel) const { return receivers_.contains(channel); }

 private:
  bool is_leaf(RemoteAddr object);
  void push(RemoteAddr object, int depth);
  void push_globals(RemoteAddr frame, int depth);
  void push_names(RemoteAddr code, RemoteAddr globals, int depth);
  void push_items(RemoteAddr object, int depth);
  void push_dict(RemoteAddr dict, int depth);
  void expand(RemoteAddr object, int depth);
  bool expand_callable(const std::string& type, RemoteAddr object, int depth);
  void expand_function(RemoteAddr function, int depth);
  void expand_instance(RemoteAddr object, int depth);
  void note_type(RemoteAddr object);
  void expand_channel(const std::string& type, RemoteAddr object);

  cpython::Python& python_;
  cpython::Objects objects_;
  const Goal& goal_;
  std::deque<std::pair<RemoteAddr, int>> queue_;
  std::unordered_set<std::uint64_t> seen_, reached_, senders_, receivers_;
  std::unordered_set<std::uint64_t> types_;
  Callables met_;
  bool found_ = false, complete_ = true;
};

}  // namespace hang::loops
