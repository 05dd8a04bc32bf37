#include "hosts/native/unwinder.h"

#include <elfutils/libdwfl.h>
#include <fmt/format.h>
#include <optional>

#include "target/page_cache.h"

namespace hang::native {

namespace {

constexpr std::size_t kMaxFrames = 512;
// x86-64 psABI, "DWARF Register Number Mapping".
constexpr int kStackPointer = 7, kReturnAddress = 16;

// The files are named when they are reported; there is nothing to look for.
int find_no_elf(Dwfl_Module*, void**, const char*, Dwarf_Addr, char**, Elf**) {
  return -1;
}

int find_no_debuginfo(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*, GElf_Word, char**) {
  return -1;
}

}  // namespace

// With libdw's callbacks, which are plain functions; their argument is the State.
struct Unwinder::State {
  Read read;
  Dwfl* dwfl = nullptr;
  bool attached = false;
  std::string error;
  // Of the walk that goes on.
  std::uint64_t tid = 0, pc = 0, sp = 0;
  std::vector<std::uint64_t> frames;
  std::optional<PageCache> stack;  // libdw asks word by word, and a stack lies in a few pages

  bool read_word(std::uint64_t address, std::uint64_t& word) {
    const auto bytes = std::as_writable_bytes(std::span(&word, 1));
    if (stack->read(RemoteAddr(address), bytes).value_or(0) == sizeof word) return true;
    // What is not in a page's leading bytes may be there all the same: a core need not keep whole pages.
    return read(address, bytes) == sizeof word;
  }

  static State& of(void* argument) { return *static_cast<State*>(argument); }

  static pid_t next_thread(Dwfl*, void* argument, void** thread) {
    if (*thread != nullptr) return 0;
    *thread = argument;
    return static_cast<pid_t>(of(argument).tid);
  }

  static bool get_thread(Dwfl*, pid_t, void* argument, void** thread) {
    *thread = argument;
    return true;
  }

  static bool memory_read(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void* argument) {
    std::uint64_t word = 0;
    if (!of(argument).read_word(address, word)) return false;
    *result = word;
    return true;
  }

  static bool set_initial_registers(Dwfl_Thread* thread, void* argument) {
    const Dwarf_Word sp = of(argument).sp, pc = of(argument).pc;
    if (!dwfl_thread_state_registers(thread, kStackPointer, 1, &sp)) return false;
    if (!dwfl_thread_state_registers(thread, kReturnAddress, 1, &pc)) return false;
    dwfl_thread_state_register_pc(thread, pc);
    return true;
  }

  static int frame(Dwfl_Frame* at, void* argument) {
    auto& frames = of(argument).frames;
    Dwarf_Addr pc = 0;
    if (!dwfl_frame_pc(at, &pc, nullptr) || frames.size() >= kMaxFrames) return DWARF_CB_ABORT;
    frames.push_back(pc);
    return DWARF_CB_OK;
  }
};

Unwinder::Unwinder(const std::vector<Module>& modules, Read read) : state_(std::make_unique<State>()) {
  static const Dwfl_Callbacks callbacks{find_no_elf, find_no_debuginfo, nullptr, nullptr};
  static const Dwfl_Thread_Callbacks thread_callbacks{
      State::next_thread, State::get_thread, State::memory_read, State::set_initial_registers, nullptr, nullptr};
  state_->read = std::move(read);
  state_->dwfl = dwfl_begin(&callbacks);
  if (state_->dwfl == nullptr) {
    state_->error = dwfl_errmsg(-1);
    return;
  }
  dwfl_report_begin(state_->dwfl);
  for (const Module& module : modules) {
    // A file that is gone has its tables in memory only; the walk ends there.
    if (module.open_path.empty()) continue;
    dwfl_report_elf(state_->dwfl, module.path.c_str(), module.open_path.c_str(), -1, module.load_bias.raw(), true);
  }
  dwfl_report_end(state_->dwfl, nullptr, nullptr);
  // The pid is only an identity for libdw here: it looks at no process by itself.
  state_->attached = dwfl_attach_state(state_->dwfl, nullptr, 1, &thread_callbacks, state_.get());
  if (!state_->attached) state_->error = dwfl_errmsg(-1);
}

Unwinder::~Unwinder() {
  if (state_->dwfl != nullptr) dwfl_end(state_->dwfl);
}

Result<std::vector<std::uint64_t>> Unwinder::walk(std::uint64_t tid, std::uint64_t pc, std::uint64_t sp) {
  if (!state_->attached) return Error{ErrorKind::no_symbols, fmt::format("libdw: {}", state_->error)};
  state_->tid = tid;
  state_->pc = pc;
  state_->sp = sp;
  state_->frames.clear();
  state_->stack.emplace([this](RemoteAddr page, std::span<std::byte> out) { return state_->read(page.raw(), out); });
  // The end of the stack is told as an error, as is a frame that cannot be walked: what there is is the answer.
  dwfl_getthread_frames(state_->dwfl, static_cast<pid_t>(tid), State::frame, state_.get());
  if (state_->frames.empty()) state_->frames.push_back(pc);
  return std::move(state_->frames);
}

}  // namespace hang::native
