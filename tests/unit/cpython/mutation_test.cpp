// A real process seen through a target that lies now and then: no answer may crash, hang or throw.
#include <chrono>
#include <random>

#include "hosts/native/native_target.h"
#include "live_python.h"

namespace hang::cpython::test {
namespace {

// Passes reads on; one in `one_in` comes back with a bit flipped, a word replaced, cut short, or not at all.
class LyingTarget : public Target {
 public:
  LyingTarget(Target& real, unsigned seed, unsigned one_in) : real_(real), random_(seed), one_in_(one_in) {}
  [[nodiscard]] TargetKind kind() const override { return TargetKind::core; }
  [[nodiscard]] std::uint64_t pid() const override { return real_.pid(); }
  [[nodiscard]] bool local() const override { return false; }
  [[nodiscard]] bool stopped_by_host() const override { return false; }
  [[nodiscard]] std::uint64_t stop_id() const override { return 0; }
  Result<std::vector<Module>> modules() override { return real_.modules(); }
  Result<std::vector<TargetThread>> threads() override { return real_.threads(); }
  Result<RemoteAddr> symbol(const Module& module, std::string_view name) override { return real_.symbol(module, name); }
  Result<MemberLayout> member(std::string_view type, std::string_view path) override {
    return real_.member(type, path);
  }
  Result<CodeSymbol> code_symbol(RemoteAddr pc) override { return real_.code_symbol(pc); }

  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override {
    auto got = real_.read(address, out);
    if (!got || *got == 0 || random_() % one_in_ != 0) return got;
    const std::size_t at = random_() % *got;
    switch (random_() % 4) {
      case 0: out[at] ^= static_cast<std::byte>(1U << random_() % 8); return got;
      case 1: {
        const std::uint64_t words[] = {0, 1, UINT64_MAX, address.raw(), INT64_MAX, random_()};
        const std::uint64_t word = words[random_() % std::size(words)];
        for (std::size_t i = 0; i < 8 && at / 8 * 8 + i < *got; ++i)
          out[at / 8 * 8 + i] = static_cast<std::byte>(word >> i * 8);
        return got;
      }
      case 2:
        return at == 0 ? Result<std::size_t>(Error{ErrorKind::unreadable, "a lie", address}) : Result<std::size_t>(at);
      default: return Error{ErrorKind::unreadable, "a lie", address};
    }
  }

 private:
  Target& real_;
  std::mt19937 random_;
  unsigned one_in_;
};

// Everything that reads, on whatever came back.
void exercise(Target& target) {
  auto python = Python::open(target);
  if (!python) {
    EXPECT_FALSE(python.error().message.empty());
    return;
  }
  facts::Snapshot snapshot;
  if (!(*python)->read(snapshot)) return;
  Objects objects = (*python)->objects();
  for (const auto& gil : snapshot.python->gils) static_cast<void>((*python)->gil_words(gil).ok());
  for (const auto& state : snapshot.python->thread_states) {
    static_cast<void>((*python)->progress(state.address).ok());
    for (const auto& frame : state.frames) {
      auto locals = (*python)->locals(RemoteAddr(frame.address));
      if (!locals) continue;
      for (const Local& local : *locals) {
        static_cast<void>(objects.str(local.value).ok());
        static_cast<void>(objects.integer(local.value).ok());
        static_cast<void>(objects.items(local.value).ok());
        static_cast<void>(objects.attribute(local.value, "x").ok());
        static_cast<void>((*python)->describe_callable(local.value).ok());
      }
    }
  }
}

class LyingMemory : public OnEveryPython {};
INSTANTIATE_ON_EVERY_PYTHON(LyingMemory);

TEST_P(LyingMemory, IsSurvived) {
  for (const std::string patient : {"stacks.py", "objects.py"}) {
    LivePython live;
    live.run_patient(GetParam(), patient);
    ASSERT_FALSE(HasFatalFailure());
    for (unsigned seed = 0; seed < 15; ++seed) {
      const auto begin = std::chrono::steady_clock::now();
      LyingTarget target(*live.target, seed, 10 + seed * 10);
      exercise(target);
      const auto took = std::chrono::steady_clock::now() - begin;
      EXPECT_LT(took, std::chrono::seconds(20)) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace hang::cpython::test
