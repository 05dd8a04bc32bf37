// The sidecar of a core: what the kernel knew fills in what the core cannot know, and nothing else.
#include "collect/sidecar.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collect/namespaces.h"
#include "support/fake_target.h"

namespace hang::collect {
namespace {

facts::Snapshot of_kernel() {
  facts::Snapshot sidecar;
  sidecar.target.pid = 71;
  sidecar.taken_at = "2026-01-02T03:04:05Z";
  sidecar.kernel.fds_known = true;
  sidecar.kernel.fds.resize(1);
  sidecar.kernel.fds[0].fd = 5;
  sidecar.kernel.process.state = 'S';
  facts::ThreadFacts thread;
  thread.tid = 71;
  thread.comm = "python3";
  thread.sig_blk = 2;
  thread.wait.kind = facts::WaitKind::epoll;
  sidecar.threads.push_back(thread);
  sidecar.readings = {{"fd.5.rqueue", "UNIX_DIAG_RQLEN", "", "3", facts::Source::sock_diag},
                      {"gil.0.locked", "_gil_runtime_state.locked", "0x1", "1", facts::Source::table}};
  return sidecar;
}

facts::Snapshot of_core() {
  facts::Snapshot core;
  core.target.kind = facts::TargetKind::core;
  core.target.pid = 71;
  facts::ThreadFacts thread;
  thread.tid = 71;
  thread.wait.kind = facts::WaitKind::futex;
  core.threads.push_back(thread);
  core.gaps.push_back({"descriptors", "the core has no kernel state", {}});
  return core;
}

// Has the threads of a core's notes, and takes other numbers for them.
class CoreThreads final : public test::FakeTarget {
 public:
  void renumber_threads(const std::map<std::uint64_t, std::uint64_t>& numbers) override { renumbered = numbers; }
  std::map<std::uint64_t, std::uint64_t> renumbered;
};

void add(const facts::Snapshot& sidecar, facts::Snapshot& core) {
  CoreThreads target;
  add_sidecar(sidecar, target, core);
}

TEST(Sidecar, FillsInWhatTheCoreCannotKnow) {
  auto core = of_core();
  add(of_kernel(), core);
  EXPECT_TRUE(core.kernel.fds_known);
  EXPECT_EQ(core.kernel.process.state, 'S');
  EXPECT_EQ(core.threads[0].comm, "python3");
  EXPECT_EQ(core.threads[0].sig_blk, 2u);
  ASSERT_NE(core.reading("fd.5.rqueue"), nullptr);
  EXPECT_EQ(core.reading("fd.5.rqueue")->source, facts::Source::snapshot);
  ASSERT_EQ(core.gaps.size(), 1u);
  EXPECT_NE(core.gaps[0].why.find("2026-01-02T03:04:05Z"), std::string::npos);
}

TEST(Sidecar, WhatTheCoreSaysStays) {
  auto core = of_core();
  core.threads[0].sig_blk = 0;
  add(of_kernel(), core);
  EXPECT_EQ(core.threads[0].wait.kind, facts::WaitKind::futex);
  EXPECT_EQ(core.threads[0].sig_blk, 0u);
  EXPECT_EQ(core.reading("gil.0.locked"), nullptr) << "Python's memory is in the core";
}

TEST(Sidecar, OfAnotherProcessIsNotUsed) {
  auto core = of_core();
  core.target.pid = 72;
  add(of_kernel(), core);
  EXPECT_FALSE(core.kernel.fds_known);
  EXPECT_EQ(core.threads[0].comm, "");
  EXPECT_EQ(core.gaps.size(), 2u);
}

facts::PythonFacts python_of(std::uint64_t main_tid) {
  facts::PythonFacts python;
  python.version = "3.11.2";
  python.hexversion = 0x030b02f0;
  python.runtime = 0xa0000;
  python.main_tid = main_tid;
  python.interpreters.resize(1);
  python.interpreters[0].is_main = true;
  python.interpreters[0].address = 0xb0000;
  python.thread_states.resize(1);
  python.thread_states[0].tid = main_tid;
  python.thread_states[0].thread_id = 0x7f0000001740;
  return python;
}

TEST(Sidecar, TheSamePidAloneIsNotTheSameProcess) {
  const auto why = [](auto change) {
    auto core = of_core(), sidecar = of_kernel();
    core.target.exe = sidecar.target.exe = "/usr/bin/python3.11";
    core.python = sidecar.python = python_of(71);
    change(sidecar);
    add(sidecar, core);
    return core.kernel.fds_known ? "" : core.gaps.back().what + ": " + core.gaps.back().why;
  };
  using testing::HasSubstr;
  EXPECT_EQ(why([](auto&) {}), "");
  EXPECT_EQ(why([](auto& s) { s.target.exe += " (deleted)"; }), "");
  EXPECT_EQ(why([](auto& s) { s.target.exe = "/usr/bin/python3.12"; }),
            "the sidecar of the core: it is of python3.12, the core of python3.11");
  EXPECT_THAT(why([](auto& s) { s.python->hexversion = 0x030c00f0; }), HasSubstr("the core of 3.11.2"));
  EXPECT_THAT(why([](auto& s) { s.python->runtime = 0xa0010; }), HasSubstr("runtime is at 0xa0010"));
  EXPECT_THAT(why([](auto& s) { s.python->interpreters[0].address = 1; }), HasSubstr("main interpreter is at 0x1"));
  EXPECT_THAT(why([](auto& s) { s.python->thread_states[0].thread_id = 1; }), HasSubstr("main thread has the ident"));
}

TEST(Sidecar, WithoutCPythonItMustHaveTheThreadsOfTheCore) {
  auto core = of_core();
  core.threads.emplace_back().tid = 72;
  add(of_kernel(), core);
  EXPECT_FALSE(core.kernel.fds_known);
  EXPECT_EQ(core.gaps.back().why, "it does not have thread 72 of the core");
}

TEST(Sidecar, OfTheSameThreadItsWaitStandsForOneThatWentOnAfterAStop) {
  auto core = of_core();
  core.threads[0].wait.kind = facts::WaitKind::other;
  core.threads[0].wait.name = "restart_syscall";
  add(of_kernel(), core);
  EXPECT_EQ(core.threads[0].wait.kind, facts::WaitKind::epoll);
}

TEST(Sidecar, AKernelsCoreOfAContainerGetsTheNumbersThatItsProcessHasHere) {
  auto core = of_core();
  core.target.pid = core.threads[0].tid = 3;
  core.threads[0].wait = {};
  core.threads[0].wait.kind = facts::WaitKind::wait_child;
  core.threads[0].wait.pid = 4;
  core.python = python_of(3);
  auto sidecar = of_kernel();
  sidecar.threads[0].ns_tid = 3;
  facts::ChildFacts child;
  child.pid = 80;
  child.ns_pid = 4;
  sidecar.kernel.process.children = {child};
  CoreThreads target;
  add_sidecar(sidecar, target, core);
  translate_threads(core);
  EXPECT_TRUE(core.kernel.fds_known);
  EXPECT_EQ(core.target.pid, 71u);
  EXPECT_EQ(core.threads[0].tid, 71u);
  EXPECT_EQ(core.threads[0].comm, "python3");
  EXPECT_EQ(core.threads[0].wait.pid, 80);
  EXPECT_EQ(core.python->main_tid, 71u);
  EXPECT_EQ(core.python->thread_states[0].tid, 71u);
  EXPECT_EQ(target.renumbered, (std::map<std::uint64_t, std::uint64_t>{{3, 71}}));
}

// A debugger outside of the container writes the numbers of its own namespace into the notes.
TEST(Namespaces, ThreadsOfACoreAreToldByTheirThreadPointers) {
  CoreThreads target;
  auto core = of_core();
  core.threads.emplace_back().tid = 72;
  for (const std::uint64_t tid : {71, 72}) {
    TargetThread thread;
    thread.tid = tid;
    thread.thread_pointer = 0x7f0000001740 + (tid - 71) * 0x1000;
    target.add_thread(thread);
  }
  core.python = python_of(3);
  auto& second = core.python->thread_states.emplace_back();
  second.tid = 9;
  second.thread_id = 0x7f0000002740;
  core.python->thread_states.emplace_back().tid = 12;  // of a thread that ended
  number_threads(target, core);
  translate_threads(core);
  EXPECT_EQ(core.python->main_tid, 71u);
  EXPECT_EQ(core.threads[0].ns_tid, 3u);
  EXPECT_EQ(core.python->thread_states[1].tid, 72u);
  EXPECT_EQ(core.python->thread_states[2].tid, 12u);
}

TEST(Namespaces, WhereOneNumberIsRightThereIsNone) {
  CoreThreads target;
  auto core = of_core();
  TargetThread thread;
  thread.tid = 71;
  thread.thread_pointer = 0x7f0000001740;
  target.add_thread(thread);
  core.python = python_of(71);
  auto& old = core.python->thread_states.emplace_back();  // its thread ended, and the stack has another
  old.tid = 68;
  old.thread_id = 0x7f0000001740;
  number_threads(target, core);
  translate_threads(core);
  EXPECT_EQ(core.threads[0].ns_tid, 0u);
  EXPECT_EQ(core.python->thread_states[1].tid, 68u);
}

}  // namespace
}  // namespace hang::collect
