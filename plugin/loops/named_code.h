// NamedCode: what code would do that some frames lead to, by the names in it. A frame that calls broker.publish() may
// put an item into a queue although it names no put(): the method does.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cpython/python.h"

namespace hang::loops {

// What a walk over objects met that can be called, or has methods.
struct Callables {
  std::vector<RemoteAddr> functions, types, frames;
};

class NamedCode {
 public:
  explicit NamedCode(cpython::Python& python) : python_(python), objects_(python.objects()) {}

  // Frames of the program's own code; those of the library are left out.
  void add_frame(RemoteAddr frame);
  void add(const Callables& met);
  // A class of which methods may be called, if they are named.
  void add_type(RemoteAddr type);
  // Follows functions, classes and modules that are named, until nothing new comes. False: it was too much, or some of
  // it could not be read, and may name anything.
  bool follow();

  template <typename Words>
  [[nodiscard]] bool names_any(const Words& words) const {
    for (const auto& word : words)
      if (names_.contains(std::string(word))) return true;
    return false;
  }

 private:
  static constexpr std::size_t kMostCodes = 2000, kMostHolders = 500, kMostEntries = 5000;

  // What can be called of a class or a module, by name.
  using Holder = std::vector<std::pair<std::string, RemoteAddr>>;
  void add_code(RemoteAddr code, RemoteAddr globals);
  void add_callable(RemoteAddr object);
  void add_holder(RemoteAddr dict);
  // The value, or nothing, which leaves the walk incomplete; what is known not to be there does not.
  template <typename T>
  std::optional<T> known(Result<T> result) {
    if (!result && result.error().kind != ErrorKind::absent_field) complete_ = false;
    return result.to_optional();
  }
  bool is_callable(RemoteAddr object);
  std::vector<RemoteAddr> items_of(RemoteAddr code, const char* member);

  cpython::Python& python_;
  cpython::Objects objects_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::uint64_t> codes_, types_, dicts_, called_;
  std::vector<Holder> holders_;
  bool complete_ = true;
};

}  // namespace hang::loops
