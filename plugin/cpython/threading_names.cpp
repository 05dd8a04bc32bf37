// Names of threads as the threading module knows them: threading._active maps a thread's ident to its Thread object.
#include <fmt/format.h>
#include <unordered_map>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

struct Thread {
  std::string name;
  std::optional<bool> daemon;
};
using ThreadsByIdent = std::unordered_map<std::uint64_t, Thread>;

Thread read_thread(Objects& objects, RemoteAddr object) {
  Thread thread;
  if (auto name = objects.attribute(object, "_name"))
    if (auto text = objects.str(*name)) thread.name = *text;
  // Never-started or dummy threads may have None here.
  if (auto daemonic = objects.attribute(object, "_daemonic"))
    if (auto value = objects.integer(*daemonic)) thread.daemon = *value != 0;
  return thread;
}

Result<ThreadsByIdent> read_active(Reader& reader, RemoteAddr interpreter) {
  Objects objects(reader);
  ThreadsByIdent threads;
  auto module = objects.module(interpreter, "threading");
  if (!module) return module.error().kind == ErrorKind::absent_field ? Result<ThreadsByIdent>(threads) : module.error();
  auto active = objects.attribute(*module, "_active");
  if (!active) return active.error().kind == ErrorKind::absent_field ? Result<ThreadsByIdent>(threads) : active.error();
  std::vector<RemoteAddr> keys, values;
  auto done = objects.dict_each(*active, [&](RemoteAddr key, RemoteAddr value) {
    keys.push_back(key);
    values.push_back(value);
    return true;
  });
  if (!done) return done.error();
  reader.prefetch(keys);
  reader.prefetch(values);
  std::vector<RemoteAddr> names;
  for (const RemoteAddr object : values)
    if (auto name = objects.attribute(object, "_name")) names.push_back(*name);
  reader.prefetch(names);
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (auto ident = objects.integer(keys[i]))
      threads.emplace(static_cast<std::uint64_t>(*ident), read_thread(objects, values[i]));
  return threads;
}

}  // namespace

void read_thread_names(Reader& reader, facts::PythonFacts& python, Report& report) {
  for (const facts::InterpreterFacts& interpreter : python.interpreters) {
    auto threads = read_active(reader, RemoteAddr(interpreter.address));
    if (!threads) {
      report.gap(fmt::format("thread names of interpreter {}", interpreter.id), threads.error(), {});
      continue;
    }
    for (facts::ThreadStateFacts& state : python.thread_states) {
      if (state.interpreter != interpreter.id) continue;
      const auto found = threads->find(state.thread_id);
      if (found == threads->end()) continue;
      state.name = found->second.name;
      state.daemon = found->second.daemon;
    }
  }
}

}  // namespace hang::cpython
