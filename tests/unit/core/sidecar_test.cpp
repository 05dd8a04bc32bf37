// The sidecar of a core: what the kernel knew fills in what the core cannot know, and nothing else.
#include "collect/sidecar.h"

#include <algorithm>
#include <gtest/gtest.h>

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

TEST(Sidecar, FillsInWhatTheCoreCannotKnow) {
  auto core = of_core();
  add_sidecar(of_kernel(), core);
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
  add_sidecar(of_kernel(), core);
  EXPECT_EQ(core.threads[0].wait.kind, facts::WaitKind::futex);
  EXPECT_EQ(core.threads[0].sig_blk, 0u);
  EXPECT_EQ(core.reading("gil.0.locked"), nullptr) << "Python's memory is in the core";
}

TEST(Sidecar, OfAnotherProcessIsNotUsed) {
  auto core = of_core();
  core.target.pid = 72;
  add_sidecar(of_kernel(), core);
  EXPECT_FALSE(core.kernel.fds_known);
  EXPECT_EQ(core.threads[0].comm, "");
  EXPECT_EQ(core.gaps.size(), 2u);
}

}  // namespace
}  // namespace hang::collect
