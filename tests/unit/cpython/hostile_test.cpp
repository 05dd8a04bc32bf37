// Memory that lies: sizes that are too big, lists that go round, pointers into nothing. Every answer is an error that
// says what is wrong, and comes soon.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cpython/layout/tables.h"
#include "cpython/readers.h"
#include "support/fake_target.h"

namespace hang::cpython {
namespace {

using hang::test::FakeTarget;

class HostileMemory : public testing::Test {
 protected:
  void SetUp() override {
    runtime_.hexversion = 0x030c01f0;
    runtime_.version = "3.12.1";
    runtime_.address = target_.allocate(1 << 19);
    auto layout = layout::Layout::choose(target_, runtime_);
    ASSERT_TRUE(layout.ok()) << layout.error().describe();
    layout_ = std::move(*layout);
    reader_ = std::make_unique<Reader>(target_, *layout_);
  }

  template <typename T>
  void put(const char* type, const char* member, RemoteAddr object, T value) {
    auto field = layout_->field(type, member);
    ASSERT_TRUE(field.ok()) << type << "." << member;
    ASSERT_EQ(field->size, sizeof value) << type << "." << member;
    target_.put(object.field(field->offset), value);
  }

  // A type object with this name and subclass flag.
  RemoteAddr make_type(const std::string& name, const char* flag = nullptr) {
    const RemoteAddr type = target_.allocate(1024), text = target_.allocate(64);
    target_.put_string(text, name);
    put("PyTypeObject", "tp_name", type, text.raw());
    if (flag != nullptr) put("PyTypeObject", "tp_flags", type, static_cast<std::uint64_t>(*layout_->constant(flag)));
    return type;
  }
  RemoteAddr make(const std::string& type_name, const char* flag = nullptr) {
    const RemoteAddr object = target_.allocate(256);
    put("PyObject", "ob_type", object, make_type(type_name, flag).raw());
    return object;
  }
  RemoteAddr make_list(std::int64_t size, RemoteAddr items) {
    const RemoteAddr list = make("list", "Py_TPFLAGS_LIST_SUBCLASS");
    put("PyVarObject", "ob_size", list, size);
    put("PyListObject", "ob_item", list, items.raw());
    return list;
  }
  // A dict with str-only keys and a table of 2**log2.
  RemoteAddr make_dict(std::uint8_t log2, std::uint8_t log2_bytes, std::uint64_t entries) {
    const RemoteAddr dict = make("dict", "Py_TPFLAGS_DICT_SUBCLASS"), keys = target_.allocate(4096);
    put("PyDictObject", "ma_keys", dict, keys.raw());
    put("PyDictKeysObject", "dk_log2_size", keys, log2);
    put("PyDictKeysObject", "dk_log2_index_bytes", keys, log2_bytes);
    put("PyDictKeysObject", "dk_kind", keys, std::uint8_t{1});
    put("PyDictKeysObject", "dk_nentries", keys, entries);
    return dict;
  }
  // A str of kind 1, compact and ASCII unless told otherwise.
  RemoteAddr make_str(std::uint64_t length, std::uint32_t state) {
    const RemoteAddr object = make("str", "Py_TPFLAGS_UNICODE_SUBCLASS");
    put("PyASCIIObject", "length", object, length);
    put("PyASCIIObject", "state", object, state);
    return object;
  }
  static constexpr std::uint32_t kCompactAscii = 1U << 2 | 1U << 5 | 1U << 6;
  Objects objects() { return Objects(*reader_); }

  FakeTarget target_;
  Runtime runtime_;
  std::unique_ptr<layout::Layout> layout_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(HostileMemory, ListLongerThanMemory) {
  const auto kind = [&](std::int64_t size) {
    return objects().items(make_list(size, target_.allocate(64))).error().kind;
  };
  EXPECT_EQ(kind(1000), ErrorKind::unreadable);
  EXPECT_EQ(kind(INT64_MAX), ErrorKind::inconsistent);
  EXPECT_EQ(kind(-1), ErrorKind::inconsistent);
}

TEST_F(HostileMemory, StringLongerThanMemory) {
  EXPECT_EQ(objects().str(make_str(5000, kCompactAscii)).error().kind, ErrorKind::unreadable);
  EXPECT_EQ(objects().str(make_str(UINT64_MAX, kCompactAscii)).error().kind, ErrorKind::inconsistent);
  EXPECT_EQ(objects().str(make_str(1, 0)).error().kind, ErrorKind::inconsistent) << "kind 0";
  EXPECT_EQ(objects().str(make_str(1, 7U << 2)).error().kind, ErrorKind::inconsistent) << "kind 7";
  EXPECT_EQ(objects().str(make_str(1, 1U << 2)).error().kind, ErrorKind::unreadable) << "data at NULL";
}

TEST_F(HostileMemory, IntegerOfAMillionDigits) {
  const RemoteAddr object = make("int", "Py_TPFLAGS_LONG_SUBCLASS");
  put("PyLongObject", "long_value.lv_tag", object, std::uint64_t{1'000'000} << 3);
  EXPECT_EQ(objects().integer(object).error().kind, ErrorKind::inconsistent);
  put("PyLongObject", "long_value.lv_tag", object, UINT64_MAX);
  EXPECT_EQ(objects().integer(object).error().kind, ErrorKind::inconsistent);
}

TEST_F(HostileMemory, DictOfImpossibleShape) {
  const auto kind = [&](RemoteAddr dict) { return objects().dict_get(dict, "key").error().kind; };
  EXPECT_EQ(kind(make_dict(200, 203, 1)), ErrorKind::inconsistent) << "a table of 2**200";
  EXPECT_EQ(kind(make_dict(3, 3, 100)), ErrorKind::inconsistent) << "more entries than slots";
  EXPECT_EQ(kind(make_dict(6, 3, 1)), ErrorKind::inconsistent) << "less than a byte per index";
  EXPECT_EQ(kind(make_dict(40, 43, std::uint64_t{1} << 40)), ErrorKind::inconsistent);
  EXPECT_EQ(kind(make_dict(30, 32, 600'000'000)), ErrorKind::unreadable) << "entries beyond memory";
  EXPECT_EQ(kind(make_dict(3, 3, 0)), ErrorKind::absent_field) << "a sane one";
}

TEST_F(HostileMemory, ProbingGoesRoundOnlySoOften) {
  const RemoteAddr dict = make_dict(3, 3, 5);
  reader_->hashes["key"] = 1;
  // Every index says "deleted" (-2): there is no empty slot to stop at.
  auto keys = reader_->pointer("PyDictObject", "ma_keys", dict);
  target_.put(keys->field(*layout_->size_of("PyDictKeysObject")), std::uint64_t{0xfefefefefefefefe});
  EXPECT_EQ(objects().dict_get(dict, "key").error().kind, ErrorKind::absent_field);
}

TEST_F(HostileMemory, SetAndDequeOfImpossibleShape) {
  const RemoteAddr set = make("set");
  put("PySetObject", "mask", set, std::uint64_t{5});
  EXPECT_EQ(objects().items(set).error().kind, ErrorKind::inconsistent);
  put("PySetObject", "mask", set, UINT64_MAX);
  EXPECT_EQ(objects().items(set).error().kind, ErrorKind::unreadable);

  const RemoteAddr deque = make("collections.deque"), block = target_.allocate(528);
  put("PyVarObject", "ob_size", deque, std::int64_t{1000});
  put("dequeobject", "leftblock", deque, block.raw());
  put("block", "rightlink", block, block.raw());
  EXPECT_EQ(objects().items(deque).error().kind, ErrorKind::inconsistent) << "a block that is its own neighbour";
  put("dequeobject", "leftindex", deque, std::uint64_t{65});
  EXPECT_EQ(objects().items(deque).error().kind, ErrorKind::inconsistent) << "an index outside the block";
}

TEST_F(HostileMemory, TypeNameWithoutEnd) {
  const RemoteAddr object = make("x"), text = target_.allocate(8192);
  for (std::uint64_t i = 0; i < 8192; ++i) target_.put(text.field(i), 'x');
  put("PyTypeObject", "tp_name", *reader_->pointer("PyObject", "ob_type", object), text.raw());
  EXPECT_EQ(objects().type_name(object).error().kind, ErrorKind::inconsistent);
}

// --- lists ----------------------------------------------------------------------------------------------------------

class HostileLists : public HostileMemory {
 protected:
  void SetUp() override {
    HostileMemory::SetUp();
    if (HasFatalFailure()) return;
    main_ = make_interpreter(0);
    put("_PyRuntimeState", "interpreters.main", runtime_.address, main_.raw());
    put("_PyRuntimeState", "interpreters.head", runtime_.address, main_.raw());
  }
  RemoteAddr make_interpreter(std::int64_t id) {
    const RemoteAddr interpreter = target_.allocate(1 << 19);
    put("PyInterpreterState", "id", interpreter, id);
    put("PyInterpreterState", "runtime", interpreter, runtime_.address.raw());
    return interpreter;
  }
  RemoteAddr make_state(RemoteAddr interpreter) {
    const RemoteAddr state = target_.allocate(4096);
    put("PyThreadState", "interp", state, interpreter.raw());
    return state;
  }
  Result<std::vector<facts::ThreadStateFacts>> states() {
    auto interpreters = read_interpreters(*reader_, runtime_);
    if (!interpreters) return interpreters.error();
    return read_thread_states(*reader_, runtime_, *interpreters, kMaxThreadStates);
  }
  RemoteAddr main_;
};

TEST_F(HostileLists, OneInterpreterIsFine) {
  auto interpreters = read_interpreters(*reader_, runtime_);
  ASSERT_TRUE(interpreters.ok()) << interpreters.error().describe();
  EXPECT_EQ(interpreters->size(), 1U);
}

TEST_F(HostileLists, InterpretersGoRound) {
  const RemoteAddr second = make_interpreter(1);
  put("PyInterpreterState", "next", main_, second.raw());
  put("PyInterpreterState", "next", second, main_.raw());
  EXPECT_EQ(read_interpreters(*reader_, runtime_).error().kind, ErrorKind::inconsistent);
}

TEST_F(HostileLists, MainIsNotInTheList) {
  put("_PyRuntimeState", "interpreters.head", runtime_.address, make_interpreter(1).raw());
  auto interpreters = read_interpreters(*reader_, runtime_);
  ASSERT_FALSE(interpreters.ok());
  EXPECT_EQ(interpreters.error().field, "_PyRuntimeState.interpreters.head");
}

TEST_F(HostileLists, NotInitialized) {
  put("_PyRuntimeState", "interpreters.main", runtime_.address, std::uint64_t{0});
  EXPECT_EQ(read_interpreters(*reader_, runtime_).error().kind, ErrorKind::not_python);
}

TEST_F(HostileLists, InterpreterOfAnotherRuntime) {
  put("PyInterpreterState", "runtime", main_, std::uint64_t{0x1234});
  EXPECT_EQ(read_interpreters(*reader_, runtime_).error().field, "PyInterpreterState.runtime");
}

TEST_F(HostileLists, ThreadStatesGoRoundOrBelongElsewhere) {
  const RemoteAddr state = make_state(main_);
  put("PyInterpreterState", "threads.head", main_, state.raw());
  EXPECT_EQ(states()->size(), 1U);
  put("PyThreadState", "next", state, state.raw());
  reader_->flush();
  EXPECT_EQ(states().error().kind, ErrorKind::inconsistent);
  put("PyThreadState", "interp", state, std::uint64_t{0x1234});
  reader_->flush();
  EXPECT_EQ(states().error().field, "PyThreadState.interp");
}

TEST_F(HostileLists, UnreadableIsNotTheEndOfTheList) {
  const RemoteAddr state = make_state(main_);
  put("PyInterpreterState", "threads.head", main_, state.raw());
  const RemoteAddr next = state.field(layout_->field("PyThreadState", "next")->offset);
  target_.fail_at(next, 8);
  auto found = states();
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().kind, ErrorKind::unreadable);
  EXPECT_EQ(found.error().field, "PyThreadState.next");
  EXPECT_TRUE(target_.failures_not_visited().empty());
}

TEST_F(HostileLists, FramesGoRound) {
  target_.set_kind(TargetKind::core);
  const RemoteAddr state = make_state(main_), cframe = target_.allocate(64), frame = target_.allocate(256);
  put("PyThreadState", "cframe", state, cframe.raw());
  put("_PyCFrame", "current_frame", cframe, frame.raw());
  put("_PyInterpreterFrame", "previous", frame, frame.raw());
  put("_PyInterpreterFrame", "owner", frame, static_cast<char>(*layout_->constant("FRAME_OWNED_BY_CSTACK")));
  facts::ThreadStateFacts facts;
  facts.address = state.raw();
  auto done = read_frames(*reader_, facts);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::inconsistent);
  EXPECT_TRUE(facts.frames.empty());
  EXPECT_FALSE(facts.frames_complete);
}

TEST_F(HostileLists, GilOutOfRange) {
  const RemoteAddr gil = target_.allocate(256);
  EXPECT_TRUE(read_gil(*reader_, gil).ok());
  put("_gil_runtime_state", "locked", gil, std::int32_t{7});
  reader_->flush();
  auto facts = read_gil(*reader_, gil);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().field, "_gil_runtime_state.locked");
}

// --- layouts --------------------------------------------------------------------------------------------------------

TEST(ChosenLayout, UnknownMinorIsRefusedByName) {
  FakeTarget target;
  Runtime runtime;
  const int newer = layout::tables().back().minor + 1;
  runtime.version = fmt::format("3.{}.2", newer);
  runtime.hexversion = 0x030002f0 | static_cast<std::uint32_t>(newer) << 16;
  auto layout = layout::Layout::choose(target, runtime);
  ASSERT_FALSE(layout.ok());
  EXPECT_EQ(layout.error().kind, ErrorKind::unsupported_version);
  EXPECT_NE(layout.error().message.find(runtime.version), std::string::npos);
}

// The memory that a free-threaded CPython of this minor would begin with: its own offsets are those of the column.
void put_debug_offsets(FakeTarget& target, const layout::Table& table, RemoteAddr at, std::uint32_t hexversion) {
  constexpr std::string_view kCookie = "xdebugpy";
  const std::array<std::byte, 2048> blank{};
  target.put_bytes(at, blank);
  target.put_bytes(at, std::as_bytes(std::span(kCookie)));
  target.put(at.field(8), std::uint64_t{hexversion});
  target.put(at.field(16), std::uint64_t{1});
  for (const layout::Row& place : table.rows) {
    if (place.kind != layout::RowKind::debug_offset) continue;
    for (const layout::Row& row : table.rows) {
      const bool size = row.kind == layout::RowKind::type || row.kind == layout::RowKind::open_type;
      if (row.type != place.type || (place.member.empty() ? !size : row.member != place.member)) continue;
      if (!size && row.kind != layout::RowKind::field) continue;
      target.put(at.field(static_cast<std::uint64_t>(place.release.first)),
                 static_cast<std::uint64_t>(row.free_threaded.first));
    }
  }
}

TEST(ChosenLayout, FreeThreadedColumnOnASyntheticImage) {
  for (const layout::Table& table : layout::tables()) {
    FakeTarget target;
    Runtime runtime;
    runtime.address = RemoteAddr(0x100000);
    runtime.hexversion = 0x030002f0 | static_cast<std::uint32_t>(table.minor) << 16;
    runtime.version = fmt::format("3.{}.2", table.minor);
    runtime.flavour = Flavour::free_threaded;
    put_debug_offsets(target, table, runtime.address, runtime.hexversion);
    auto layout = layout::Layout::choose(target, runtime);
    if (table.minor < 13) {  // before PEP 703
      ASSERT_FALSE(layout.ok());
      EXPECT_EQ(layout.error().kind, ErrorKind::unsupported_version);
      continue;
    }
    ASSERT_TRUE(layout.ok()) << layout.error().describe();
    // ob_tid, flags, ob_mutex, ob_gc_bits, ob_ref_local and ob_ref_shared come first (Include/object.h).
    EXPECT_EQ((*layout)->field("PyObject", "ob_type")->offset, 24U);
    runtime.flavour = Flavour::release;
    auto mistaken = layout::Layout::choose(target, runtime);
    ASSERT_FALSE(mistaken.ok());
    EXPECT_EQ(mistaken.error().kind, ErrorKind::inconsistent);
  }
}

// Names are remembered by where their text lies: another text in the same place is another name.
TEST(ChosenLayout, NamesInOneBufferAreToldApart) {
  FakeTarget target;
  Runtime runtime;
  runtime.hexversion = 0x030c01f0;
  auto chosen = layout::Layout::choose(target, runtime);
  ASSERT_TRUE(chosen.ok());
  auto& layout = **chosen;
  std::string name = "next";
  const auto next = layout.find("PyThreadState", name), again = layout.find("PyThreadState", name);
  ASSERT_TRUE(next && again);
  EXPECT_EQ(again->offset, next->offset);
  name.assign("prev");
  const auto other = layout.find("PyThreadState", name);
  ASSERT_TRUE(other);
  EXPECT_NE(other->offset, next->offset);
  name.assign("nope");
  EXPECT_FALSE(layout.find("PyThreadState", name));
  name.assign("next");
  EXPECT_EQ(layout.find("PyThreadState", name)->offset, next->offset);

  std::string constant = "Py_TPFLAGS_LIST_SUBCLASS";
  const auto list = layout.constant(constant);
  constant.assign("Py_TPFLAGS_DICT_SUBCLASS");
  EXPECT_NE(layout.constant(constant), list);
  constant.assign("Py_TPFLAGS_NONE_SUBCLASS");
  EXPECT_EQ(layout.constant(constant), std::nullopt);
}

TEST(ChosenLayout, DwarfAnswersWhatNoTableHas) {
  FakeTarget target;
  target.add_member("PyThreadState", "a_new_member", {24, 8});
  target.add_member("PyThreadState", "state", {0, 4});
  Runtime runtime;
  runtime.hexversion = 0x030c01f0;
  auto chosen = layout::Layout::choose(target, runtime);
  ASSERT_TRUE(chosen.ok());
  auto& layout = **chosen;
  auto field = layout.field("PyThreadState", "a_new_member");
  ASSERT_TRUE(field.ok()) << field.error().describe();
  EXPECT_EQ(field->offset, 24U);
  EXPECT_EQ(field->source, facts::Source::dwarf);
  EXPECT_EQ(layout.field("PyThreadState", "interp")->source, facts::Source::table);
  // A member of 3.13 that the table of 3.12 lacks is known to be absent: nobody else is asked.
  EXPECT_EQ(layout.field("PyThreadState", "state").error().kind, ErrorKind::absent_field);
  EXPECT_EQ(layout.field("PyThreadState", "nonsense").error().kind, ErrorKind::absent_field);
  EXPECT_EQ(layout.providers_used(), (std::vector<std::string>{"table", "dwarf"}));
}

}  // namespace
}  // namespace hang::cpython
