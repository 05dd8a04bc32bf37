// Debugger: the callbacks of the C ABI with their answers checked.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hosts/gdb/hang_gdb.h"
#include "target/target.h"

namespace hang::gdb_host {

class Debugger {
 public:
  // `from` must outlive it and be of this ABI (see wrong_abi).
  explicit Debugger(const hang_gdb_debugger& from);

  [[nodiscard]] std::uint64_t pid() const { return from_->pid; }
  [[nodiscard]] bool running() const { return from_->running != 0; }
  [[nodiscard]] const std::string& connection() const { return connection_; }
  [[nodiscard]] const std::string& core_file() const { return core_file_; }
  [[nodiscard]] const std::string& executable() const { return executable_; }
  [[nodiscard]] const std::string& sysroot() const { return sysroot_; }
  // Whether a callback said that the user pressed Ctrl-C.
  [[nodiscard]] bool interrupted() const { return interrupted_; }

  // The number of leading bytes that are there.
  Result<std::size_t> read(std::uint64_t address, std::span<std::byte> out);
  Result<std::vector<TargetThread>> threads();
  Result<MemberLayout> member(std::string_view type, std::string_view path);
  // As CodeSymbol, without the module.
  Result<CodeSymbol> symbol(std::uint64_t pc);
  Result<std::string> mappings();
  Result<std::vector<std::uint64_t>> stack(std::uint64_t tid);

 private:
  // The error in what a callback returned, if it is one.
  Result<std::uint64_t> count_of(std::int64_t returned, const char* what);
  template <typename Fill>
  Result<std::string> text(Fill fill, const char* what);

  const hang_gdb_debugger* from_;
  std::string connection_, core_file_, executable_, sysroot_;
  bool interrupted_ = false;
};

// "" if `debugger` is of this library's ABI, else what is wrong.
std::string wrong_abi(const hang_gdb_debugger* debugger);

// The core that `info target` names; "" if it names none.
std::string core_in_target_info(std::string_view text);

// "take_gil + 17 in section .text of /usr/lib/libpython3.12.so.1.0"
Result<CodeSymbol> parse_symbol(std::string_view text, std::uint64_t pc);

}  // namespace hang::gdb_host
