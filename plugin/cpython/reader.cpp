#include "cpython/reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>

namespace hang::cpython {

namespace {

std::string name_of(std::string_view type, std::string_view member) {
  return fmt::format("{}.{}", type, member);
}

std::int64_t sign_extend(std::uint64_t value, std::uint64_t size) {
  const unsigned shift = static_cast<unsigned>(64 - size * 8);
  return static_cast<std::int64_t>(value << shift) >> shift;
}

}  // namespace

void Reader::flush() {
  memory_.renew();
  type_names.clear();
  qualified_names.clear();
  codes.clear();
  shared_keys.clear();
}

Result<std::uint64_t> Reader::word(RemoteAddr at, std::uint64_t size, std::string_view field) {
  // x86-64 is little-endian, as is every host this is built for: the low bytes come first.
  std::uint64_t value = 0;
  if (size != 1 && size != 2 && size != 4 && size != 8)
    return Error{ErrorKind::inconsistent, fmt::format("{} bytes are not a number", size), at, std::string(field)};
  auto done = memory_.read(at, std::as_writable_bytes(std::span(&value, 1)).first(size), field);
  if (!done) return done.error();
  return value;
}

Result<std::uint64_t> Reader::number(std::string_view type, std::string_view member, RemoteAddr object) {
  auto field = layout_->field(type, member);
  if (!field) return field.error();
  auto value = word(object.field(field->offset), field->size);
  if (value) return value;
  Error error = value.error();
  error.field = name_of(type, member);
  return error;
}

Result<std::int64_t> Reader::signed_number(std::string_view type, std::string_view member, RemoteAddr object) {
  auto field = layout_->field(type, member);
  if (!field) return field.error();
  auto value = number(type, member, object);
  if (!value) return value.error();
  return sign_extend(*value, field->size);
}

Result<RemoteAddr> Reader::pointer(std::string_view type, std::string_view member, RemoteAddr object) {
  auto value = number(type, member, object);
  if (!value) return value.error();
  return RemoteAddr(*value);
}

Result<std::uint64_t> Reader::bits(std::string_view type, std::string_view member, std::string_view bits,
                                   RemoteAddr object) {
  auto field = layout_->bit_field(type, member, bits);
  if (!field) return field.error();
  auto value = number(type, member, object);
  if (!value) return value.error();
  return *value >> field->first_bit & ((std::uint64_t{1} << field->width) - 1);
}

Result<RemoteAddr> Reader::address(std::string_view type, std::string_view member, RemoteAddr object) {
  auto field = layout_->field(type, member);
  if (!field) return field.error();
  return object.field(field->offset);
}

Result<RemoteAddr> Reader::pointer_at(RemoteAddr at, std::string_view field) {
  auto value = word(at, 8, field);
  if (!value) return value.error();
  return RemoteAddr(*value);
}

RemoteAddr Reader::untagged(std::uint64_t stackref) const {
  if (!layout_->constant("Py_TAG_BITS")) return RemoteAddr(stackref);
  // 0 and Py_TAG_REFCNT mark objects; Py_INT_TAG and 3.15's Py_TAG_INVALID do not.
  constexpr std::uint64_t kAllTags = 3, kRefcount = 1;
  if ((stackref & kAllTags) > kRefcount) return {};
  return RemoteAddr(stackref & ~kAllTags);
}

Result<std::string> Reader::c_string(RemoteAddr at, std::size_t limit, std::string_view field) {
  std::string text;
  std::array<char, 64> chunk;
  while (text.size() < limit) {
    // Up to the next 64-byte boundary, so that a string at the end of a mapping is not read past it.
    const RemoteAddr from = at.field(text.size());
    std::size_t size = chunk.size() - from.raw() % chunk.size();
    auto done = memory_.read(from, std::as_writable_bytes(std::span(chunk)).first(size), field);
    if (!done) {
      size = 1;  // the string may end before the memory does
      done = memory_.read(from, std::as_writable_bytes(std::span(chunk)).first(size), field);
    }
    if (!done) return done.error();
    const std::size_t length = strnlen(chunk.data(), size);
    text.append(chunk.data(), length);
    if (length < size) return text;
  }
  return Error{ErrorKind::inconsistent, fmt::format("no end within {} bytes", limit), at, std::string(field)};
}

// 3.13 renamed f_code to f_executable, which need not be a code object, and prev_instr to instr_ptr, which points to
// the current instruction and not before the next.
Result<const FramePlaces*> Reader::frame_places() {
  if (frame_places_) return &*frame_places_;
  constexpr const char* kFrame = "_PyInterpreterFrame";
  FramePlaces places;
  const auto find = [&](const char* member, std::uint64_t& offset) -> Result<std::uint64_t> {
    auto field = layout_->field(kFrame, member);
    if (!field) return field.error();
    offset = field->offset;
    places.size = std::max(places.size, field->offset + field->size);
    return field->size;
  };
  auto code = find(has(kFrame, "f_executable") ? "f_executable" : "f_code", places.code);
  auto previous = find("previous", places.previous);
  auto instruction = find(has(kFrame, "instr_ptr") ? "instr_ptr" : "prev_instr", places.instruction);
  auto owner = find("owner", places.owner);
  for (const auto* found : {&code, &previous, &instruction, &owner})
    if (!*found) return found->error();
  if (has(kFrame, "is_entry"))
    if (std::uint64_t offset = 0; find("is_entry", offset)) places.is_entry = offset;
  frame_places_ = places;
  return &*frame_places_;
}

}  // namespace hang::cpython
