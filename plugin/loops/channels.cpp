// The channels that a program's frames lead to, and by whom: trio's and anyio's memory channels (trio/_channel.py 0.22
// to 0.34, anyio/streams/memory.py 4), asyncio.Queue, queue.Queue and SimpleQueue, multiprocessing's queues and
// connections (Lib/multiprocessing/queues.py, connection.py), and the queues and channels between interpreters (3.13+).
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "cpython/readers.h"
#include "loops/frameworks.h"
#include "loops/loops.h"
#include "loops/named_code.h"
#include "loops/reference_search.h"

namespace hang::loops {

using cpython::Python;
using facts::ChannelFacts;
using facts::ChannelKind;
using facts::ChannelUser;
using facts::FrameFacts;

namespace {

constexpr std::size_t kMostChannels = 2000, kMostRoots = 3000, kMostObjects = 400'000;

// A class of channels: by its name, and in which module it is. `ends`: two classes, one for each direction.
enum class End { both, sending, receiving };
struct ChannelType {
  std::string_view name, module;
  ChannelKind kind;
  End end;
};
constexpr std::array kTypes{
    ChannelType{"MemorySendChannel", "trio.", ChannelKind::memory_channel, End::sending},
    ChannelType{"MemoryReceiveChannel", "trio.", ChannelKind::memory_channel, End::receiving},
    ChannelType{"MemoryObjectSendStream", "anyio.streams.memory", ChannelKind::memory_channel, End::sending},
    ChannelType{"MemoryObjectReceiveStream", "anyio.streams.memory", ChannelKind::memory_channel, End::receiving},
    ChannelType{"Queue", "asyncio.queues", ChannelKind::async_queue, End::both},
    ChannelType{"LifoQueue", "asyncio.queues", ChannelKind::async_queue, End::both},
    ChannelType{"PriorityQueue", "asyncio.queues", ChannelKind::async_queue, End::both},
    ChannelType{"Queue", "queue", ChannelKind::thread_queue, End::both},
    ChannelType{"LifoQueue", "queue", ChannelKind::thread_queue, End::both},
    ChannelType{"PriorityQueue", "queue", ChannelKind::thread_queue, End::both},
    ChannelType{"_PySimpleQueue", "queue", ChannelKind::thread_queue, End::both},
    ChannelType{"_queue.SimpleQueue", "_queue", ChannelKind::thread_queue, End::both},
    ChannelType{"Queue", "multiprocessing.queues", ChannelKind::process_queue, End::both},
    ChannelType{"JoinableQueue", "multiprocessing.queues", ChannelKind::process_queue, End::both},
    ChannelType{"SimpleQueue", "multiprocessing.queues", ChannelKind::process_queue, End::both},
    ChannelType{"Connection", "multiprocessing.connection", ChannelKind::connection, End::both},
    ChannelType{"Queue", "concurrent.interpreters._queues", ChannelKind::interpreter_queue, End::both},
    ChannelType{"Queue", "test.support.interpreters.queues", ChannelKind::interpreter_queue, End::both},
    ChannelType{"RecvChannel", "test.support.interpreters.channels", ChannelKind::interpreter_channel, End::receiving},
    ChannelType{"SendChannel", "test.support.interpreters.channels", ChannelKind::interpreter_channel, End::sending},
};

// Functions in which threads wait for a channel, which is `self`. Where tasks wait was read with the tasks.
struct WaitFunction {
  std::string_view file, function;
  bool sends;
};
constexpr std::array kWaits{
    WaitFunction{"/queue.py", "Queue.get", false},
    WaitFunction{"/queue.py", "Queue.put", true},
    WaitFunction{"multiprocessing/queues.py", "Queue.get", false},
    WaitFunction{"multiprocessing/queues.py", "Queue.put", true},
    WaitFunction{"multiprocessing/queues.py", "SimpleQueue.get", false},
    WaitFunction{"multiprocessing/queues.py", "SimpleQueue.put", true},
    WaitFunction{"multiprocessing/connection.py", "Connection._recv", false},
    WaitFunction{"multiprocessing/connection.py", "Connection._send", true},
    WaitFunction{"interpreters/_queues.py", "Queue.get", false},
    WaitFunction{"interpreters/_queues.py", "Queue.put", true},
    WaitFunction{"interpreters/queues.py", "Queue.get", false},
    WaitFunction{"interpreters/queues.py", "Queue.put", true},
    WaitFunction{"interpreters/channels.py", "RecvChannel.recv", false},
    WaitFunction{"interpreters/channels.py", "SendChannel.send", true},
};

// What code names when it sends or receives by an object that does both.
constexpr std::array<std::string_view, 6> kSends{"put", "put_nowait", "send", "send_bytes", "shutdown", "close"};
constexpr std::array<std::string_view, 7> kReceives{"get",      "get_nowait", "recv", "recv_bytes", "recv_bytes_into",
                                                    "get_many", "empty"};

// A module that ends in a dot stands for the package: trio gives its classes the name of where they are public.
bool is_of(const ChannelType& type, const std::string& full_name) {
  if (type.module.ends_with('.')) return full_name.starts_with(type.module);
  return full_name == type.name || full_name == std::string(type.module) + "." + std::string(type.name);
}

class ChannelReader {
 public:
  ChannelReader(Python& python, facts::Snapshot& snapshot)
      : python_(python), objects_(python.objects()), snapshot_(snapshot), facts_(*snapshot.python) {}

  void run();

 private:
  struct Root {
    std::uint64_t tstate = 0, task = 0;
    std::int64_t interpreter = 0;
    const std::vector<FrameFacts>* frames = nullptr;
  };
  // Who is looked for from, and what is known of it.
  struct Finder {
    ChannelUser user;
    std::int64_t interpreter = 0;
    bool is_user = true;  // false: a module, which only keeps
  };
  std::vector<Root> roots() const;
  void search(const Root& root);
  void search_callbacks(const facts::LoopFacts& loop);
  void search_main_modules();
  template <typename Begin>
  Callables follow(const Finder& finder, Begin begin);
  [[nodiscard]] bool drives_loop(const Root& root) const;
  void mark_touched(const Finder& finder, bool sends, bool receives);
  bool take(RemoteAddr object, const std::string& type_name, const Finder& finder);
  void take_descriptor(RemoteAddr object, const std::string& type_name, const Finder& finder);
  void add_owner(int fd, RemoteAddr object, const std::string& type, const Finder& finder);
  const ChannelType* type_of(RemoteAddr object, const std::string& type_name);
  ChannelFacts* channel_of(RemoteAddr object, const ChannelType& type);
  void read(RemoteAddr object, ChannelFacts& channel);
  void read_waits(const Root& root);
  void read_parked_tasks(const facts::LoopFacts& loop);
  void read_waits_in_c();
  void tidy();
  ChannelUser& user_of(ChannelFacts& channel, const ChannelUser& user);
  std::optional<std::int64_t> number(RemoteAddr object, const char* attribute) {
    auto value = objects_.attribute(object, attribute);
    return value ? objects_.integer(*value).to_optional() : std::nullopt;
  }
  std::optional<int> handle(RemoteAddr object, const char* path) {
    auto value = objects_.path(object, path);
    auto fd = value ? objects_.integer(*value) : Result<std::int64_t>(value.error());
    return fd ? std::optional(static_cast<int>(*fd)) : std::nullopt;
  }

  Python& python_;
  cpython::Objects objects_;
  const facts::Snapshot& snapshot_;
  facts::PythonFacts& facts_;
  std::map<std::tuple<ChannelKind, std::uint64_t, std::int64_t>, std::size_t> index_;
  std::map<std::uint64_t, std::optional<std::size_t>> type_index_;  // by the address of the class: is it a channel's?
  std::map<std::uint64_t, bool> has_descriptor_;                    // by the address of the class
  std::unordered_set<std::uint64_t> owned_;                         // objects with a descriptor
  std::unordered_map<std::uint64_t, int> more_owners_;
  std::set<std::uint64_t> barriers_;
  std::vector<std::size_t> touched_;   // channels that the search came by, that both send and receive
  std::vector<RemoteAddr> met_types_;  // their classes
  std::size_t looked_at_ = 0;
  bool complete_ = true;
};

// Threads first. A task is on no thread's stack while it is suspended, and what runs now is the task's, too.
std::vector<ChannelReader::Root> ChannelReader::roots() const {
  std::vector<Root> roots;
  for (const auto& state : facts_.thread_states)
    if (!state.frames.empty()) roots.push_back({state.address, 0, state.interpreter, &state.frames});
  for (const auto& loop : facts_.loops)
    for (const auto& task : loop.tasks)
      if (!task.frames.empty() && !task.system)
        roots.push_back({loop.tstate, task.object, loop.interpreter, &task.frames});
  for (const auto& loop : facts_.other_loops)
    for (const auto& task : loop.tasks)
      if (!task.frames.empty()) roots.push_back({loop.tstate, task.object, loop.interpreter, &task.frames});
  return roots;
}

const ChannelType* ChannelReader::type_of(RemoteAddr object, const std::string& type_name) {
  const bool named =
      std::any_of(kTypes.begin(), kTypes.end(), [&](const ChannelType& type) { return type.name == type_name; });
  if (!named) return nullptr;
  auto type = objects_.type_of(object);
  if (!type) return nullptr;
  const auto [known, fresh] = type_index_.try_emplace(type->raw());
  if (fresh) {
    const auto full = objects_.qualified_type_name(object).value_or("");
    for (std::size_t i = 0; i < kTypes.size(); ++i)
      if (kTypes[i].name == type_name && is_of(kTypes[i], full)) known->second = i;
  }
  return known->second ? &kTypes[*known->second] : nullptr;
}

// The channel that the object is, or is an end of; null if there are too many, or it cannot be read.
ChannelFacts* ChannelReader::channel_of(RemoteAddr object, const ChannelType& type) {
  RemoteAddr shared = object;
  std::int64_t id = -1;
  if (type.kind == ChannelKind::memory_channel) {
    auto state = objects_.attribute(object, "_state");
    if (!state) return nullptr;
    shared = *state;
  } else if (type.kind == ChannelKind::interpreter_queue || type.kind == ChannelKind::interpreter_channel) {
    auto number = this->number(object, "_id");
    if (!number) {
      auto of_channel = objects_.path(object, "_id.id");
      if (of_channel) number = objects_.integer(*of_channel).to_optional();
    }
    id = number.value_or(-1);
    if (id >= 0) shared = RemoteAddr();  // each interpreter has an object of its own for it
  }
  const auto [found, fresh] = index_.try_emplace({type.kind, shared.raw(), id}, facts_.channels.size());
  if (!fresh) return &facts_.channels[found->second];
  if (facts_.channels.size() >= kMostChannels) {
    complete_ = false;
    index_.erase(found);
    return nullptr;
  }
  ChannelFacts channel;
  channel.kind = type.kind;
  channel.object = shared ? shared.raw() : object.raw();
  channel.type = objects_.qualified_type_name(object).value_or("");
  if (id >= 0) channel.id = id;
  read(shared ? shared : object, channel);
  facts_.channels.push_back(std::move(channel));
  return &facts_.channels.back();
}

void ChannelReader::read(RemoteAddr object, ChannelFacts& channel) {
  switch (channel.kind) {
    case ChannelKind::memory_channel:
      channel.items = length_of(python_, object, "data");                        // trio
      if (!channel.items) channel.items = length_of(python_, object, "buffer");  // anyio
      channel.limit = number(object, "max_buffer_size");
      channel.open_senders = number(object, "open_send_channels");
      channel.open_receivers = number(object, "open_receive_channels");
      break;
    case ChannelKind::async_queue:
      channel.items = length_of(python_, object, "_queue");
      channel.limit = number(object, "_maxsize");
      channel.closed = flag_of(python_, object, "_is_shutdown");
      break;
    case ChannelKind::thread_queue:
      channel.items = length_of(python_, object, "queue");
      if (!channel.items) channel.items = length_of(python_, object, "_queue");
      if (!channel.items) channel.items = objects_.length(object).to_optional();
      channel.limit = number(object, "maxsize");
      channel.closed = flag_of(python_, object, "is_shutdown");
      break;
    case ChannelKind::process_queue:
      for (const char* end : {"_reader._handle", "_writer._handle"})
        if (auto fd = handle(object, end)) channel.fds.push_back(*fd);
      if (auto buffered = length_of(python_, object, "_buffer")) channel.items = buffered;  // not yet in the pipe
      channel.closed = flag_of(python_, object, "_closed");
      break;
    case ChannelKind::connection:
      if (auto fd = handle(object, "_handle")) channel.fds.push_back(*fd);
      channel.closed = channel.fds.empty();
      break;
    case ChannelKind::interpreter_queue:
    case ChannelKind::interpreter_channel: break;  // its items are in the runtime of C, not in an object
  }
}

ChannelUser& ChannelReader::user_of(ChannelFacts& channel, const ChannelUser& user) {
  const auto found = std::find_if(channel.users.begin(), channel.users.end(), [&](const ChannelUser& known) {
    return known.tstate == user.tstate && known.task == user.task;
  });
  if (found != channel.users.end()) return *found;
  channel.users.push_back({user.tstate, user.task, false, false, false, false});
  return channel.users.back();
}

void ChannelReader::add_owner(int fd, RemoteAddr object, const std::string& type, const Finder& finder) {
  constexpr std::size_t kMost = 20'000;
  if (fd < 0 || facts_.fd_owners.size() >= kMost) return;
  const bool fresh = owned_.insert(object.raw()).second;
  // What a frame leads to, the module behind it need not name as well; and a few of those who have it are enough.
  constexpr int kFew = 4;
  if (!fresh && (!finder.is_user || ++more_owners_[object.raw()] >= kFew)) return;
  facts_.fd_owners.push_back({fd, object.raw(), type, finder.interpreter, finder.user.tstate, finder.user.task});
}

void ChannelReader::take_descriptor(RemoteAddr object, const std::string& type_name, const Finder& finder) {
  auto type = objects_.type_of(object);
  if (!type) return;
  const auto [known, fresh] = has_descriptor_.try_emplace(type->raw(), true);
  if (!known->second) return;
  auto fd = objects_.file_descriptor(object);
  if (fresh) known->second = fd.ok();
  if (!fd || type_name == "select.epoll") return;
  add_owner(*fd, object, objects_.qualified_type_name(object).value_or(type_name), finder);
}

bool ChannelReader::take(RemoteAddr object, const std::string& type_name, const Finder& finder) {
  const auto* type = type_of(object, type_name);
  if (type == nullptr) {
    take_descriptor(object, type_name, finder);
    return false;
  }
  auto* channel = channel_of(object, *type);
  if (channel == nullptr) return true;
  for (const int fd : channel->fds) add_owner(fd, object, channel->type, finder);
  const auto place = std::lower_bound(channel->interpreters.begin(), channel->interpreters.end(), finder.interpreter);
  if (place == channel->interpreters.end() || *place != finder.interpreter)
    channel->interpreters.insert(place, finder.interpreter);
  if (!finder.is_user) return true;
  auto& known = user_of(*channel, finder.user);
  const bool open = type->kind != ChannelKind::memory_channel || flag_of(python_, object, "_closed") != true;
  if (type->end == End::both) {
    if (auto of = objects_.type_of(object)) met_types_.push_back(*of);
    touched_.push_back(static_cast<std::size_t>(channel - facts_.channels.data()));
  } else if (open) {
    (type->end == End::sending ? known.sends : known.receives) = true;
  }
  return true;
}

void ChannelReader::search(const Root& root) {
  const Finder finder{{root.tstate, root.task, false, false, false, false}, root.interpreter, true};
  const auto met = follow(finder, [&](ReferenceSearch& search) { search.begin_at(*root.frames); });
  // Below a loop a thread does nothing itself until the loop ends: its tasks and callbacks are looked at one by one.
  if (touched_.empty() || drives_loop(root)) return mark_touched(finder, false, false);
  // Of the library's frames every second one names a `get` or a `close`: those are left out.
  NamedCode code(python_);
  for (const auto& frame : *root.frames) code.add_frame(RemoteAddr(frame.address));
  code.add(met);
  for (const RemoteAddr type : met_types_) code.add_type(type);
  complete_ = code.follow() && complete_;
  mark_touched(finder, code.names_any(kSends), code.names_any(kReceives));
}

bool ChannelReader::drives_loop(const Root& root) const {
  const auto its = [&](const facts::LoopFacts& loop) { return root.task == 0 && loop.tstate == root.tstate; };
  return std::any_of(facts_.loops.begin(), facts_.loops.end(), its) ||
         std::any_of(facts_.other_loops.begin(), facts_.other_loops.end(), its);
}

// What the search came by that both sends and receives: what the user's code does with it.
void ChannelReader::mark_touched(const Finder& finder, bool sends, bool receives) {
  for (const std::size_t index : touched_) {
    auto& user = user_of(facts_.channels[index], finder.user);
    user.sends = user.sends || sends;
    user.receives = user.receives || receives;
  }
}

// Callbacks of a loop run no task, and what they would do with a channel is not known: they could do either.
void ChannelReader::search_callbacks(const facts::LoopFacts& loop) {
  const Finder finder{{loop.tstate, 0, false, false, false, false}, loop.interpreter, true};
  follow(finder, [&](ReferenceSearch& search) {
    for (const char* root :
         {"_ready", "_scheduled", "_selector._fd_to_key", "_signal_handlers", "entry_queue.queue"})  // asyncio; trio
      if (auto object = objects_.path(RemoteAddr(loop.object), root)) search.begin_at(*object);
  });
  mark_touched(finder, true, true);
}

// What the main modules keep, of the interpreters in which nothing runs, too: it stays open as long as they do.
void ChannelReader::search_main_modules() {
  for (const auto& interpreter : facts_.interpreters) {
    auto module = objects_.module(RemoteAddr(interpreter.address), "__main__");
    auto names = module ? python_.reader().pointer("PyModuleObject", "md_dict", *module) : module;
    if (!names || !*names) continue;
    const Finder finder{{}, interpreter.id, false};
    follow(finder, [&](ReferenceSearch& search) { search.begin_at(*names); });
  }
}

template <typename Begin>
Callables ChannelReader::follow(const Finder& finder, Begin begin) {
  touched_.clear();
  met_types_.clear();
  Goal goal;
  goal.all = true;
  goal.barriers.insert(barriers_.begin(), barriers_.end());
  goal.stop_at = [&](RemoteAddr object, const std::string& type) { return take(object, type, finder); };
  ReferenceSearch search(python_, goal);
  begin(search);
  search.run();
  looked_at_ += search.looked_at();
  complete_ = complete_ && search.complete();
  return search.met();
}

// The innermost function of a channel that the thread stands in.
void ChannelReader::read_waits(const Root& root) {
  if (root.task != 0) return;
  constexpr std::size_t kInnermost = 6;
  const auto& frames = *root.frames;
  for (std::size_t i = 0; i < std::min(frames.size(), kInnermost); ++i) {
    const auto wait = std::find_if(kWaits.begin(), kWaits.end(), [&](const WaitFunction& known) {
      return frames[i].file.ends_with(known.file) && frames[i].function == known.function;
    });
    if (wait == kWaits.end()) continue;
    auto self = python_.local(RemoteAddr(frames[i].address), "self");
    const auto name = self ? objects_.type_name(*self).value_or("") : std::string();
    const auto* type = self ? type_of(*self, name) : nullptr;
    if (type == nullptr) continue;
    auto* channel = channel_of(*self, *type);
    if (channel == nullptr) return;
    auto& user = user_of(*channel, {root.tstate, root.task, false, false, false, false});
    (wait->sends ? user.waits_to_send : user.waits_to_receive) = true;
    // A queue of processes is a connection inside: the outer one is what the program knows.
    if (channel->kind != ChannelKind::connection) return;
  }
}

// What a task is parked on is the channel itself, or the state that its ends share.
void ChannelReader::read_parked_tasks(const facts::LoopFacts& loop) {
  using facts::ParkedOn;
  for (const auto& task : loop.tasks) {
    const auto on = task.parked.on;
    const bool sends = on == ParkedOn::send || on == ParkedOn::queue_put;
    if (!sends && on != ParkedOn::receive && on != ParkedOn::queue_get) continue;
    for (auto& channel : facts_.channels) {
      if (channel.object != task.parked.object) continue;
      auto& user = user_of(channel, {loop.tstate, task.object, false, false, false, false});
      (sends ? user.waits_to_send : user.waits_to_receive) = true;
    }
  }
}

// SimpleQueue.get of C has no frame: the thread's futex word says that it waits in that queue.
void ChannelReader::read_waits_in_c() {
  for (auto& channel : facts_.channels) {
    if (channel.type != "_queue.SimpleQueue") continue;
    for (const auto& state : facts_.thread_states) {
      const auto* thread = state.frames.empty() ? nullptr : snapshot_.thread(state.tid);
      if (thread == nullptr || thread->wait.kind != facts::WaitKind::futex || !thread->wait.futex) continue;
      if (!python_.waits_in_queue(RemoteAddr(channel.object), *thread->wait.futex)) continue;
      user_of(channel, {state.address, 0, false, false, false, false}).waits_to_receive = true;
    }
  }
}

// Leaves out what says nothing: the thread of a loop, whose frames lead to what its tasks have, and the connections
// that queues are made of.
void ChannelReader::tidy() {
  for (auto& channel : facts_.channels)
    std::erase_if(channel.users, [&](const ChannelUser& user) {
      const bool idle =
          user.task == 0 && !user.sends && !user.receives && !user.waits_to_send && !user.waits_to_receive;
      return idle && std::any_of(facts_.loops.begin(), facts_.loops.end(),
                                 [&](const auto& loop) { return loop.tstate == user.tstate; });
    });
  std::set<int> inside;
  for (const auto& channel : facts_.channels)
    if (channel.kind == ChannelKind::process_queue) inside.insert(channel.fds.begin(), channel.fds.end());
  std::erase_if(facts_.channels, [&](const ChannelFacts& channel) {
    return channel.kind == ChannelKind::connection && !channel.fds.empty() && inside.contains(channel.fds.front());
  });
}

void ChannelReader::run() {
  for (const auto& loop : facts_.loops) {
    barriers_.insert(loop.object);
    for (const auto& task : loop.tasks) barriers_.insert(task.object);
  }
  for (const auto& loop : facts_.other_loops) {
    barriers_.insert(loop.object);
    for (const auto& task : loop.tasks) barriers_.insert(task.object);
  }
  std::size_t done = 0;
  for (const Root& root : roots()) {
    if (++done > kMostRoots || looked_at_ > kMostObjects) {
      complete_ = false;
      break;
    }
    search(root);
    read_waits(root);
  }
  for (const auto& loop : facts_.loops) {
    search_callbacks(loop);
    read_parked_tasks(loop);
  }
  for (const auto& loop : facts_.other_loops) read_parked_tasks(loop);
  const bool frames_complete = complete_;
  search_main_modules();
  facts_.fd_owners_complete = complete_;
  complete_ = frames_complete;
  read_waits_in_c();
  tidy();
  // Tasks that were only counted, frames that were not read, and loops of another make lead to what nobody followed.
  for (const auto& loop : facts_.loops)
    complete_ = complete_ && loop.tasks_known && loop.task_count == loop.tasks.size();
  for (const auto& state : facts_.thread_states) complete_ = complete_ && state.frames_complete;
  complete_ = complete_ && facts_.other_loops.empty();
  facts_.fd_owners_complete = facts_.fd_owners_complete && complete_;
  for (auto& channel : facts_.channels) channel.searched = complete_;
  facts_.channels_known = true;
}

}  // namespace

void read_channels(Python& python, facts::Snapshot& snapshot) {
  if (snapshot.python) ChannelReader(python, snapshot).run();
}

}  // namespace hang::loops
