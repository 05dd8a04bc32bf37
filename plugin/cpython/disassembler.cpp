#include "cpython/disassembler.h"

#include <algorithm>
#include <array>
#include <capstone.h>
#include <map>
#include <set>
#include <string>

#include "base/shared_library.h"

namespace hang::cpython {
namespace {

constexpr std::size_t kMaxInstructions = 1500;  // the functions looked at have under 300
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMaxInstructionBytes = 15;  // of x86

#define HANG_STRING_(x) #x
#define HANG_STRING(x) HANG_STRING_(x)
// The name of the library whose header this was compiled with.
constexpr const char* kLibrary = "libcapstone.so." HANG_STRING(CS_API_MAJOR);

// General registers and their narrower names; the row is the register.
constexpr std::array<std::array<x86_reg, 5>, 16> kRegisters{{
    {X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH},
    {X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH},
    {X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH},
    {X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL, X86_REG_INVALID},
    {X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL, X86_REG_INVALID},
    {X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B, X86_REG_INVALID},
    {X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B, X86_REG_INVALID},
    {X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B, X86_REG_INVALID},
    {X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B, X86_REG_INVALID},
    {X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH},
    {X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, X86_REG_INVALID},
    {X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL, X86_REG_INVALID},
    {X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B, X86_REG_INVALID},
    {X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B, X86_REG_INVALID},
    {X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B, X86_REG_INVALID},
    {X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B, X86_REG_INVALID},
}};
constexpr std::size_t kCallerSaved = 9;  // the first rows: a call changes them (System V ABI)

// Which fixed address each register holds, as far as is known.
using Registers = std::array<std::optional<std::uint64_t>, kRegisters.size()>;

std::optional<std::size_t> row_of(unsigned reg) {
  for (std::size_t row = 0; row < kRegisters.size(); ++row)
    for (const x86_reg name : kRegisters[row])
      if (name != X86_REG_INVALID && static_cast<unsigned>(name) == reg) return row;
  return std::nullopt;
}

}  // namespace

// The few functions of libcapstone that are used, and one decoder.
struct Disassembler::Library {
  SharedLibrary library{kLibrary};
  csh decoder = 0;
  cs_insn* instruction = nullptr;
  decltype(&cs_open) open = nullptr;
  decltype(&cs_close) close = nullptr;
  decltype(&cs_option) option = nullptr;
  decltype(&cs_malloc) allocate = nullptr;
  decltype(&cs_free) release = nullptr;
  decltype(&cs_disasm_iter) decode = nullptr;
  decltype(&cs_regs_access) registers = nullptr;

  Library() = default;
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (instruction) release(instruction, 1);
    if (decoder) close(&decoder);
  }

  bool load() {
    if (!library.bind(open, "cs_open") || !library.bind(close, "cs_close") || !library.bind(option, "cs_option") ||
        !library.bind(allocate, "cs_malloc") || !library.bind(release, "cs_free") ||
        !library.bind(decode, "cs_disasm_iter") || !library.bind(registers, "cs_regs_access"))
      return false;
    if (open(CS_ARCH_X86, CS_MODE_64, &decoder) != CS_ERR_OK) return false;
    option(decoder, CS_OPT_DETAIL, CS_OPT_ON);
    instruction = allocate(decoder);
    return instruction != nullptr;
  }
};

namespace {

// Code of the target, a page at a time.
class CodeBytes {
 public:
  explicit CodeBytes(Target& target) : target_(&target) {}

  // Up to 15 bytes at `address`; fewer at the end of what is readable, none where nothing is.
  std::size_t read(std::uint64_t address, std::array<std::uint8_t, kMaxInstructionBytes>& out) {
    std::size_t count = 0;
    for (; count < out.size(); ++count) {
      const auto& page = page_of((address + count) / kPage);
      const std::uint64_t offset = (address + count) % kPage;
      if (offset >= page.size()) break;
      out[count] = std::to_integer<std::uint8_t>(page[offset]);
    }
    return count;
  }

 private:
  const std::vector<std::byte>& page_of(std::uint64_t number) {
    auto [page, fresh] = pages_.try_emplace(number);
    if (fresh) {
      page->second.resize(kPage);
      page->second.resize(target_->read(RemoteAddr(number * kPage), page->second).value_or(0));
    }
    return page->second;
  }

  Target* target_;
  std::map<std::uint64_t, std::vector<std::byte>> pages_;
};

// One walk. A branch target is visited once, with the registers of whoever came first.
template <typename Library>
class Walk {
 public:
  Walk(Library& library, Target& target, const Module& module) : library_(library), bytes_(target), module_(module) {}

  CodeWalk run(std::uint64_t entry) {
    enqueue(entry, {});
    while (!pending_.empty() && budget_ > 0) {
      const Block block = pending_.back();
      pending_.pop_back();
      registers_ = block.registers;
      follow(block.begin);
    }
    return std::move(found_);
  }

 private:
  struct Block {
    std::uint64_t begin = 0;
    Registers registers;
  };

  [[nodiscard]] bool in_module(std::uint64_t address) const {
    return RemoteAddr(address) >= module_.begin && RemoteAddr(address) < module_.end;
  }

  void enqueue(std::uint64_t address, const Registers& registers) {
    if (in_module(address)) pending_.push_back({address, registers});
  }

  void follow(std::uint64_t address) {
    while (budget_ > 0 && visited_.insert(address).second) {
      --budget_;
      std::array<std::uint8_t, kMaxInstructionBytes> code{};
      const std::uint8_t* at = code.data();
      std::size_t size = bytes_.read(address, code);
      if (!library_.decode(library_.decoder, &at, &size, &address, library_.instruction)) return;
      if (!step(*library_.instruction)) return;
    }
  }

  // False if the code does not go on with the next instruction.
  bool step(const cs_insn& instruction) {
    const cs_x86& x86 = instruction.detail->x86;
    const bool direct = x86.op_count == 1 && x86.operands[0].type == X86_OP_IMM;
    const auto destination = direct ? static_cast<std::uint64_t>(x86.operands[0].imm) : 0;
    if (in_group(instruction, CS_GRP_JUMP)) {
      if (direct) enqueue(destination, registers_);
      return instruction.id != X86_INS_JMP;
    }
    if (in_group(instruction, CS_GRP_CALL)) {
      auto& calls = found_.calls;
      if (direct && std::find(calls.begin(), calls.end(), RemoteAddr(destination)) == calls.end())
        calls.emplace_back(destination);
      std::fill_n(registers_.begin(), kCallerSaved, std::nullopt);
      return true;
    }
    if (in_group(instruction, CS_GRP_RET) || instruction.id == X86_INS_UD2 || instruction.id == X86_INS_HLT)
      return false;
    note_references(instruction);
    return true;
  }

  static bool in_group(const cs_insn& instruction, std::uint8_t group) {
    const cs_detail& detail = *instruction.detail;
    return std::find(detail.groups, detail.groups + detail.groups_count, group) != detail.groups + detail.groups_count;
  }

  void note_references(const cs_insn& instruction) {
    const cs_x86& x86 = instruction.detail->x86;
    std::optional<std::uint64_t> taken;
    for (std::uint8_t i = 0; i < x86.op_count; ++i) {
      const cs_x86_op& operand = x86.operands[i];
      if (operand.type == X86_OP_MEM) {
        auto reference = memory_reference(instruction, operand);
        if (!reference) continue;
        if (instruction.id == X86_INS_LEA && !reference->indexed) taken = reference->address.raw();
        describe_access(x86, i, instruction.id, *reference);
        found_.references.push_back(*reference);
      } else if (operand.type == X86_OP_IMM && (instruction.id == X86_INS_MOV || instruction.id == X86_INS_MOVABS) &&
                 x86.operands[0].type == X86_OP_REG && in_module(static_cast<std::uint64_t>(operand.imm))) {
        taken = static_cast<std::uint64_t>(operand.imm);
        found_.references.push_back({CodeReference::Kind::address, RemoteAddr(instruction.address), RemoteAddr(*taken),
                                     0, false, std::nullopt});
      }
    }
    forget_written(instruction);
    if (taken && x86.operands[0].type == X86_OP_REG)
      if (auto row = row_of(x86.operands[0].reg)) registers_[*row] = taken;
  }

  // The fixed address in a memory operand: RIP-relative, absolute, or a displacement from a register that holds one.
  std::optional<CodeReference> memory_reference(const cs_insn& instruction, const cs_x86_op& operand) const {
    const x86_op_mem& memory = operand.mem;
    if (memory.segment == X86_REG_FS || memory.segment == X86_REG_GS) return std::nullopt;  // thread-local
    CodeReference reference;
    reference.instruction = RemoteAddr(instruction.address);
    reference.size = operand.size;
    std::uint64_t address = static_cast<std::uint64_t>(memory.disp);
    bool unknown_base = false;
    if (memory.base == X86_REG_RIP) {
      address += instruction.address + instruction.size;
    } else if (memory.base != X86_REG_INVALID) {
      const auto row = row_of(memory.base);
      if (row && registers_[*row])
        address += *registers_[*row];
      else
        unknown_base = true;  // 0xac01e8(%rax): in code that is not position-independent the array is the displacement
    }
    if (!in_module(address)) return std::nullopt;
    reference.address = RemoteAddr(address);
    reference.indexed = unknown_base || memory.index != X86_REG_INVALID;
    return reference;
  }

  static void describe_access(const cs_x86& x86, std::uint8_t operand, unsigned id, CodeReference& reference) {
    if (id == X86_INS_LEA) {
      reference.kind = CodeReference::Kind::address;
      reference.size = 0;
    } else if (id == X86_INS_XCHG) {
      reference.kind = CodeReference::Kind::exchange;
    } else if (operand == 0 && id == X86_INS_MOV) {
      reference.kind = CodeReference::Kind::store;
      if (x86.op_count > 1 && x86.operands[1].type == X86_OP_IMM) reference.immediate = x86.operands[1].imm;
    } else {
      reference.kind = CodeReference::Kind::load;
    }
  }

  void forget_written(const cs_insn& instruction) {
    cs_regs read{}, written{};
    std::uint8_t read_count = 0, written_count = 0;
    if (library_.registers(library_.decoder, &instruction, read, &read_count, written, &written_count) != CS_ERR_OK) {
      registers_.fill(std::nullopt);
      return;
    }
    for (std::uint8_t i = 0; i < written_count; ++i)
      if (auto row = row_of(written[i])) registers_[*row].reset();
  }

  Library& library_;
  CodeBytes bytes_;
  const Module& module_;
  Registers registers_;
  std::vector<Block> pending_;
  std::set<std::uint64_t> visited_;
  std::size_t budget_ = kMaxInstructions;
  CodeWalk found_;
};

}  // namespace

Disassembler::Disassembler(std::unique_ptr<Library> library) : library_(std::move(library)) {}
Disassembler::Disassembler(Disassembler&&) noexcept = default;
Disassembler& Disassembler::operator=(Disassembler&&) noexcept = default;
Disassembler::~Disassembler() = default;

Result<Disassembler> Disassembler::open() {
  auto library = std::make_unique<Library>();
  if (!library->load())
    return Error{ErrorKind::no_symbols,
                 std::string("cannot load ") + kLibrary + ", which reads code in stripped files"};
  return Disassembler(std::move(library));
}

Result<CodeWalk> Disassembler::walk(Target& target, RemoteAddr entry, const Module& module) const {
  if (auto first = read_value<std::uint8_t>(target, entry, "code"); !first) return first.error();
  return Walk<Library>(*library_, target, module).run(entry.raw());
}

}  // namespace hang::cpython
