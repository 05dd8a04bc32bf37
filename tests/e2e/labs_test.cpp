// Every lab on every CPython, through every host: the same words, and Ctrl-C does what was said.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expectation.h"
#include "hosts.h"
#include "lab.h"
#include "proc.h"

namespace hang::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;

struct Patient {
  Lab lab;
  CPython python;
};

void PrintTo(const Patient& patient, std::ostream* out) {
  *out << patient.lab.name << " on " << patient.python.path();
}

// One CPython of each minor: what depends on the minor only need not run on each of its builds.
std::vector<CPython> one_of_each_minor() {
  std::vector<CPython> chosen;
  for (const CPython& python : supported_pythons())
    if (chosen.empty() || chosen.back().minor != python.minor) chosen.push_back(python);
  return chosen;
}

// The newest alone: what a lab shows there it shows elsewhere, and cores take time.
std::vector<CPython> newest() {
  const auto minors = one_of_each_minor();
  return minors.empty() ? minors : std::vector<CPython>{minors.back()};
}

// All builds where everything is asked for (HANG_TEST_EVERYTHING), else `fewer`.
std::vector<CPython> all_or(std::vector<CPython> fewer) {
  return std::getenv("HANG_TEST_EVERYTHING") != nullptr ? supported_pythons() : std::move(fewer);
}

std::vector<Patient> patients(const std::vector<CPython>& pythons, bool (*wanted)(const Lab&)) {
  std::vector<Patient> all;
  for (const Lab& lab : labs())
    for (const CPython& python : pythons)
      if (wanted(lab) && lab.runs_on(python)) all.push_back({lab, python});
  return all;
}

bool every(const Lab& /*lab*/) {
  return true;
}
bool in_lldb(const Lab& lab) {
  return lab.lldb;
}

std::string patient_name(const testing::TestParamInfo<Patient>& info) {
  return info.param.lab.name + "_" + info.param.python.name;
}

class LabTest : public testing::TestWithParam<Patient> {
 protected:
  void SetUp() override {
    auto started = RunningLab::start(GetParam().lab, GetParam().python);
    ASSERT_TRUE(started.ok()) << started.error().message;
    patient_ = std::move(*started);
    before_ = state_letter(pid(), pid());
  }

  // Whatever looked at it, it is as it was: not stopped, not traced, alive.
  void TearDown() override {
    if (!patient_ || HasFatalFailure() || may_have_ended_) return;
    EXPECT_EQ(status_field(pid(), pid(), "TracerPid"), "0");
    const bool stopped_itself = before_ == 'T';
    const char after = state_letter(pid(), pid());
    EXPECT_EQ(after == 'T' || after == 't', stopped_itself) << "left in state " << after;
    EXPECT_FALSE(patient_->ended());
  }

  [[nodiscard]] const Lab& lab() const { return GetParam().lab; }
  [[nodiscard]] pid_t pid() const { return patient_->pid(); }
  [[nodiscard]] std::string pid_text() const { return std::to_string(pid()); }

  std::unique_ptr<RunningLab> patient_;
  char before_ = '\0';
  bool may_have_ended_ = false;
};

// --- the command line --------------------------------------------------------------------------------------------

class Cli : public LabTest {
 protected:
  // The verdict of the running process, checked; null if there is none.
  nlohmann::json classified() {
    const Report report = classify_in_cli({"-p", pid_text()});
    if (!report.json) {
      ADD_FAILURE() << report.command.out << report.command.err;
      return nullptr;
    }
    expect_verdict(*report.json, lab().expect, *patient_);
    EXPECT_EQ(report.command.exit_code, exit_code_of(*report.json)) << report.command.err;
    EXPECT_EQ(report.json->at("target").value("stopped_us", -1), 0) << "the command line stops nothing";
    return *report.json;
  }
};

TEST_P(Cli, NamesTheShape) {
  classified();
}

// Where "slow" is the diagnosis, how many SIGINTs it takes is luck.
bool counts_sigints(const Lab& lab) {
  return lab.sigints.size() == 1;
}

// Those that are interrupted afterwards are not run a second time for the verdict alone.
std::vector<Patient> cli_patients() {
  const auto interrupted = one_of_each_minor();
  std::vector<Patient> chosen = patients(supported_pythons(), every);
  std::erase_if(chosen, [&](const Patient& patient) {
    return counts_sigints(patient.lab) && std::any_of(interrupted.begin(), interrupted.end(), [&](const auto& python) {
             return python.name == patient.python.name;
           });
  });
  return chosen;
}

INSTANTIATE_TEST_SUITE_P(Labs, Cli, testing::ValuesIn(cli_patients()), patient_name);

// The same, and what Ctrl-C was said to do is what it does.
class CtrlC : public Cli {
 protected:
  // Sends up to three SIGINTs; after how many it ended, 0 = it lives.
  int interrupts_survived() {
    const bool taken = !lab().expect.step || (*lab().expect.step != 0 && *lab().expect.step != 2);
    for (int sent = 1; sent <= 3; ++sent) {
      if (auto interrupted = patient_->interrupt(taken); !interrupted) return sent - 1;
      // An end that is expected gets time to come about; "it lives" is claimed after it had time to die.
      const milliseconds deadline(std::count(lab().sigints.begin(), lab().sigints.end(), sent) > 0 ? 30'000 : 300);
      if (await([this] { return patient_->ended(); }, deadline)) return sent;
    }
    return 0;
  }
};

TEST_P(CtrlC, DoesWhatWasSaid) {
  may_have_ended_ = true;
  const auto report = classified();
  ASSERT_TRUE(report.is_object());
  const std::string answer = report.at("verdict").at("ctrl_c").at("answer");
  const int ended_after = interrupts_survived();
  EXPECT_THAT(lab().sigints, Contains(ended_after)) << "the lab is not what labs.json says";
  if (answer == "yes") {
    EXPECT_EQ(ended_after, 1);
  }
  if (answer == "no") {
    EXPECT_EQ(ended_after, 0);
  }
  if (answer == "partly") {
    EXPECT_GT(ended_after, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Labs, CtrlC, testing::ValuesIn(patients(one_of_each_minor(), counts_sigints)), patient_name);

// A hog that gets a fraction of a CPU holds the GIL all the same, and hang looks at it from the same loaded machine:
// "cannot know yet" is an answer, "not hung" is not.
class Starved : public LabTest {
 protected:
  void SetUp() override {
    LabTest::SetUp();
    if (!patient_) return;
    ASSERT_EQ(sched_getaffinity(0, sizeof allowed_, &allowed_), 0);
    for (const auto& task : fs::directory_iterator("/proc/" + pid_text() + "/task"))
      pin(std::stoi(task.path().filename()));
    pin(0);  // inherited by the rivals and by hang
    for (int i = 0; i < 5; ++i) rivals_.push_back(start_rival());
  }
  void TearDown() override {
    for (const pid_t rival : rivals_) {
      kill(rival, SIGKILL);
      waitpid(rival, nullptr, 0);
    }
    if (patient_) sched_setaffinity(0, sizeof allowed_, &allowed_);
    LabTest::TearDown();
  }

 private:
  // To the first CPU that we may use.
  void pin(pid_t tid) const {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
      if (CPU_ISSET(cpu, &allowed_)) CPU_SET(cpu, &one);
    EXPECT_EQ(sched_setaffinity(tid, sizeof one, &one), 0);
  }
  static pid_t start_rival() {
    const pid_t rival = fork();
    if (rival == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (volatile unsigned spins = 0;;) spins = spins + 1;
    }
    return rival;
  }

  cpu_set_t allowed_{};
  std::vector<pid_t> rivals_;
};

TEST_P(Starved, IsNotCalledHealthy) {
  const Report report = classify_in_cli({"-p", pid_text()});
  ASSERT_TRUE(report.json) << report.command.out << report.command.err;
  Expectation expect = lab().expect;
  expect.ids.emplace_back("");
  expect_verdict(*report.json, expect, *patient_);
}

INSTANTIATE_TEST_SUITE_P(Labs, Starved,
                         testing::ValuesIn(patients(one_of_each_minor(),
                                                    [](const Lab& lab) {
                                                      return lab.settle.count("blame") > 0 &&
                                                             lab.settle.at("blame") == "cpu";
                                                    })),
                         patient_name);

class Facts : public LabTest {
 protected:
  void TearDown() override {
    LabTest::TearDown();
    fs::remove(file_);
  }
  const std::string file_ = testing::TempDir() + "hang_facts_" + std::to_string(getpid()) + ".json";
};

TEST_P(Facts, ReadBackGiveTheSameVerdict) {
  const Report live = classify_in_cli({"-p", pid_text(), "--save-facts", file_});
  ASSERT_TRUE(live.json) << live.command.out << live.command.err;
  const Report saved = classify_in_cli({"--facts", file_});
  ASSERT_TRUE(saved.json) << saved.command.out << saved.command.err;
  EXPECT_EQ(saved.json->at("verdict"), live.json->at("verdict"));
  EXPECT_EQ(saved.command.exit_code, live.command.exit_code);
  EXPECT_EQ(saved.json->at("target").at("kind"), "facts");
}

// JSON knows no CPython: each lab on the newest that can run it is enough.
std::vector<Patient> facts_patients() {
  std::vector<Patient> chosen;
  for (Patient& patient : patients(one_of_each_minor(), every)) {
    if (!chosen.empty() && chosen.back().lab.name == patient.lab.name) chosen.pop_back();
    chosen.push_back(std::move(patient));
  }
  return chosen;
}

INSTANTIATE_TEST_SUITE_P(Labs, Facts, testing::ValuesIn(facts_patients()), patient_name);

// --- LLDB --------------------------------------------------------------------------------------------------------

class Lldb : public LabTest {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_lldb(); !why.empty()) GTEST_SKIP() << why;
    LabTest::SetUp();
  }
};

TEST_P(Lldb, NamesTheShape) {
  const Report report = classify_in_lldb(pid());
  ASSERT_TRUE(report.json) << report.command.out << report.command.err;
  expect_verdict(*report.json, lab().in_lldb(GetParam().python), *patient_);
}

// Each lab on the oldest and the newest minor that has it, and some on every build; with HANG_TEST_EVERYTHING set, all
// on every build, which takes an hour more.
std::vector<Patient> lldb_patients() {
  if (std::getenv("HANG_TEST_EVERYTHING") != nullptr) return patients(supported_pythons(), in_lldb);
  const auto minors = one_of_each_minor();
  std::vector<Patient> chosen;
  for (const Lab& lab : labs()) {
    std::vector<CPython> pythons = minors;
    std::erase_if(pythons, [&](const CPython& python) { return !lab.runs_on(python); });
    if (pythons.size() > 2) pythons.erase(pythons.begin() + 1, pythons.end() - 1);
    if (lab.core) pythons = supported_pythons();
    for (const CPython& python : pythons)
      if (lab.lldb && lab.runs_on(python)) chosen.push_back({lab, python});
  }
  return chosen;
}

INSTANTIATE_TEST_SUITE_P(Labs, Lldb, testing::ValuesIn(lldb_patients()), patient_name);

// --- GDB ---------------------------------------------------------------------------------------------------------

// The system's CPython, which is stripped, and the newest: what GDB itself makes of others decides nothing.
std::vector<CPython> gdb_pythons() {
  std::vector<CPython> chosen = newest();
  for (const CPython& python : supported_pythons())
    if (python.path() == "/usr/bin/python3.11") chosen.push_back(python);
  return chosen;
}

class Gdb : public LabTest {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_gdb(); !why.empty()) GTEST_SKIP() << why;
    LabTest::SetUp();
  }
};

TEST_P(Gdb, NamesTheShape) {
  const Report report = classify_in_gdb(pid());
  ASSERT_TRUE(report.json) << report.command.out << report.command.err;
  expect_verdict(*report.json, lab().in_lldb(GetParam().python), *patient_);
}

INSTANTIATE_TEST_SUITE_P(Labs, Gdb,
                         testing::ValuesIn(patients(all_or(gdb_pythons()), [](const Lab& lab) { return lab.gdb; })),
                         patient_name);

class GdbCore : public Gdb {
 protected:
  void TearDown() override {
    Gdb::TearDown();
    if (patient_) fs::remove(prefix_ + "." + pid_text());
  }
  const std::string prefix_ = testing::TempDir() + "hang_gdb_core_" + std::to_string(getpid());
};

TEST_P(GdbCore, VerdictStandsAndTheMissingIsNamed) {
  const CommandResult dumped = run_command({"gcore", "-o", prefix_, pid_text()});
  const std::string core = prefix_ + "." + pid_text();
  ASSERT_TRUE(fs::exists(core)) << dumped.out << dumped.err;
  const CPython& python = GetParam().python;
  const Report report = classify_core_in_gdb(lab().executable(python), core, python.root);
  ASSERT_TRUE(report.json) << report.command.out << report.command.err;
  EXPECT_EQ(report.json->at("target").at("kind"), "core");
  expect_verdict(*report.json, lab().in_core(python), *patient_);
  EXPECT_FALSE(report.json->value("gaps", json::array()).empty()) << "a core has no fd table and no queues";
  const Report in_cli = classify_in_cli({core, "--exe", lab().executable(python), "--sysroot", python.root + "/"});
  ASSERT_TRUE(in_cli.json) << in_cli.command.out << in_cli.command.err;
  // The summary may name a function that only GDB has a debug file of.
  for (const char* key : {"id", "confidence", "ctrl_c", "signature"})
    EXPECT_EQ(report.json->at("verdict").at(key), in_cli.json->at("verdict").at(key)) << key;
}

INSTANTIATE_TEST_SUITE_P(Labs, GdbCore,
                         testing::ValuesIn(patients(all_or(gdb_pythons()),
                                                    [](const Lab& lab) { return lab.gdb_core; })),
                         patient_name);

// --- cores in LLDB -----------------------------------------------------------------------------------------------

class Core : public Lldb {
 protected:
  void SetUp() override {
    if (find_program("gcore").empty()) GTEST_SKIP() << "no gcore (gdb) in PATH";
    Lldb::SetUp();
  }
  void TearDown() override {
    Lldb::TearDown();
    if (patient_) fs::remove(core());
  }
  [[nodiscard]] std::string prefix() const { return testing::TempDir() + "hang_core_" + std::to_string(getpid()); }
  [[nodiscard]] std::string core() const { return prefix() + "." + pid_text(); }
};

TEST_P(Core, VerdictStandsAndTheMissingIsNamed) {
  const CommandResult dumped = run_command({"gcore", "-o", prefix(), pid_text()});
  ASSERT_TRUE(fs::exists(core())) << dumped.out << dumped.err;
  const CPython& python = GetParam().python;
  const Report report = classify_core_in_lldb(lab().executable(python), core(), python.root);
  ASSERT_TRUE(report.json) << report.command.out << report.command.err;
  EXPECT_EQ(report.json->at("target").at("kind"), "core");
  expect_verdict(*report.json, lab().in_core(python), *patient_);
  const json gaps = report.json->value("gaps", json::array());
  EXPECT_FALSE(gaps.empty()) << "a core has no fd table and no queues";
}

INSTANTIATE_TEST_SUITE_P(Labs, Core,
                         testing::ValuesIn(patients(all_or(one_of_each_minor()),
                                                    [](const Lab& lab) { return lab.core; })),
                         patient_name);

// --- cores without a debugger ------------------------------------------------------------------------------------

class CoreCli : public LabTest {
 protected:
  void SetUp() override {
    fs::create_directories(folder_);
    home_ = fs::current_path();
    fs::current_path(folder_);  // where the kernel puts the core of a process
    LabTest::SetUp();
  }
  void TearDown() override {
    LabTest::TearDown();
    fs::current_path(home_);
    fs::remove_all(folder_);
  }

  // What may be said of a core: of a row without an expectation of its own, the live one or less.
  [[nodiscard]] Expectation expectation() const {
    if (lab().core) return lab().in_core(GetParam().python);
    Expectation expect = lab().expect;
    expect.ids.emplace_back("");
    expect.ctrl_c.emplace_back("unknown");
    expect.step.reset();
    return expect;
  }

  void expect_verdict_of(const std::string& core, const Expectation& expected) {
    std::vector<std::string> arguments{core, "--exe", lab().executable(GetParam().python)};
    if (!GetParam().python.root.empty()) arguments.insert(arguments.end(), {"--sysroot", GetParam().python.root});
    const Report report = classify_in_cli(arguments);
    ASSERT_TRUE(report.json) << report.command.out << report.command.err;
    EXPECT_EQ(report.json->at("target").at("kind"), "core");
    expect_verdict(*report.json, expected, *patient_);
    EXPECT_EQ(report.command.exit_code, exit_code_of(*report.json)) << report.command.err;
    EXPECT_FALSE(report.json->value("gaps", json::array()).empty()) << "a core has no fd table and no queues";
  }

  const std::string folder_ = testing::TempDir() + "hang_cores_" + std::to_string(getpid());
  fs::path home_;
};

TEST_P(CoreCli, OfGcore) {
  if (find_program("gcore").empty()) GTEST_SKIP() << "no gcore (gdb) in PATH";
  const CommandResult dumped = run_command({"gcore", "-o", folder_ + "/core", pid_text()});
  const std::string core = folder_ + "/core." + pid_text();
  ASSERT_TRUE(fs::exists(core)) << dumped.out << dumped.err;
  expect_verdict_of(core, expectation());
}

// All labs that a debugger's stop does not undo on the newest CPython, and those with an expectation of their own on
// every build.
std::vector<Patient> core_patients() {
  std::vector<Patient> chosen = patients(all_or(newest()), [](const Lab& lab) { return !lab.core && lab.lldb; });
  for (const Patient& patient : patients(supported_pythons(), [](const Lab& lab) { return lab.core; }))
    chosen.push_back(patient);
  return chosen;
}

INSTANTIATE_TEST_SUITE_P(Labs, CoreCli, testing::ValuesIn(core_patients()), patient_name);

// LLDB's own cores: system calls are inferred there, so less may be known.
class LldbCore : public CoreCli {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_lldb(); !why.empty()) GTEST_SKIP() << why;
    CoreCli::SetUp();
  }
};

TEST_P(LldbCore, SaysTheSameOrLess) {
  const std::string core = folder_ + "/core.lldb";
  const CommandResult saved = save_core_in_lldb(pid(), core);
  if (!fs::exists(core)) GTEST_SKIP() << "this LLDB saves no cores: " << saved.err;
  const CommandResult tried = run_command({HANG_BINARY, "gil", core});
  if (tried.exit_code == 2 && tried.err.find("less memory than its list says") != std::string::npos)
    GTEST_SKIP() << "LLDB wrote less than it says";
  Expectation expected = expectation();
  expected.ids.emplace_back("");
  expected.ctrl_c.emplace_back("unknown");
  expected.step.reset();
  expect_verdict_of(core, expected);
}

INSTANTIATE_TEST_SUITE_P(Labs, LldbCore,
                         testing::ValuesIn(patients(one_of_each_minor(), [](const Lab& lab) { return lab.core; })),
                         patient_name);

// A snapshot of the process is as good as the process, and one beside a core fills in what a core cannot know.
class Snapshot : public CoreCli {};

TEST_P(Snapshot, IsAsGoodAsTheProcess) {
  may_have_ended_ = !lab().lldb;
  const std::string folder = folder_ + "/snapshot", core = folder_ + "/core." + pid_text();
  const CommandResult taken = run_command({HANG_BINARY, "snapshot", pid_text(), "--core", "-o", folder});
  ASSERT_EQ(taken.exit_code, 0) << taken.err;
  const Report report = classify_in_cli({folder});
  ASSERT_TRUE(report.json) << report.command.out << report.command.err;
  expect_verdict(*report.json, lab().expect, *patient_);
  EXPECT_EQ(report.command.exit_code, exit_code_of(*report.json)) << report.command.err;
  // Its core has no registers of threads that ran.
  Expectation of_core = expectation();
  of_core.ids.emplace_back("");
  expect_verdict_of(folder + "/core", of_core);

  if (!lab().lldb || find_program("gcore").empty()) return;
  const CommandResult sidecar = run_command({HANG_BINARY, "snapshot", pid_text(), "-o", core + ".hang.json"});
  ASSERT_EQ(sidecar.exit_code, 0) << sidecar.err;
  const CommandResult dumped = run_command({"gcore", "-o", folder_ + "/core", pid_text()});
  ASSERT_TRUE(fs::exists(core)) << dumped.out << dumped.err;
  Expectation expected = lab().expect;
  expected.ids.emplace_back("");
  expected.ctrl_c.emplace_back("unknown");
  expected.step.reset();
  expect_verdict_of(core, expected);
}

INSTANTIATE_TEST_SUITE_P(Labs, Snapshot, testing::ValuesIn(facts_patients()), patient_name);

class KernelCore : public CoreCli {
 protected:
  void SetUp() override {
    std::ifstream file("/proc/sys/kernel/core_pattern");
    std::string pattern;
    std::getline(file, pattern);
    if (pattern != "core") GTEST_SKIP() << "core_pattern is " << pattern << ": cores go elsewhere";
    CoreCli::SetUp();
  }
};

TEST_P(KernelCore, SaysTheSame) {
  may_have_ended_ = true;
  const rlimit any{RLIM_INFINITY, RLIM_INFINITY};
  if (prlimit(pid(), RLIMIT_CORE, &any, nullptr) != 0) GTEST_SKIP() << "cores may not be of any size here";
  const fs::path written = fs::read_symlink("/proc/" + pid_text() + "/cwd") / "core";  // in a chroot, its root
  fs::remove(written);
  ASSERT_EQ(kill(pid(), SIGABRT), 0);
  ASSERT_TRUE(await([this] { return patient_->ended(); }, milliseconds(30'000)));
  if (!fs::exists(written)) GTEST_SKIP() << "the kernel wrote no core";
  const std::string core = folder_ + "/core." + pid_text();
  fs::copy_file(written, core);
  fs::remove(written);
  Expectation expected = expectation();
  // Where a thread that runs is when it is killed is luck: it may be in what does not tell whether it gives the GIL up.
  if (lab().settle.count("blame") > 0 && lab().settle.at("blame") == "cpu") expected.ids.emplace_back("");
  // And who waits for the GIL wakes every 5 ms: of that instant only the native stack tells, if it has names.
  if (std::count(expected.ids.begin(), expected.ids.end(), "G1") != 0) {
    expected.ids.emplace_back("");
    expected.ctrl_c.emplace_back("unknown");
    expected.step.reset();
  }
  expect_verdict_of(core, expected);
}

INSTANTIATE_TEST_SUITE_P(Labs, KernelCore,
                         testing::ValuesIn(patients(all_or(one_of_each_minor()),
                                                    [](const Lab& lab) { return lab.core; })),
                         patient_name);

}  // namespace
}  // namespace hang::test
