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

// The items of threading._active: idents and Thread objects.
struct Active {
  std::vector<RemoteAddr> idents, threads;
};

// Reads ahead what list_active() will look at. What one interpreter needs lies in its own pages, so that each level
// costs one call for all of them.
void prefetch_active(Reader& reader, const std::vector<facts::InterpreterFacts>& interpreters) {
  Objects objects(reader);
  std::vector<RemoteAddr> all, modules, parts;
  for (const auto& interpreter : interpreters)
    if (auto dict = objects.modules(RemoteAddr(interpreter.address))) all.push_back(*dict);
  objects.prefetch_dicts(all);
  for (const auto& interpreter : interpreters)
    if (auto module = objects.module(RemoteAddr(interpreter.address), "threading")) modules.push_back(*module);
  for (const RemoteAddr module : modules)
    if (auto dict = reader.pointer("PyModuleObject", "md_dict", module)) parts.push_back(*dict);
  objects.prefetch_dicts(parts);
  parts.clear();
  for (const RemoteAddr module : modules)
    if (auto active = objects.attribute(module, "_active")) parts.push_back(*active);
  objects.prefetch_dicts(parts);
}

Result<Active> list_active(Reader& reader, RemoteAddr interpreter) {
  Objects objects(reader);
  Active list;
  auto module = objects.module(interpreter, "threading");
  if (!module) return module.error().kind == ErrorKind::absent_field ? Result<Active>(list) : module.error();
  auto active = objects.attribute(*module, "_active");
  if (!active) return active.error().kind == ErrorKind::absent_field ? Result<Active>(list) : active.error();
  auto done = objects.dict_each(*active, [&](RemoteAddr key, RemoteAddr value) {
    list.idents.push_back(key);
    list.threads.push_back(value);
    return true;
  });
  if (!done) return done.error();
  return list;
}

// What read_threads() will look at, of all interpreters together: three calls, not three for each interpreter.
void prefetch_threads(Reader& reader, const std::vector<Result<Active>>& lists) {
  Objects objects(reader);
  std::vector<RemoteAddr> idents, threads, names;
  for (const auto& list : lists) {
    if (!list) continue;
    idents.insert(idents.end(), list->idents.begin(), list->idents.end());
    threads.insert(threads.end(), list->threads.begin(), list->threads.end());
  }
  reader.prefetch(idents);
  reader.prefetch(threads);
  for (const RemoteAddr object : threads)
    if (auto name = objects.attribute(object, "_name")) names.push_back(*name);
  reader.prefetch(names);
}

ThreadsByIdent read_threads(Reader& reader, const Active& list) {
  Objects objects(reader);
  ThreadsByIdent threads;
  for (std::size_t i = 0; i < list.idents.size(); ++i)
    if (auto ident = objects.integer(list.idents[i]))
      threads.emplace(static_cast<std::uint64_t>(*ident), read_thread(objects, list.threads[i]));
  return threads;
}

}  // namespace

void read_thread_names(Reader& reader, facts::PythonFacts& python, Report& report) {
  std::vector<Result<Active>> lists;
  prefetch_active(reader, python.interpreters);
  for (const facts::InterpreterFacts& interpreter : python.interpreters)
    lists.push_back(list_active(reader, RemoteAddr(interpreter.address)));
  prefetch_threads(reader, lists);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const facts::InterpreterFacts& interpreter = python.interpreters[i];
    if (!lists[i]) {
      report.gap(fmt::format("thread names of interpreter {}", interpreter.id), lists[i].error(), {});
      continue;
    }
    const ThreadsByIdent threads = read_threads(reader, *lists[i]);
    for (facts::ThreadStateFacts& state : python.thread_states) {
      if (state.interpreter != interpreter.id) continue;
      const auto found = threads.find(state.thread_id);
      if (found == threads.end()) continue;
      state.name = found->second.name;
      state.daemon = found->second.daemon;
    }
  }
}

}  // namespace hang::cpython
