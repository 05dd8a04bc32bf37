#include "cpython/layout/layout.h"

#include <array>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "cpython/layout/debug_offsets.h"
#include "cpython/layout/tables.h"

namespace hang::cpython::layout {

namespace {

using Key = std::pair<std::string_view, std::string_view>;
using Name = std::array<std::string_view, 3>;  // type, member, bits; the table's own text, which is never freed

struct NameHash {
  std::size_t operator()(const Name& name) const {
    std::size_t value = 0;
    for (const std::string_view part : name) value = value * 31 + std::hash<std::string_view>{}(part);
    return value;
  }
};

template <typename Number>
using ByName = std::unordered_map<Name, Number, NameHash>;

// Answers to names that callers asked for before, found by where their text lies and not by what it says: nearly all
// are literals, and hashing and comparing their text was a fifth of the work of reading a process. The text is
// compared all the same, once, because a name that is no literal can lie where another one lay.
template <typename Answer, unsigned kBits>
class Recent {
 public:
  [[nodiscard]] const Answer* find(const Name& asked) const {
    const Entry& entry = entries_[slot(asked)];
    return entry.used && entry.name == asked ? &entry.answer : nullptr;
  }
  // `name` says the same as `asked`, and outlives this.
  void remember(const Name& asked, const Name& name, Answer answer) {
    entries_[slot(asked)] = {name, std::move(answer), true};
  }

 private:
  struct Entry {
    Name name;
    Answer answer{};
    bool used = false;
  };
  static std::size_t slot(const Name& asked) {
    std::uint64_t mixed = 0;
    for (const std::string_view part : asked)
      mixed = (mixed + reinterpret_cast<std::uintptr_t>(part.data())) * 0x9E37'79B9'7F4A'7C15;
    return mixed >> (64 - kBits);
  }
  std::vector<Entry> entries_ = std::vector<Entry>(std::size_t{1} << kBits);
};

Error no_such(std::string_view type, std::string_view member) {
  return Error{ErrorKind::absent_field, "this CPython has no such field", {}, fmt::format("{}.{}", type, member)};
}

// The member as some shipped table names it. Then its absence from the table of this minor is knowledge, and the
// debugger need not search its debug information for it (which can take LLDB seconds).
std::optional<Key> known_to_any_table(RowKind kind, std::string_view type, std::string_view member) {
  for (const Table& table : tables())
    for (const Row& row : table.rows)
      if (row.kind == kind && row.type == type && row.member == member) return Key(row.type, row.member);
  for (const ModuleRow& row : module_rows())
    if (kind == RowKind::field && row.type == type && row.member == member) return Key(row.type, row.member);
  return std::nullopt;
}

class ChosenLayout : public Layout {
 public:
  ChosenLayout(Target& target, const Table& table, Flavour flavour) : target_(target) {
    for (const Row& row : table.rows) load(row, row.of(flavour));
    for (const ModuleRow& row : module_rows())
      if (row.first_minor <= table.minor && table.minor <= row.last_minor)
        fields_[{row.type, row.member}] = {row.offset, row.size, facts::Source::table};
  }

  // Makes the target's own numbers the first provider.
  Result<void> adopt(const std::vector<DebugOffset>& offsets, const Runtime& runtime);

  std::optional<Field> find(std::string_view type, std::string_view member) override {
    const Name asked{type, member};
    if (const auto* known = recent_fields_.find(asked)) return *known;
    const auto found = fields_.find(asked);
    if (found == fields_.end()) return absent_or_dwarf(type, member);
    note(found->second.source);
    recent_fields_.remember(asked, found->first, found->second);
    return found->second;
  }

  Result<BitField> bit_field(std::string_view type, std::string_view member, std::string_view bits) override {
    const Name asked{type, member, bits};
    if (const auto* known = recent_bits_.find(asked)) return *known;
    const auto found = bits_.find(asked);
    auto whole = field(type, member);
    if (!whole) return whole.error();
    if (found == bits_.end()) return no_such(type, fmt::format("{}.{}", member, bits));
    const BitField answer{*whole, static_cast<unsigned>(found->second.first),
                          static_cast<unsigned>(found->second.second)};
    recent_bits_.remember(asked, found->first, answer);
    return answer;
  }

  Result<std::uint64_t> size_of(std::string_view type) override {
    const auto found = sizes_.find(type);
    if (found == sizes_.end())
      return Error{ErrorKind::absent_field, "this CPython has no such type", {}, std::string(type)};
    return found->second;
  }

  std::optional<std::int64_t> constant(std::string_view name) override {
    const Name asked{std::string_view(), name};
    if (const auto* known = recent_constants_.find(asked)) return *known;
    const auto found = constants_.find(name);
    if (found != constants_.end()) {
      recent_constants_.remember(asked, {std::string_view(), found->first}, found->second);
      return found->second;
    }
    // What other minors have and this one has not is asked for as often.
    if (const auto other = known_to_any_table(RowKind::constant, {}, name))
      recent_constants_.remember(asked, {std::string_view(), other->second}, std::nullopt);
    return std::nullopt;
  }

  std::vector<std::string> providers_used() const override {
    std::vector<std::string> names;
    if (used(facts::Source::debug_offsets)) names.emplace_back("debug_offsets");
    if (used(facts::Source::table)) names.emplace_back("table");
    if (used(facts::Source::dwarf)) names.emplace_back("dwarf");
    return names;
  }

 private:
  void load(const Row& row, const Numbers& numbers);
  std::optional<Field> absent_or_dwarf(std::string_view type, std::string_view member);
  void note(facts::Source source) { used_ |= 1u << static_cast<unsigned>(source); }
  [[nodiscard]] bool used(facts::Source source) const { return (used_ >> static_cast<unsigned>(source) & 1) != 0; }

  Target& target_;
  ByName<Field> fields_;
  ByName<Numbers> bits_;
  std::unordered_map<std::string_view, std::uint64_t> sizes_;
  std::unordered_map<std::string_view, std::int64_t> constants_;
  Recent<std::optional<Field>, 9> recent_fields_;
  Recent<BitField, 5> recent_bits_;
  Recent<std::optional<std::int64_t>, 7> recent_constants_;
  std::map<std::string, std::optional<Field>> dwarf_;  // answers remembered, "no such member" too
  unsigned used_ = 0;                                  // bit set of facts::Source
};

void ChosenLayout::load(const Row& row, const Numbers& numbers) {
  const auto first = static_cast<std::uint64_t>(numbers.first), second = static_cast<std::uint64_t>(numbers.second);
  switch (row.kind) {
    case RowKind::type:
    case RowKind::open_type: sizes_[row.type] = first; break;
    case RowKind::field: fields_[{row.type, row.member}] = {first, second, facts::Source::table}; break;
    case RowKind::bits: bits_[{row.type, row.member, row.bits}] = numbers; break;
    case RowKind::constant: constants_[row.member] = numbers.first; break;
    case RowKind::debug_offset: break;
  }
}

std::optional<Field> ChosenLayout::absent_or_dwarf(std::string_view type, std::string_view member) {
  if (const auto known = known_to_any_table(RowKind::field, type, member)) {
    recent_fields_.remember({type, member}, {known->first, known->second}, std::nullopt);
    return std::nullopt;
  }
  const std::string key = fmt::format("{}.{}", type, member);
  auto found = dwarf_.find(key);
  if (found == dwarf_.end()) {
    auto answer = target_.member(type, member);
    std::optional<Field> field;
    if (answer) field = Field{answer->offset, answer->size, facts::Source::dwarf};
    found = dwarf_.emplace(key, field).first;
  }
  if (found->second) note(facts::Source::dwarf);
  return found->second;
}

Result<void> ChosenLayout::adopt(const std::vector<DebugOffset>& offsets, const Runtime& runtime) {
  for (const DebugOffset& offset : offsets) {
    if (offset.member.empty()) {
      // A micro release may add a member at the end of a struct; what is before it is checked field by field, here and
      // by the invariants that Python::open tests. The target's own word on the size is the better one.
      sizes_[offset.type] = offset.value;
      continue;
    }
    const auto found = fields_.find({offset.type, offset.member});
    if (found == fields_.end()) continue;  // a number that no reader uses, of unknown width
    if (found->second.offset != offset.value)
      return Error{ErrorKind::inconsistent,
                   fmt::format("this CPython's _Py_DebugOffsets put it at {}, the shipped table of 3.{} at {}",
                               offset.value, runtime.minor(), found->second.offset),
                   runtime.address, fmt::format("{}.{}", offset.type, offset.member)};
    found->second.source = facts::Source::debug_offsets;
  }
  return {};
}

}  // namespace

Result<Field> Layout::field(std::string_view type, std::string_view member) {
  auto found = find(type, member);
  return found ? Result<Field>(*found) : Result<Field>(no_such(type, member));
}

Result<std::unique_ptr<Layout>> Layout::choose(Target& target, const Runtime& runtime) {
  const Table* table = table_of(runtime.minor());
  if (runtime.hexversion >> 24 != 3 || table == nullptr || !table->has(runtime.flavour))
    return Error{ErrorKind::unsupported_version,
                 fmt::format("CPython {} ({}) has no layout here; supported are 3.{} to 3.{}", runtime.version,
                             to_string(runtime.flavour), tables().front().minor, tables().back().minor)};
  auto layout = std::make_unique<ChosenLayout>(target, *table, runtime.flavour);
  auto offsets = read_debug_offsets(target, runtime);
  if (offsets) {
    if (auto fits = layout->adopt(*offsets, runtime); !fits) return fits.error();
  } else if (offsets.error().kind != ErrorKind::absent_field) {
    return offsets.error();
  }
  return std::unique_ptr<Layout>(std::move(layout));
}

}  // namespace hang::cpython::layout
