#include "lab.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/resource.h>

#include "proc.h"
#include "target/elf_file.h"

namespace hang::test {
namespace {

using nlohmann::json;

constexpr milliseconds kDeadline{60'000};

template <typename T>
std::vector<T> one_or_more(const json& value) {
  std::vector<T> values;
  for (const json& element : value.is_array() ? value : json::array({value}))
    values.push_back(element.is_null() ? T{} : element.get<T>());
  return values;
}

// `over` replaces single fields of `base`.
Expectation read_expectation(const json& base, const json& over) {
  json merged = base;
  merged.update(over);
  Expectation expect;
  expect.ids = one_or_more<std::string>(merged.at("id"));
  expect.ctrl_c = one_or_more<std::string>(merged.at("ctrl_c"));
  if (merged.contains("seed_class")) expect.seed_class = merged["seed_class"].get<int>();
  if (merged.contains("step")) expect.step = merged["step"].get<int>();
  expect.blame = merged.value("blame", "");
  expect.frame = merged.value("frame", "");
  return expect;
}

Lab read_lab(const json& row) {
  Lab lab;
  lab.name = row.at("name");
  lab.file = row.value("file", "");
  lab.program = row.value("program", "");
  if (row.contains("python")) lab.first_minor = row["python"][0], lab.last_minor = row["python"][1];
  lab.settle = row.at("settle").get<std::map<std::string, std::string>>();
  lab.settle_after = row.value("settle_after", std::map<std::string, std::string>{});
  lab.signals = row.value("signals", 0);
  lab.expect = read_expectation(row.at("expect"), json::object());
  const json in_lldb = row.value("lldb", json::object());
  lab.lldb = !in_lldb.is_boolean();
  lab.expect_in_lldb = read_expectation(row["expect"], lab.lldb ? in_lldb : json::object());
  lab.expect_in_core = read_expectation(row["expect"], row.value("core", json::object()));
  // With several answers allowed, the step is that of the live one.
  if (lab.expect_in_core.ids.size() > 1) lab.expect_in_core.step.reset();
  if (row.contains("one_sample_stripped"))
    lab.one_sample_stripped = read_expectation(row["expect"], row["one_sample_stripped"]);
  for (const std::string& how : row.value("gdb", std::vector<std::string>{}))
    (how == "core" ? lab.gdb_core : lab.gdb) = true;
  lab.core = row.contains("core");
  lab.sigints = one_or_more<int>(row.at("sigints"));
  lab.needs = row.value("needs", "");
  return lab;
}

std::map<std::string, int> numbers_of(const std::string& ready) {
  std::map<std::string, int> numbers;
  std::istringstream words(ready);
  for (std::string word; words >> word;)
    if (const auto equals = word.find('='); equals != std::string::npos)
      numbers[word.substr(0, equals)] = std::atoi(word.c_str() + equals + 1);
  return numbers;
}

}  // namespace

const std::vector<Lab>& labs() {
  static const std::vector<Lab> rows = [] {
    std::ifstream file(std::string(HANG_LABS) + "/labs.json");
    const json table = json::parse(file);
    std::vector<Lab> read;
    for (const json& row : table.at("rows")) read.push_back(read_lab(row));
    return read;
  }();
  return rows;
}

// Debian's packages of a root file system. Older versions of anyio behave differently.
static bool has_anyio_4(const std::string& root) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root + "/usr/lib/python3/dist-packages", error))
    if (entry.path().filename().string().starts_with("anyio-4")) return true;
  return false;
}

// Debian builds it for its own CPython only.
static bool has_uvloop(const CPython& python) {
  return python.root.empty() && python.path() == "/usr/bin/python3.11" &&
         std::filesystem::exists("/usr/lib/python3/dist-packages/uvloop");
}

bool Lab::runs_on(const CPython& python) const {
  if (needs == "uvloop" && !has_uvloop(python)) return false;
  if (needs == "anyio" && !has_anyio_4(python.root)) return false;
  return python.minor >= first_minor && python.minor <= last_minor && std::filesystem::exists(executable(python));
}

std::string Lab::executable(const CPython& python) const {
  return program.empty() ? python.path() : HANG_NATIVE_LABS + python.path() + "/" + program;
}

bool Lab::opcodes_unnamed(const CPython& python) const {
  if (!one_sample_stripped) return false;
  constexpr std::uint64_t kWholeLoop = 0x4000;
  auto executable = ElfFile::open(python.path());
  if (!executable) return false;
  const auto loop = (*executable)->exported("_PyEval_EvalFrameDefault");
  return loop && loop->size < kWholeLoop && (*executable)->definitions("_PyEval_EvalFrameDefault").empty();
}

std::string blamed_line(const std::string& frame) {
  const auto colon = frame.find(':');
  const std::string name = frame.substr(0, colon);
  const std::string after = colon == std::string::npos ? "" : "def " + frame.substr(colon + 1) + "(";
  std::ifstream file(std::string(HANG_LABS) + "/" + name);
  bool inside = after.empty();
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    inside = inside || line.rfind(after, 0) == 0 || line.rfind("async " + after, 0) == 0;
    if (inside && line.find("# BLAME") != std::string::npos) return name + ":" + std::to_string(number);
  }
  return name + " has no BLAME mark for " + frame;
}

// What computes without end leaves the machine to those that look at it and to the tests beside it.
static void give_way(const Lab& lab, pid_t pid) {
  constexpr int kNice = 5;
  const auto computes = [](const auto& settled) { return settled.second == "cpu"; };
  if (!lab.settle.empty() && std::none_of(lab.settle.begin(), lab.settle.end(), computes)) return;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", error))
    setpriority(PRIO_PROCESS, static_cast<id_t>(std::atoi(task.path().filename().c_str())), kNice);
}

Result<std::unique_ptr<RunningLab>> RunningLab::start(const Lab& lab, const CPython& python) {
  PythonOptions options;
  options.deadline = kDeadline;
  options.root = python.root;
  auto process = lab.program.empty()
                     ? PythonProcess::run_script(python, std::string(HANG_LABS) + "/" + lab.file, options)
                     : PythonProcess::run_program({lab.executable(python)}, options);
  if (!process) return process.error();
  auto running = std::make_unique<RunningLab>();
  const auto numbers = numbers_of((*process)->ready());
  const auto number = [&](const char* name, int otherwise) {
    const auto found = numbers.find(name);
    return found == numbers.end() ? otherwise : found->second;
  };
  running->pid_ = number("pid", static_cast<int>((*process)->pid()));
  running->blamed_tid_ = number("blame", running->pid_);
  running->other_tid_ = number("other", running->pid_);
  if (const int fd = number("fd", -1); fd >= 0) running->fd_ = fd;
  running->process_ = std::move(*process);
  if (auto settled = running->settle(lab.settle); !settled) return settled.error();
  for (int sent = 0; sent < std::abs(lab.signals); ++sent)
    if (auto taken = running->interrupt(lab.signals > 0); !taken) return taken.error();
  if (auto settled = running->settle(lab.settle_after); !settled) return settled.error();
  give_way(lab, running->pid_);
  return running;
}

Result<void> RunningLab::settle(const std::map<std::string, std::string>& wanted) {
  for (const auto& [who, state] : wanted) {
    Settling thread(pid_, who == "main" ? pid_ : who == "other" ? other_tid_ : blamed_tid_, state);
    if (!await([&] { return thread.settled(); }, kDeadline))
      return Error{ErrorKind::io, "thread \"" + who + "\" of the lab never came to rest in " + state};
  }
  return {};
}

bool RunningLab::ended() const {
  return has_ended(pid_);
}

Result<void> RunningLab::interrupt(bool must_be_taken) {
  if (::kill(pid_, SIGINT) != 0) return Error{ErrorKind::io, "the lab has ended"};
  // Standard signals do not queue: the next one counts only after this one was taken.
  if (must_be_taken && !await([&] { return has_ended(pid_) || sigint_taken(pid_); }, kDeadline))
    return Error{ErrorKind::io, "SIGINT stays pending"};
  return {};
}

}  // namespace hang::test
