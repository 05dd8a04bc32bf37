#include "cpython/object.h"

#include <algorithm>
#include <set>

#include "cpython/reader.h"
#include "live_python.h"

namespace hang::cpython::test {
namespace {

class ObjectReader : public OnEveryPython {
 protected:
  void SetUp() override {
    live_.run_patient(GetParam(), "objects.py");
    if (!HasFatalFailure()) objects_.emplace(live_.python->objects());
  }
  RemoteAddr at(const std::string& name) const { return live_.at(name); }
  Objects& objects() { return *objects_; }

  std::string text(const std::string& name) {
    auto value = objects().str(at(name));
    return value ? *value : value.error().describe();
  }
  std::int64_t number(const Result<RemoteAddr>& object) {
    if (!object) {
      ADD_FAILURE() << object.error().describe();
      return -1;
    }
    auto value = objects().integer(*object);
    if (!value) ADD_FAILURE() << value.error().describe();
    return value.value_or(-1);
  }
  std::vector<std::int64_t> numbers(const std::string& name) {
    auto items = objects().items(at(name));
    if (!items) ADD_FAILURE() << name << ": " << items.error().describe();
    std::vector<std::int64_t> found;
    if (items)
      for (const RemoteAddr item : *items) found.push_back(number(item));
    return found;
  }
  std::int64_t attribute(const std::string& name, const std::string& attribute) {
    return number(objects().path(at(name), attribute));
  }
  ErrorKind missing(const std::string& name, const std::string& attribute) {
    auto value = objects().attribute(at(name), attribute);
    return value ? ErrorKind::io : value.error().kind;
  }

  LivePython live_;
  std::optional<Objects> objects_;
};
INSTANTIATE_ON_EVERY_PYTHON(ObjectReader);

using Numbers = std::vector<std::int64_t>;

TEST_P(ObjectReader, Strings) {
  EXPECT_EQ(text("ascii"), "plain");
  EXPECT_EQ(text("empty"), "");
  EXPECT_EQ(text("latin1"), "caf\u00e9");
  EXPECT_EQ(text("ucs2"), "\u4f60\u597d");
  EXPECT_EQ(text("ucs4"), "smile \U0001f600");
  EXPECT_EQ(text("surrogate"), "\ufffd");
  EXPECT_EQ(text("subclass"), "sub\u00e9");
  EXPECT_EQ(text("long_text"), std::string(kMaxString, 'x'));
  EXPECT_EQ(objects().str(at("small")).error().kind, ErrorKind::inconsistent);
  EXPECT_EQ(objects().str(RemoteAddr()).error().kind, ErrorKind::unreadable);
}

// Every name in sys.modules has its hash cached, and the one that was computed is the same.
TEST_P(ObjectReader, HashesOfNames) {
  live_.read();
  const RemoteAddr interpreter(live_.facts().interpreters.front().address);
  ASSERT_OK(objects().module(interpreter, "sys"));
  Reader& reader = live_.python->reader();
  const auto modules = objects().modules(interpreter);
  ASSERT_OK(modules);
  int compared = 0;
  auto done = objects().dict_each(*modules, [&](RemoteAddr key, RemoteAddr) {
    const auto name = objects().str(key);
    const auto cached = reader.number("PyASCIIObject", "hash", key);
    EXPECT_TRUE(name.ok() && cached.ok());
    if (name && cached && name->size() >= 3) {
      EXPECT_EQ(reader.string_hash->of(*name), *cached) << *name;
      ++compared;
    }
    return true;
  });
  EXPECT_OK(done);
  EXPECT_GT(compared, 10);
  EXPECT_EQ(objects().module(interpreter, "no.such.module").error().kind, ErrorKind::absent_field);
}

TEST_P(ObjectReader, StringsCompareWithoutConversion) {
  EXPECT_TRUE(*objects().equals(at("ascii"), "plain"));
  EXPECT_FALSE(*objects().equals(at("ascii"), "plain "));
  EXPECT_FALSE(*objects().equals(at("ascii"), "plaim"));
  EXPECT_TRUE(*objects().equals(at("latin1"), "caf\u00e9"));
  EXPECT_TRUE(*objects().equals(at("subclass"), "sub\u00e9"));
  EXPECT_FALSE(*objects().equals(at("small"), "7"));
}

TEST_P(ObjectReader, Integers) {
  EXPECT_EQ(number(at("zero")), 0);
  EXPECT_EQ(number(at("small")), 7);
  EXPECT_EQ(number(at("negative")), -12345);
  EXPECT_EQ(number(at("medium")), (std::int64_t{1} << 40) + 1);
  EXPECT_EQ(number(at("min63")), -(std::int64_t{1} << 62));
  EXPECT_EQ(number(at("true")), 1);
  EXPECT_EQ(number(at("false")), 0);
  EXPECT_EQ(objects().integer(at("too_big")).error().kind, ErrorKind::inconsistent);
  EXPECT_EQ(objects().integer(at("ascii")).error().kind, ErrorKind::inconsistent);
}

TEST_P(ObjectReader, FloatsAndNone) {
  EXPECT_EQ(*objects().floating(at("pi")), 3.25);
  EXPECT_EQ(objects().floating(at("small")).error().kind, ErrorKind::inconsistent);
  EXPECT_TRUE(objects().is_none(at("none")));
  EXPECT_FALSE(objects().is_none(at("zero")));
}

TEST_P(ObjectReader, TypeNames) {
  EXPECT_EQ(*objects().type_name(at("dict")), "dict");
  EXPECT_EQ(*objects().type_name(at("inline")), "Inline");
  EXPECT_EQ(*objects().qualified_type_name(at("inline")), "__main__.Inline");
  EXPECT_EQ(*objects().qualified_type_name(at("deque")), "collections.deque");
  EXPECT_EQ(*objects().qualified_type_name(at("list")), "list");
}

TEST_P(ObjectReader, Sequences) {
  EXPECT_EQ(numbers("list"), (Numbers{1, 2, 3}));
  EXPECT_EQ(numbers("tuple"), (Numbers{4, 5}));
  EXPECT_EQ(numbers("empty_tuple"), Numbers{});
  EXPECT_EQ(numbers("empty_deque"), Numbers{});
  Numbers deque{6, 5};
  for (std::int64_t i = 1070; i < 1200; ++i) deque.push_back(i);
  EXPECT_EQ(numbers("deque"), deque);
  EXPECT_EQ(*objects().length(at("deque")), 132);
  EXPECT_EQ(objects().items(at("small")).error().kind, ErrorKind::inconsistent);
}

TEST_P(ObjectReader, Sets) {
  const auto sorted = [&](const std::string& name) {
    auto found = numbers(name);
    std::sort(found.begin(), found.end());
    return found;
  };
  EXPECT_EQ(sorted("set"), (Numbers{11, 12, 13}));
  EXPECT_EQ(sorted("frozenset"), Numbers{21});
  EXPECT_EQ(sorted("set_with_holes"), (Numbers{90, 91, 92, 93, 94, 95, 96, 97, 98, 99}));
  EXPECT_EQ(*objects().length(at("set_with_holes")), 10);
}

TEST_P(ObjectReader, DictsWithHoles) {
  Numbers keys;
  auto done = objects().dict_each(at("dict"), [&](RemoteAddr key, RemoteAddr value) {
    keys.push_back(number(key));
    EXPECT_EQ(objects().str(value).value_or("?"), "v" + std::to_string(keys.back()));
    return true;
  });
  ASSERT_OK(done);
  Numbers odd;
  for (std::int64_t i = 1; i < 50; i += 2) odd.push_back(i);
  EXPECT_EQ(keys, odd);
  EXPECT_EQ(*objects().length(at("dict")), 25);

  // Once by search and once, the hash being known, by probing.
  for (int round = 0; round < 2; ++round) {
    for (int i = 1; i < 50; i += 2) EXPECT_EQ(number(objects().dict_get(at("str_dict"), "k" + std::to_string(i))), i);
    EXPECT_EQ(objects().dict_get(at("str_dict"), "k2").error().kind, ErrorKind::absent_field);
    for (const int i : {0, 77, 1234, 4999})
      EXPECT_EQ(number(objects().dict_get(at("big_dict"), "key " + std::to_string(i))), i);
  }
  EXPECT_EQ(objects().dict_get(at("empty_dict"), "k").error().kind, ErrorKind::absent_field);
  EXPECT_EQ(number(objects().dict_get(at("ordered"), "b")), 2);
  EXPECT_EQ(objects().dict_get(at("list"), "k").error().kind, ErrorKind::inconsistent);
}

TEST_P(ObjectReader, DictWalkEndsWhenAsked) {
  int seen = 0;
  ASSERT_OK(objects().dict_each(at("big_dict"), [&](RemoteAddr, RemoteAddr) { return ++seen < 3; }));
  EXPECT_EQ(seen, 3);
}

TEST_P(ObjectReader, AttributesInEveryStorageForm) {
  EXPECT_EQ(attribute("inline", "first"), 1);
  EXPECT_EQ(*objects().str(*objects().attribute(at("inline"), "second")), "two");
  EXPECT_EQ(missing("inline", "removed"), ErrorKind::absent_field);
  EXPECT_EQ(missing("inline", "never"), ErrorKind::absent_field);
  EXPECT_EQ(attribute("materialized", "first"), 1);
  EXPECT_EQ(attribute("materialized", "third"), 3);
  EXPECT_EQ(attribute("replaced", "only"), 9);
  EXPECT_EQ(missing("replaced", "first"), ErrorKind::absent_field);
  EXPECT_EQ(missing("partly_set", "first"), ErrorKind::absent_field);
  EXPECT_EQ(*objects().str(*objects().attribute(at("partly_set"), "second")), "two");
  EXPECT_EQ(attribute("slots", "x"), 77);
  EXPECT_EQ(missing("slots", "unset"), ErrorKind::absent_field);
  EXPECT_EQ(attribute("slots_and_dict", "x"), 77);
  EXPECT_EQ(attribute("slots_and_dict", "in_dict"), 78);
  EXPECT_EQ(*objects().str(*objects().attribute(at("integer"), "note")), "noted");
  EXPECT_EQ(attribute("few", "a9"), 9);
  EXPECT_EQ(attribute("many", "a0"), 0);
  EXPECT_EQ(attribute("many", "a59"), 59);
  EXPECT_EQ(missing("function", "x"), ErrorKind::absent_field);
}

TEST_P(ObjectReader, PathsAndModules) {
  EXPECT_TRUE(objects().is_none(*objects().path(at("chain"), "next_node.next_node.next_node")));
  EXPECT_EQ(*objects().str(*objects().attribute(at("module"), "__name__")), "time");
  live_.read();
  ASSERT_FALSE(HasFatalFailure());
  const RemoteAddr interpreter(live_.facts().interpreters.back().address);
  EXPECT_EQ(*objects().module(interpreter, "time"), at("module"));
  EXPECT_EQ(objects().module(interpreter, "no such module").error().kind, ErrorKind::absent_field);
}

TEST_P(ObjectReader, FileDescriptors) {
  EXPECT_EQ(*objects().file_descriptor(at("socket")), static_cast<int>(live_.said.at("socket_fd")));
  EXPECT_EQ(*objects().file_descriptor(at("epoll")), static_cast<int>(live_.said.at("epoll_fd")));
  EXPECT_EQ(*objects().file_descriptor(at("closed_socket")), -1);
  EXPECT_EQ(objects().file_descriptor(at("inline")).error().kind, ErrorKind::inconsistent);
}

TEST_P(ObjectReader, WildPointersAreErrorsAndNothingElse) {
  for (const std::uint64_t wild : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xdeadbeef}, UINT64_MAX,
                                   UINT64_MAX - 7, at("ascii").raw() + 1, at("dict").raw() + 8}) {
    const RemoteAddr object(wild);
    EXPECT_FALSE(objects().str(object).ok());
    EXPECT_FALSE(objects().integer(object).ok());
    EXPECT_FALSE(objects().items(object).ok());
    EXPECT_FALSE(objects().dict_get(object, "x").ok());
    EXPECT_FALSE(objects().attribute(object, "x").ok());
    EXPECT_FALSE(live_.python->describe_callable(object).ok());
  }
}

}  // namespace
}  // namespace hang::cpython::test
