#include "cpython/object.h"

#include <array>
#include <cstring>
#include <fmt/format.h>

#include "cpython/python.h"
#include "cpython/reader.h"

namespace hang::cpython {

namespace {

constexpr std::size_t kMaxTypeName = 512;
constexpr std::uint64_t kMaxLength = std::uint64_t{1} << 40;  // of a container or str, in items; more is corruption

Error wrong_type(RemoteAddr object, std::string_view what) {
  return Error{ErrorKind::inconsistent, fmt::format("not {}", what), object};
}

void append_utf8(std::string& out, std::uint32_t point) {
  if (point >= 0xd800 && point < 0xe000) point = 0xfffd;  // a lone surrogate has no UTF-8
  if (point > 0x10ffff) point = 0xfffd;
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6);
    put(0x80 | (point & 63));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 63));
    put(0x80 | (point & 63));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 63));
    put(0x80 | (point >> 6 & 63));
    put(0x80 | (point & 63));
  }
}

// Where the characters of a str are and how wide they are.
struct Characters {
  RemoteAddr data;
  std::uint64_t length = 0, width = 1;
  bool ascii = false;
};

Result<Characters> characters(Reader& reader, RemoteAddr object) {
  constexpr const char* kStr = "PyASCIIObject";
  auto length = reader.number(kStr, "length", object);
  if (!length) return length.error();
  auto kind = reader.bits(kStr, "state", "kind", object);
  auto compact = reader.bits(kStr, "state", "compact", object);
  auto ascii = reader.bits(kStr, "state", "ascii", object);
  if (!kind) return kind.error();
  if (!compact) return compact.error();
  if (!ascii) return ascii.error();
  // Kind 0 is 3.11's legacy string whose characters were never made canonical.
  if (*length > kMaxLength || (*kind != 1 && *kind != 2 && *kind != 4)) return wrong_type(object, "a sane str");

  Characters found{{}, *length, *kind, *ascii != 0};
  if (*compact == 0) {  // a subclass of str keeps its characters elsewhere
    auto data = reader.pointer("PyUnicodeObject", "data", object);
    if (!data) return data.error();
    found.data = *data;
    return found;
  }
  auto header = reader.layout().size_of(*ascii != 0 ? kStr : "PyCompactUnicodeObject");
  if (!header) return header.error();
  found.data = object.field(*header);
  return found;
}

// Digits of an int, least significant first, and its sign.
struct Digits {
  RemoteAddr data;
  std::uint64_t count = 0;
  bool negative = false;
};

Result<Digits> digits(Reader& reader, RemoteAddr object) {
  constexpr const char* kInt = "PyLongObject";
  if (reader.has(kInt, "long_value.lv_tag")) {
    // 3.12+ (gh-101291): the low bits say 0 positive, 1 zero, 2 negative; the rest is the number of digits.
    auto tag = reader.number(kInt, "long_value.lv_tag", object);
    auto data = reader.address(kInt, "long_value.ob_digit", object);
    if (!tag) return tag.error();
    if (!data) return data.error();
    const auto shift = static_cast<unsigned>(reader.constant("_PyLong_NON_SIZE_BITS", 3));
    return Digits{*data, *tag >> shift, (*tag & 3) == 2};
  }
  auto size = reader.signed_number("PyVarObject", "ob_size", object);
  auto data = reader.address(kInt, "ob_digit", object);
  if (!size) return size.error();
  if (!data) return data.error();
  return Digits{*data, static_cast<std::uint64_t>(*size < 0 ? -*size : *size), *size < 0};
}

}  // namespace

Objects::Objects(Python& python) : reader_(&python.reader()) {}

Result<RemoteAddr> Objects::type_of(RemoteAddr object) {
  if (!object) return Error{ErrorKind::unreadable, "NULL is no object", object, "PyObject.ob_type"};
  return reader_->pointer("PyObject", "ob_type", object);
}

Result<std::string> Objects::type_name(RemoteAddr object) {
  auto type = type_of(object);
  if (!type) return type.error();
  const auto known = reader_->type_names.find(type->raw());
  if (known != reader_->type_names.end()) return known->second;
  auto name = reader_->pointer("PyTypeObject", "tp_name", *type);
  if (!name) return name.error();
  auto text = reader_->c_string(*name, kMaxTypeName, "PyTypeObject.tp_name");
  if (text) reader_->type_names.emplace(type->raw(), *text);
  return text;
}

Result<std::uint64_t> Objects::flags_of_type(RemoteAddr type) {
  return reader_->number("PyTypeObject", "tp_flags", type);
}

Result<std::string> Objects::qualified_type_name(RemoteAddr object) {
  auto type = type_of(object);
  if (!type) return type.error();
  if (const auto known = reader_->qualified_names.find(type->raw()); known != reader_->qualified_names.end())
    return known->second;
  auto flags = flags_of_type(*type);
  if (!flags) return flags.error();
  if ((*flags & static_cast<std::uint64_t>(reader_->constant("Py_TPFLAGS_HEAPTYPE"))) == 0) return type_name(object);
  auto name = reader_->pointer("PyHeapTypeObject", "ht_qualname", *type);
  if (!name) return name.error();
  auto text = str(*name);
  auto dict = reader_->pointer("PyTypeObject", "tp_dict", *type);
  if (!text || !dict || !*dict) return text;
  auto module = dict_get(*dict, "__module__");
  if (!module) return text;
  auto module_name = str(*module);
  if (!module_name) return text;
  return reader_->qualified_names.emplace(type->raw(), *module_name + "." + *text).first->second;
}

Result<void> Objects::require(RemoteAddr object, const char* subclass_flag, const char* what) {
  auto type = type_of(object);
  if (!type) return type.error();
  auto flags = flags_of_type(*type);
  if (!flags) return flags.error();
  if ((*flags & static_cast<std::uint64_t>(reader_->constant(subclass_flag, 0))) == 0) return wrong_type(object, what);
  return {};
}

Result<std::string> Objects::str(RemoteAddr object) {
  if (auto good = require(object, "Py_TPFLAGS_UNICODE_SUBCLASS", "a str"); !good) return good.error();
  auto found = characters(*reader_, object);
  if (!found) return found.error();
  const std::uint64_t length = std::min<std::uint64_t>(found->length, kMaxString);
  std::vector<std::byte> raw(length * found->width);
  if (auto done = reader_->bytes(found->data, raw, "str characters"); !done) return done.error();
  std::string text;
  text.reserve(length);
  for (std::uint64_t i = 0; i < length; ++i) {
    std::uint32_t point = 0;
    std::memcpy(&point, raw.data() + i * found->width, found->width);
    append_utf8(text, point);
  }
  return text;
}

Result<bool> Objects::equals(RemoteAddr object, const std::string& text) {
  if (auto good = require(object, "Py_TPFLAGS_UNICODE_SUBCLASS", "a str"); !good)
    return good.error().kind == ErrorKind::inconsistent ? Result<bool>(false) : Result<bool>(good.error());
  // A str of another length is another one: said before all else, for the search of a dict compares with each key.
  // Characters are counted, and UTF-8 has at least as many bytes.
  auto length = reader_->number("PyASCIIObject", "length", object);
  if (!length) return length.error();
  if (*length > text.size()) return false;
  auto found = characters(*reader_, object);
  if (!found) return found.error();
  if (!found->ascii || found->width != 1) {
    auto mine = str(object);
    return mine ? Result<bool>(*mine == text) : Result<bool>(mine.error());
  }
  if (found->length != text.size() || text.size() > kMaxString) return false;
  std::string mine(text.size(), '\0');
  if (auto done = reader_->bytes(found->data, std::as_writable_bytes(std::span(mine)), "str characters"); !done)
    return done.error();
  return mine == text;
}

Result<std::int64_t> Objects::integer(RemoteAddr object) {
  if (auto good = require(object, "Py_TPFLAGS_LONG_SUBCLASS", "an int"); !good) return good.error();
  auto found = digits(*reader_, object);
  if (!found) return found.error();
  const auto shift = static_cast<unsigned>(reader_->constant("PyLong_SHIFT", 30));
  const std::uint64_t size = reader_->layout().size_of("digit").value_or(4);
  if (found->count * shift > 63 + shift) return wrong_type(object, "an int of less than 64 bits");
  std::uint64_t value = 0;
  for (std::uint64_t i = found->count; i-- > 0;) {
    auto digit = reader_->word(found->data.field(i * size), size, "PyLongObject.ob_digit");
    if (!digit) return digit.error();
    if (value >> (63 - shift) != 0) return wrong_type(object, "an int of less than 64 bits");
    value = value << shift | *digit;
  }
  return found->negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

Result<double> Objects::floating(RemoteAddr object) {
  auto type = type_name(object);
  if (!type) return type.error();
  if (*type != "float") return wrong_type(object, "a float");
  auto bits = reader_->number("PyFloatObject", "ob_fval", object);
  if (!bits) return bits.error();
  double value = 0;
  std::memcpy(&value, &*bits, sizeof value);
  return value;
}

bool Objects::is_none(RemoteAddr object) {
  auto type = type_name(object);
  return type && *type == "NoneType";
}

bool Objects::is_type(RemoteAddr object) {
  return require(object, "Py_TPFLAGS_TYPE_SUBCLASS", "a type").ok();
}

namespace {

// tp_name, and where its struct has the descriptor.
struct WithDescriptor {
  std::string_view name;
  const char *type, *member;
};
constexpr std::array<WithDescriptor, 3> kWithDescriptor{{{"_socket.socket", "PySocketSockObject", "sock_fd"},
                                                         {"select.epoll", "pyEpoll_Object", "epfd"},
                                                         {"_io.FileIO", "fileio", "fd"}}};

}  // namespace

Result<int> Objects::file_descriptor(RemoteAddr object) {
  // A subclass (socket.socket, ssl.SSLSocket) has another name; the base that owns the C struct is on its MRO.
  auto type = type_of(object);
  for (int depth = 0; type && *type && depth < 16; ++depth) {
    auto name = reader_->pointer("PyTypeObject", "tp_name", *type);
    if (!name) return name.error();
    auto text = reader_->c_string(*name, kMaxTypeName, "PyTypeObject.tp_name");
    if (!text) return text.error();
    for (const auto& [type_name, type_of_c, member] : kWithDescriptor) {
      if (*text != type_name) continue;
      auto fd = reader_->signed_number(type_of_c, member, object);
      if (!fd) return fd.error();
      return static_cast<int>(*fd);
    }
    type = reader_->pointer("PyTypeObject", "tp_base", *type);
  }
  if (!type) return type.error();
  return wrong_type(object, "a socket, file or epoll object");
}

Result<RemoteAddr> Objects::path(RemoteAddr object, const std::string& dotted) {
  Result<RemoteAddr> at = object;
  for (std::size_t begin = 0; begin <= dotted.size();) {
    const std::size_t end = std::min(dotted.find('.', begin), dotted.size());
    at = attribute(*at, dotted.substr(begin, end - begin));
    if (!at) return at;
    begin = end + 1;
  }
  return at;
}

}  // namespace hang::cpython
