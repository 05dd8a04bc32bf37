#include "live_python.h"

#include <cstdlib>
#include <sstream>

#include "hosts/native/native_target.h"

namespace hang::cpython::test {

void LivePython::run_patient(const CPython& cpython, const std::string& file) {
  auto started = PythonProcess::run_script(cpython, std::string(HANG_PATIENTS) + "/" + file);
  ASSERT_OK(started);
  process = std::move(*started);
  open();
}

void LivePython::run_code(const CPython& cpython, const std::string& code) {
  auto started = PythonProcess::run_code(cpython, code);
  ASSERT_OK(started);
  process = std::move(*started);
  open();
}

void LivePython::open() {
  std::istringstream words(process->ready());
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    if (equals != std::string::npos) said[word.substr(0, equals)] = std::strtoull(&word[equals + 1], nullptr, 10);
  }
  auto opened = native::open_process(process->pid());
  ASSERT_OK(opened);
  target = std::move(*opened);
  auto found = Python::open(*target);
  ASSERT_OK(found);
  python = std::move(*found);
}

void LivePython::read() {
  snapshot = {};
  auto done = python->read(snapshot);
  ASSERT_OK(done);
}

RemoteAddr LivePython::at(const std::string& name) const {
  const auto found = said.find(name);
  if (found == said.end()) ADD_FAILURE() << "the patient did not say " << name;
  return found == said.end() ? RemoteAddr() : RemoteAddr(found->second);
}

const facts::ThreadStateFacts* LivePython::state(std::uint64_t tid, std::int64_t id) const {
  for (const facts::ThreadStateFacts& state : facts().thread_states)
    if (state.tid == tid && state.interpreter == id) return &state;
  return nullptr;
}

}  // namespace hang::cpython::test
