// Locks of threading: which one a thread waits for, and which of its own frames hold it.
#include <algorithm>
#include <fmt/format.h>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr std::size_t kMaxFrames = 40;      // innermost, of the waiter
constexpr std::size_t kMaxNames = 64;       // of one frame, that the search follows
constexpr std::size_t kMaxProbes = 20'000;  // objects looked at in one search; some tenths of a second

bool is_lock(const std::string& type) {
  return type == "_thread.lock" || type == "_thread.RLock";
}

struct Found {
  RemoteAddr lock;
  std::string name;
};

// The address by which a thread is parked: the futex word is then the semaphore of the waiter's entry in the parking
// lot, on its own stack: struct wait_entry { void *park_arg; uintptr_t addr; _PySemaphore sema; ... }
// (Python/parking_lot.c). What lies before a semaphore of another kind is anything: the caller must know the object.
std::optional<RemoteAddr> parked_by(Reader& reader, std::uint64_t futex) {
  auto sema = reader.layout().field("wait_entry", "sema");
  if (!sema || futex < sema->offset) return std::nullopt;
  return reader.pointer("wait_entry", "addr", RemoteAddr(futex - sema->offset)).to_optional();
}

// Finds the lock behind names. At first a lock is a POSIX semaphore on the heap, and the futex word is its first; from
// 3.14 on, and in 3.13 from some micro release on, it is a byte of the object, by which its waiters are parked.
class LockFinder {
 public:
  LockFinder(Python& python, std::uint64_t futex) : python_(python), reader_(python.reader()), futex_(futex) {
    auto lock = reader_.layout().field("lockobject", reader_.has("lockobject", "lock") ? "lock" : "lock_lock");
    const auto parked = parked_by(reader_, futex);
    if (!lock || !parked || parked->raw() <= lock->offset) return;
    const RemoteAddr object(parked->raw() - lock->offset);
    if (is_lock(python.objects().type_name(object).value_or(""))) parked_in_ = object;
  }

  // True if that object is the lock.
  bool is_it(RemoteAddr object) {
    if (++probes_ > kMaxProbes) return false;
    const auto type = python_.objects().type_name(object).value_or("");
    if (!is_lock(type)) return false;
    if (parked_in_) return object == parked_in_;
    const bool plain = type == "_thread.lock";
    auto inner = plain ? reader_.pointer("lockobject", "lock_lock", object)
                       : reader_.pointer("rlockobject", "rlock_lock", object);
    return inner && inner->raw() == futex_;
  }

  // The budget is used up: what was not found by now is not found.
  [[nodiscard]] bool spent() const { return probes_ > kMaxProbes; }

  // The lock without a name, where the word itself leads to it.
  [[nodiscard]] RemoteAddr known() const { return parked_in_; }

  // The lock itself or the one inside a Condition, a Queue or an object of the program, and how it is called there.
  std::optional<Found> inside(RemoteAddr object, std::string name) {
    if (is_it(object)) return Found{object, std::move(name)};
    for (const char* attribute : {"_lock", "mutex"}) {
      auto inner = python_.objects().attribute(object, attribute);
      if (inner && is_it(*inner)) return Found{*inner, name + "." + attribute};
    }
    return std::nullopt;
  }

 private:
  Python& python_;
  Reader& reader_;
  std::uint64_t futex_;
  RemoteAddr parked_in_;
  std::size_t probes_ = 0;
};

// What the names of a frame lead to: its variables, its globals, and the attributes that its code asks of them.
std::optional<Found> by_names(Python& python, LockFinder& finder, RemoteAddr frame) {
  auto objects = python.objects();
  auto names = names_of_code(python.reader(), frame);
  if (names.size() > kMaxNames) names.resize(kMaxNames);
  std::vector<Local> roots;
  if (auto locals = python.locals(frame)) roots = std::move(*locals);
  if (auto globals = python.reader().pointer("_PyInterpreterFrame", "f_globals", frame)) {
    const RemoteAddr dict = python.reader().untagged(globals->raw());
    for (const auto& name : names)
      if (auto value = objects.dict_get(dict, name)) roots.push_back({name, *value});
  }
  if (roots.size() > kMaxNames) roots.resize(kMaxNames);
  for (const auto& root : roots) {
    if (finder.spent()) break;
    if (!root.value) continue;
    if (auto found = finder.inside(root.value, root.name)) return found;
    for (const auto& name : names) {
      auto value = objects.attribute(root.value, name);
      if (!value || !*value) continue;
      if (auto found = finder.inside(*value, root.name + "." + name)) return found;
    }
  }
  return std::nullopt;
}

bool holds(Python& python, LockFinder& finder, RemoteAddr frame) {
  auto open = open_with_blocks(python.reader(), frame);
  return open && std::any_of(open->begin(), open->end(),
                             [&](RemoteAddr object) { return finder.inside(object, {}).has_value(); });
}

std::optional<std::uint64_t> owner_of(Reader& reader, RemoteAddr rlock) {
  const char* member = reader.has("rlockobject", "lock.thread") ? "lock.thread" : "rlock_owner";
  auto owner = reader.number("rlockobject", member, rlock);
  return owner && *owner != 0 ? std::optional(*owner) : std::nullopt;
}

// Condition.wait gives the lock back while it waits; the `with` blocks further out hold nothing meanwhile.
bool gives_back(const facts::FrameFacts& frame) {
  return frame.function == "Condition.wait" && frame.file.ends_with("threading.py");
}

void find_holders(Python& python, LockFinder& finder, const std::vector<facts::ThreadStateFacts>& all,
                  facts::LockFacts& lock) {
  constexpr std::size_t kMaxStates = 256;
  for (std::size_t s = 0; s < std::min(all.size(), kMaxStates); ++s)
    for (std::size_t i = 0; i < std::min(all[s].frames.size(), kMaxFrames); ++i) {
      if (finder.spent() || gives_back(all[s].frames[i])) break;
      if (holds(python, finder, RemoteAddr(all[s].frames[i].address))) lock.held_by.push_back({all[s].address, i});
    }
}

}  // namespace

std::optional<facts::LockFacts> Python::awaited_lock(const facts::ThreadStateFacts& state, std::uint64_t futex,
                                                     const std::vector<facts::ThreadStateFacts>& all) {
  LockFinder finder(*this, futex);
  facts::LockFacts facts;
  RemoteAddr lock = finder.known();
  for (std::size_t i = 0; i < std::min(state.frames.size(), kMaxFrames); ++i) {
    auto found = by_names(*this, finder, RemoteAddr(state.frames[i].address));
    if (!found) continue;
    lock = found->lock;
    if (facts.name.empty()) facts.name = found->name;
    facts.named_by.push_back(i);
  }
  if (!lock) return std::nullopt;
  facts.object = lock.raw();
  facts.type = objects().type_name(lock).value_or("");
  facts.waiter = state.address;
  if (facts.type == "_thread.RLock") facts.owner = owner_of(*reader_, lock);
  find_holders(*this, finder, all, facts);
  return facts;
}

bool Python::waits_in_queue(RemoteAddr queue, std::uint64_t futex) {
  if (auto lock = reader_->pointer("simplequeueobject", "lock", queue)) return lock->raw() == futex;
  const auto key = reader_->layout().field("simplequeueobject", "has_threads_waiting");
  return key && parked_by(*reader_, futex) == queue.field(key->offset);
}

std::optional<std::uint64_t> Python::joined_thread(const facts::ThreadStateFacts& state) {
  constexpr std::size_t kInnermost = 2;  // join, and up to 3.12 _wait_for_tstate_lock inside it
  for (std::size_t i = 0; i < std::min(state.frames.size(), kInnermost); ++i) {
    const auto& frame = state.frames[i];
    if (!frame.file.ends_with("threading.py") || frame.function != "Thread.join") continue;
    auto self = local(RemoteAddr(frame.address), "self");
    auto ident = self ? objects().attribute(*self, "_ident") : self;
    if (!ident) return std::nullopt;
    auto number = objects().integer(*ident);
    return number ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace hang::cpython
