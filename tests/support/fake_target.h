// FakeTarget: a process made of bytes, for tests of everything that reads through Target.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "target/target.h"

namespace hang::test {

// Memory is sparse and byte-exact: a byte that no test put there is unreadable, also in the middle of a page.
// Owns everything it is given. Not thread-safe.
class FakeTarget : public Target {
 public:
  static constexpr std::uint64_t kPage = 4096;

  // Puts bytes at `at`, replacing what was there.
  void put_bytes(RemoteAddr at, std::span<const std::byte> bytes);
  // Puts one value as the target would have it in memory (little endian, as both are x86-64).
  template <typename T>
  void put(RemoteAddr at, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    put_bytes(at, std::as_bytes(std::span(&value, 1)));
  }
  void put_pointer(RemoteAddr at, RemoteAddr value) { put(at, value.raw()); }
  // Puts the characters and a terminating NUL.
  void put_string(RemoteAddr at, std::string_view text);
  // `size` readable zero bytes.
  void put_zeros(RemoteAddr at, std::uint64_t size);
  // Hands out `size` fresh zeroed bytes, 16-aligned, at an address of the fake's choosing.
  RemoteAddr allocate(std::uint64_t size);
  // Takes bytes away, as a truncated core does.
  void remove(RemoteAddr at, std::uint64_t size);

  // Faults: [at, at + size) is unreadable, and a test can ask whether anybody tried.
  void fail_at(RemoteAddr at, std::uint64_t size = 1);
  // Begins of the failing ranges that no read reached. A test of degradation asserts that this is empty.
  [[nodiscard]] std::vector<RemoteAddr> failures_not_visited() const;
  // From now on every operation fails with `error` (the process ended).
  void fail_all(Error error) { dead_ = std::move(error); }

  // Modules are found again by path. Symbols of a module that was not added are never found.
  void add_module(Module module) { modules_.push_back(std::move(module)); }
  void add_symbol(const std::string& module_path, const std::string& name, RemoteAddr address) {
    symbols_[{module_path, name}] = address;
  }
  // Once there is one member, an unknown one is `absent_field`; before that, `no_symbols`.
  void add_member(const std::string& type, const std::string& path, MemberLayout layout) {
    members_[{type, path}] = layout;
  }
  void add_code_symbol(RemoteAddr begin, std::uint64_t size, std::string name, std::string module);
  void add_thread(TargetThread thread) { threads_.push_back(thread); }

  void set_kind(TargetKind kind) { kind_ = kind; }
  void set_pid(std::uint64_t pid) { pid_ = pid; }
  void set_local(bool local) { local_ = local; }
  void set_stopped_by_host(bool stopped) { stopped_ = stopped; }
  void set_stop_id(std::uint64_t id) { stop_id_ = id; }
  // Number of read() calls so far.
  [[nodiscard]] std::size_t reads() const { return reads_; }

  [[nodiscard]] TargetKind kind() const override { return kind_; }
  [[nodiscard]] std::uint64_t pid() const override { return pid_; }
  [[nodiscard]] bool local() const override { return local_; }
  [[nodiscard]] bool stopped_by_host() const override { return stopped_; }
  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override;
  Result<std::vector<Module>> modules() override;
  Result<std::vector<TargetThread>> threads() override;
  Result<RemoteAddr> symbol(const Module& module, std::string_view name) override;
  Result<MemberLayout> member(std::string_view type, std::string_view path) override;
  Result<CodeSymbol> code_symbol(RemoteAddr pc) override;
  [[nodiscard]] std::uint64_t stop_id() const override { return stop_id_; }

 private:
  struct Page {
    std::array<std::byte, kPage> bytes{};
    std::bitset<kPage> present;
  };
  struct Fault {
    RemoteAddr begin;
    std::uint64_t size = 0;
    bool visited = false;
  };
  struct Code {
    RemoteAddr begin;
    std::uint64_t size = 0;
    std::string name, module;
  };

  Page& page_of(std::uint64_t address);
  [[nodiscard]] bool faulty(RemoteAddr address) const;
  void note_visit(RemoteAddr address, std::uint64_t size);

  std::map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::vector<Fault> faults_;
  std::optional<Error> dead_;
  std::vector<Module> modules_;
  std::vector<TargetThread> threads_;
  std::vector<Code> code_;
  std::map<std::pair<std::string, std::string>, RemoteAddr> symbols_;
  std::map<std::pair<std::string, std::string>, MemberLayout> members_;
  TargetKind kind_ = TargetKind::live;
  std::uint64_t pid_ = 1, stop_id_ = 0;
  std::uint64_t next_free_ = 0x7f0000000000;
  std::size_t reads_ = 0;
  bool local_ = false, stopped_ = false;
};

}  // namespace hang::test
