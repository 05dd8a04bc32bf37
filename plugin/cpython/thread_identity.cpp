// Which kernel thread really runs a thread state.
//
// PyThreadState.native_thread_id is the thread that made it. Up to 3.12 _xxsubinterpreters.run_string runs the
// interpreter's first thread state in whatever thread calls it (gh-109860), and an embedding program may do so in any
// version with PyThreadState_Swap. The C stack tells: 3.11 and 3.12 keep a _PyCFrame on it, 3.13 the frame that the C
// caller of the eval loop owns; and glibc puts a thread's descriptor, whose address is its pthread_t, at the top of its
// stack (nptl/allocatestack.c).
#include <algorithm>
#include <fmt/format.h>

#include "base/budget.h"
#include "cpython/readers.h"

namespace hang::cpython {

namespace {

// The usual stack of a thread (RLIMIT_STACK). An address farther below a descriptor is on somebody else's stack.
constexpr std::uint64_t kStack = 8 << 20;
constexpr std::size_t kMaxFrames = 20'000;

struct Owner {
  std::uint64_t ident = 0, tid = 0;
};

// An address on the C stack of the thread that runs this state; NULL if it is not inside the eval loop.
Result<RemoteAddr> c_stack_address(Reader& reader, RemoteAddr tstate) {
  if (reader.has("PyThreadState", "cframe")) {
    auto cframe = reader.pointer("PyThreadState", "cframe", tstate);
    auto size = reader.layout().size_of("PyThreadState");
    if (!cframe) return cframe;
    if (!size) return size.error();
    return cframe->within(tstate, *size) ? RemoteAddr() : *cframe;  // root_cframe: no eval loop is running
  }
  auto frame = innermost_frame(reader, tstate);
  const auto on_c_stack = reader.constant("FRAME_OWNED_BY_CSTACK", -2);
  Budget budget("frames", kMaxFrames);
  while (frame && *frame) {
    if (auto step = budget.visit(*frame); !step) return step.error();
    auto link = link_of_frame(reader, *frame);
    if (!link) return link.error();
    if (link->owner == on_c_stack) return frame;
    frame = link->previous;
  }
  return frame;
}

class Stacks {
 public:
  Stacks(Reader& reader, const Runtime& runtime, const facts::PythonFacts& python)
      : main_ident_(reader.number("_PyRuntimeState", "main_thread", runtime.address).value_or(0)) {
    for (const facts::ThreadStateFacts& state : python.thread_states) {
      if (state.tid == 0 || state.thread_id == 0) continue;
      if (state.thread_id != main_ident_) {
        threads_.push_back({state.thread_id, state.tid});
      } else {
        main_ = {state.thread_id, state.tid};
        // The main thread's stack is not below its descriptor. Its state in the main interpreter marks the place.
        const auto* interpreter = find(python, state.interpreter);
        if (interpreter != nullptr && interpreter->is_main)
          main_stack_ = c_stack_address(reader, RemoteAddr(state.address)).value_or(RemoteAddr());
      }
    }
    std::sort(threads_.begin(), threads_.end(), [](const Owner& a, const Owner& b) { return a.ident < b.ident; });
  }

  // The owner of a stack address; tid 0 if none of the known threads fits.
  [[nodiscard]] Owner owner(RemoteAddr at) const {
    const auto above =
        std::upper_bound(threads_.begin(), threads_.end(), at.raw(),
                         [](std::uint64_t address, const Owner& thread) { return address < thread.ident; });
    if (above != threads_.end() && above->ident - at.raw() < kStack) return *above;
    if (main_stack_ && (at.within(main_stack_, kStack) || main_stack_.within(at, kStack))) return main_;
    return {};
  }

 private:
  static const facts::InterpreterFacts* find(const facts::PythonFacts& python, std::int64_t id) {
    for (const facts::InterpreterFacts& interpreter : python.interpreters)
      if (interpreter.id == id) return &interpreter;
    return nullptr;
  }

  std::uint64_t main_ident_;
  std::vector<Owner> threads_;  // all but the main one, by ident
  Owner main_;
  RemoteAddr main_stack_;
};

}  // namespace

void correct_threads(Reader& reader, const Runtime& runtime, facts::PythonFacts& python, Report& report) {
  const Stacks stacks(reader, runtime, python);
  for (facts::ThreadStateFacts& state : python.thread_states) {
    auto at = c_stack_address(reader, RemoteAddr(state.address));
    if (!at || !*at) continue;
    const Owner owner = stacks.owner(*at);
    if (owner.tid == 0 || owner.tid == state.tid) continue;
    report.reading(fmt::format("tstate.{:#x}.thread", state.address), "C stack of the running eval loop", *at,
                   std::to_string(owner.tid), facts::Source::table);
    state.tid = owner.tid;
    state.thread_id = owner.ident;
  }
}

}  // namespace hang::cpython
