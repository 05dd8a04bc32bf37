#include "report/loops_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "facts/names.h"
#include "report/paint.h"
#include "verdict/loop_wait.h"
#include "verdict/other_end.h"
#include "verdict/process.h"
#include "verdict/wait_graph.h"

namespace hang::report {

using facts::LoopFacts;
using facts::ParkedOn;
using facts::TaskFacts;
using verdict::Process;

namespace {

constexpr std::size_t kMostAlike = 5;  // tasks printed of those that wait at one place for one kind of thing

// One loop: a head, and under each task those that it waits for.
class LoopText {
 public:
  LoopText(const Process& process, const LoopFacts& loop, const Style& style)
      : process_(process), loop_(loop), paint_(style), style_(style) {}

  std::string text() {
    head();
    for (const auto& task : loop_.tasks)
      if (!task.system && task.main) branch(task, 1);
    for (const auto& task : loop_.tasks)
      if (!task.system && is_root(task)) branch(task, 1);
    // Tasks in a circle are under no root.
    for (const auto& task : loop_.tasks)
      if (!task.system && !shown_.contains(task.object)) branch(task, 1);
    for (const auto& [place, count] : places_)
      if (count > kMostAlike) out_ += fmt::format("  ... {} more tasks at {}\n", count - kMostAlike, place);
    if (loop_.task_count.value_or(0) > loop_.tasks.size())
      out_ += fmt::format("  of {} tasks {} that stand at the same lines were only counted\n", *loop_.task_count,
                          *loop_.task_count - loop_.tasks.size());
    if (!loop_.tasks_known) out_ += "  its tasks could not be read\n";
    return std::move(out_);
  }

 private:
  void head();
  void branch(const TaskFacts& task, int depth);
  [[nodiscard]] std::string wakeup() const;
  [[nodiscard]] bool is_root(const TaskFacts& task) const;
  [[nodiscard]] std::string who_could(const TaskFacts& task) const;
  [[nodiscard]] std::string parked(const TaskFacts& task) const;

  const Process& process_;
  const LoopFacts& loop_;
  const Paint paint_;
  const Style& style_;
  std::string out_;
  std::set<std::uint64_t> shown_;
  std::map<std::string, std::size_t> places_;
};

std::string LoopText::wakeup() const {
  if (!loop_.wakeup_reader) return "not known";
  std::string words = fmt::format("fd {}", *loop_.wakeup_reader);
  const auto* fd = process_.facts().fd(*loop_.wakeup_reader);
  if (fd != nullptr && fd->unix_socket && fd->unix_socket->rqueue)
    words += fmt::format(", {} bytes unread", *fd->unix_socket->rqueue);
  return words;
}

void LoopText::head() {
  const auto* thread = process_.thread(loop_.tid);
  std::string state = loop_.in_selector ? "asleep in its selector" : "running a step";
  if (loop_.in_selector && thread != nullptr && thread->wait.timeout_ms)
    state += verdict::is_endless(thread->wait)
                 ? ", no timer set"
                 : fmt::format(", next timer in {}", verdict::duration(static_cast<double>(*thread->wait.timeout_ms)));
  if (loop_.is_guest == true) state += ", a guest of another loop";
  const bool unknown = loop_.kind == facts::LoopKind::unknown;
  out_ += paint_.bold(unknown ? loop_.type : fmt::format("{} loop", name_of(loop_.kind))) +
          fmt::format(" · {} · interpreter {}\n",
                      loop_.tid == 0 ? "no thread was seen to run it" : process_.thread_label(loop_.tid),
                      loop_.interpreter);
  if (unknown) {
    out_ += fmt::format(
        "  hang does not read loops of this kind: its queue, timers and descriptors are not known\n"
        "  {}; {} tasks\n",
        loop_.tid == 0      ? "state not known"
        : loop_.in_selector ? "no step runs; the thread is in " + (thread == nullptr ? "?" : thread->wait.name)
                            : "running a step",
        loop_.task_count.value_or(0));
    return;
  }
  const auto system = static_cast<std::uint64_t>(
      std::count_if(loop_.tasks.begin(), loop_.tasks.end(), [](const auto& t) { return t.system; }));
  out_ += fmt::format("  {}; {} ready, {} timers, {} tasks\n", state, loop_.ready ? std::to_string(*loop_.ready) : "?",
                      loop_.scheduled ? std::to_string(*loop_.scheduled) : "?",
                      loop_.task_count ? std::to_string(*loop_.task_count - system) : "?");
  if (loop_.user_frame && loop_.tstate != 0) {
    const auto* running = process_.facts().thread_state(loop_.tstate);
    if (running != nullptr && *loop_.user_frame < static_cast<int>(running->frames.size()))
      out_ += fmt::format("  at {}\n", verdict::frame_label(running->frames[*loop_.user_frame]));
  }
  out_ += fmt::format("  wakeup {}; epoll {}\n", wakeup(), loop_.epfd ? fmt::format("fd {}", *loop_.epfd) : "?");
}

// No task of the loop waits for it or owns its nursery.
bool LoopText::is_root(const TaskFacts& task) const {
  return std::none_of(loop_.tasks.begin(), loop_.tasks.end(), [&](const TaskFacts& other) {
    if (other.system || &other == &task) return false;
    const auto& waited = other.parked.tasks;
    return other.parked.on == ParkedOn::tasks && std::find(waited.begin(), waited.end(), task.object) != waited.end();
  });
}

std::string LoopText::who_could(const TaskFacts& task) const {
  const auto& parked = task.parked;
  if (!parked.searched) return {};
  if (parked.on == ParkedOn::lock && !parked.tasks.empty()) return {};
  std::string names;
  for (const auto object : parked.could_end) {
    const auto* other = verdict::find_task(loop_, object);
    names += (names.empty() ? "" : ", ") + (other == nullptr ? std::string("a callback of the loop") : other->name);
  }
  if (!names.empty()) return " · could be ended by " + names;
  return *parked.searched ? " · no other task could end it" : "";
}

std::string LoopText::parked(const TaskFacts& task) const {
  auto words = verdict::parked_words(loop_, task);
  if (task.parked.on == ParkedOn::fd && task.parked.fd)
    words += ": " + verdict::other_end(process_, *task.parked.fd, task.parked.writing != true).words;
  return words.empty() ? "" : " · waits for " + words + who_could(task);
}

void LoopText::branch(const TaskFacts& task, int depth) {
  constexpr int kMostDepth = 30;
  if (!shown_.insert(task.object).second || depth > kMostDepth) return;
  const auto* frame = verdict::user_frame(task.frames);
  const std::string place = frame != nullptr ? verdict::frame_label(*frame) : "no frame";
  if (task.main || style_.verbose || ++places_[place] <= kMostAlike) {
    const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
    out_ += fmt::format("{}{}{} · {}{}\n", indent, printable(task.name), task.main ? " (main)" : "", printable(place),
                        printable(parked(task)));
    if (style_.verbose)
      for (const auto& at : task.frames) out_ += fmt::format("{}    {}\n", indent, printable(verdict::frame_label(at)));
  }
  if (task.parked.on != ParkedOn::tasks) return;
  for (const auto object : task.parked.tasks)
    if (const auto* child = verdict::find_task(loop_, object)) branch(*child, depth + 1);
}

}  // namespace

std::string loops_text(const facts::Snapshot& snapshot, const Style& style) {
  const Process process(snapshot);
  std::string out;
  for (const auto& loop : snapshot.python->loops) {
    if (!out.empty()) out += "\n";
    out += LoopText(process, loop, style).text();
  }
  for (const auto& loop : snapshot.python->other_loops) {
    if (!out.empty()) out += "\n";
    out += LoopText(process, loop, style).text();
  }
  return out.empty() ? "No event loop of a kind that hang knows (asyncio, trio) is being run.\n" : out;
}

}  // namespace hang::report
