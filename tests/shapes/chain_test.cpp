// Waits that lead to other processes: B1, B2, B3 and P6, against each other and against what is no hang.
#include <gtest/gtest.h>

#include "shapes/classify.h"

namespace hang::test {
namespace {

using facts::FdFacts;
using facts::FdType;
using facts::NeighbourFacts;
using facts::Wait;
using facts::WaitKind;
using verdict::Answer;
using verdict::Confidence;

constexpr std::uint64_t kMain = 100, kChild = 200, kGrandchild = 300;

Wait wait_in(WaitKind kind, const std::string& name, std::optional<int> fd = {}) {
  Wait wait;
  wait.kind = kind;
  wait.name = name;
  wait.fd = fd;
  return wait;
}

Wait wait_child(std::int64_t pid) {
  auto wait = wait_in(WaitKind::wait_child, "wait4");
  wait.pid = pid;
  wait.timeout_ms = -1;
  return wait;
}

// One end of a pipe with these holders.
FdFacts pipe_end(int fd, bool reading, std::vector<facts::Holder> readers, std::vector<facts::Holder> writers,
                 std::uint64_t unread = 0) {
  FdFacts facts;
  facts.fd = fd;
  facts.type = FdType::pipe;
  facts.target = "pipe:[7]";
  facts.inode = 7;
  facts.readable = reading;
  facts.writable = !reading;
  facts.cloexec = true;
  auto& pipe = facts.pipe.emplace();
  pipe.inode = 7;
  pipe.unread = unread;
  pipe.capacity = 65536;
  pipe.readers = std::move(readers);
  pipe.writers = std::move(writers);
  pipe.holders_complete = true;
  return facts;
}

NeighbourFacts& neighbour(Patient& patient, std::uint64_t pid, Wait wait, std::int64_t ppid = kMain) {
  NeighbourFacts facts;
  facts.pid = pid;
  facts.comm = "worker";
  facts.exists = true;
  facts.process.state = 'S';
  facts.process.ppid = ppid;
  facts.process.start_ticks = 2000;
  facts::ThreadFacts thread;
  thread.tid = pid;
  thread.state = 'S';
  thread.wait = std::move(wait);
  facts.threads.push_back(thread);
  facts.threads_known = facts.fds_known = true;
  facts.looked_ms = 50;
  auto& kernel = patient.facts().kernel;
  kernel.process.start_ticks = 1000;
  if (ppid == static_cast<std::int64_t>(kMain))
    kernel.process.children.push_back({static_cast<std::int64_t>(pid), "worker", 'S'});
  kernel.neighbours.push_back(facts);
  return kernel.neighbours.back();
}

// The main thread waits for a child that writes into a pipe of which only the main process has the reading end.
NeighbourFacts& full_pipe(Patient& patient) {
  patient.thread(kMain).wait = wait_child(kChild);
  auto& child = neighbour(patient, kChild, wait_in(WaitKind::write, "write", 1));
  child.fds.push_back(
      pipe_end(1, false, {{kMain, 3, "python3", true, false}}, {{kChild, 1, "worker", false, true}}, 53271));
  patient.facts().watch.at_rest = true;
  return child;
}

// The main thread waits for a child that reads from a pipe of which only the main process has the writing end.
NeighbourFacts& circle(Patient& patient) {
  patient.thread(kMain).wait = wait_child(kChild);
  auto& child = neighbour(patient, kChild, wait_in(WaitKind::read, "read", 0));
  child.fds.push_back(pipe_end(0, true, {{kChild, 0, "worker", true, false}}, {{kMain, 4, "python3", false, true}}));
  patient.facts().watch.at_rest = true;
  return child;
}

// The main thread reads from an empty pipe that process 300 can write to.
void held_open(Patient& patient, std::int64_t ppid) {
  patient.thread(kMain).wait = wait_in(WaitKind::read, "read", 3);
  patient.facts().kernel.fds.push_back(
      pipe_end(3, true, {{kMain, 3, "python3", true, false}}, {{kGrandchild, 1, "worker", false, true}}));
  auto sleep = wait_in(WaitKind::nanosleep, "clock_nanosleep");
  sleep.timeout_ms = 1'000'000;
  neighbour(patient, kGrandchild, sleep, ppid);
  patient.facts().watch.at_rest = true;
}

TEST(B1, AChildThatNobodyReads) {
  Patient patient;
  full_pipe(patient);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "B1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
  EXPECT_EQ(verdict.exit_code(), 1);
}

TEST(B1, AWriterThatRanBetweenTheLooksIsBeingRead) {
  Patient patient;
  full_pipe(patient).moved = {kChild};
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(B1, AThreadOfThisProcessThatMayRead) {
  Patient patient;
  full_pipe(patient);
  patient.python_thread(101, "reader");
  sleeps(patient, 101, 100);
  EXPECT_NE(classify(patient).finding.id, "B1");

  patient.state(101).only_sleeps = true;
  EXPECT_EQ(classify(patient).finding.id, "B1") << "its code can do nothing but sleep";
}

TEST(B1, AReaderThatComputesMayRead) {
  Patient patient;
  auto& child = full_pipe(patient);
  child.fds.front().pipe->readers.push_back({kGrandchild, 0, "worker", true, false});
  neighbour(patient, kGrandchild, wait_in(WaitKind::none, ""), 1);
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(B1, AReaderThatWasNotLookedAtMayRead) {
  Patient patient;
  full_pipe(patient).fds.front().pipe->readers.push_back({kGrandchild, 0, "worker", true, false});
  EXPECT_EQ(classify(patient).finding.id, "");
}

TEST(B1, HoldersThatAreNotAllKnown) {
  Patient patient;
  full_pipe(patient).fds.front().pipe->holders_complete = false;
  EXPECT_EQ(classify(patient).finding.id, "");
}

TEST(N1, AChildThatIsStopped) {
  Patient patient;
  circle(patient).threads.front().state = 'T';
  EXPECT_EQ(classify(patient).finding.id, "N1");
}

TEST(P6, ParentAndChildWaitForEachOther) {
  Patient patient;
  circle(patient);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "P6");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  ASSERT_EQ(verdict.finding.blame.size(), 2U);
  EXPECT_EQ(verdict.finding.blame[1].thread, "process 200 (worker)");
}

TEST(P6, TheExitJoinsTheChildAgain) {
  Patient patient;
  circle(patient);
  patient.facts().python->exit_joins = {static_cast<std::int64_t>(kChild)};
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "P6");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::partly);
}

TEST(P6, DataThatIsThereEndsTheWait) {
  Patient patient;
  circle(patient).fds.front().pipe->unread = 1;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(P6, AChildThatWaitsForATerminal) {
  Patient patient;
  auto& fd = circle(patient).fds.front();
  fd.type = FdType::tty;
  fd.pipe.reset();
  fd.target = "/dev/pts/1";
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(P6, AChildInALockIsNotKnown) {
  Patient patient;
  circle(patient).threads.front().wait = endless_futex(0x1234);
  EXPECT_EQ(classify(patient).finding.id, "");
}

TEST(P6, AnotherWriterThatIsAlive) {
  Patient patient;
  auto& child = circle(patient);
  child.fds.front().pipe->writers.push_back({kGrandchild, 5, "worker", false, true});
  auto sleep = wait_in(WaitKind::nanosleep, "clock_nanosleep");
  sleep.timeout_ms = 5000;
  neighbour(patient, kGrandchild, sleep, 1);
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(P6, AnIdleWorkerLeavesItToItsParent) {
  Patient patient;
  circle(patient);
  patient.state(kMain).frames = {{0x1, "worker", "/usr/lib/python3.13/multiprocessing/pool.py", 114, true, 0x1, {}}};
  EXPECT_EQ(classify(patient).finding.id, "");
}

TEST(B2, TheChildHasEndedAndAnotherHasItsOutput) {
  Patient patient;
  held_open(patient, 1);
  patient.state(kMain).child = kChild;
  patient.facts().kernel.process.children.push_back({kChild, "sh", 'Z'});
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "B2");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.finding.blame.back().thread, "process 300 (worker)");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

TEST(B2, WithoutFramesAZombieAndAnOrphanAreLikely) {
  Patient patient;
  held_open(patient, 1);
  EXPECT_EQ(classify(patient).finding.id, "B2") << "an orphan that is younger than the reader";
  patient.facts().kernel.process.children.push_back({kChild, "sh", 'Z'});
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "B2");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
}

TEST(B2, TheChildItselfIsAtWork) {
  Patient patient;
  held_open(patient, kMain);
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(B2, AWorkerOfALiveChildIsAtWork) {
  Patient patient;
  held_open(patient, kChild);
  patient.facts().kernel.process.children.push_back({kChild, "sh", 'S'});
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(B2, AHolderThatComputesMayWrite) {
  Patient patient;
  held_open(patient, 1);
  patient.facts().kernel.neighbours.front().threads.front().wait = wait_in(WaitKind::none, "");
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(B2, AForgottenCopyOfItsOwn) {
  Patient patient;
  patient.thread(kMain).wait = wait_in(WaitKind::read, "read", 3);
  auto reader = pipe_end(3, true, {{kMain, 3, "python3", true, false}}, {{kMain, 4, "python3", false, true}});
  patient.facts().kernel.fds.push_back(reader);
  patient.facts().watch.at_rest = true;
  EXPECT_EQ(classify(patient).finding.id, "B2");

  patient.facts().kernel.process.sig_cgt = 2 | 1U << 9;
  EXPECT_NE(classify(patient).finding.id, "B2") << "a handler of SIGUSR1 may write";

  patient.facts().kernel.process.sig_cgt = 2;
  patient.python_thread(101, "writer");
  sleeps(patient, 101, 5000);
  EXPECT_NE(classify(patient).finding.id, "B2") << "another thread may write";
}

FdFacts connection(std::uint64_t holder) {
  FdFacts fd;
  fd.fd = 3;
  fd.type = FdType::inet_socket;
  auto& socket = fd.inet.emplace();
  socket.protocol = "tcp";
  socket.local = "127.0.0.1:50000";
  socket.remote = "127.0.0.1:80";
  socket.state = "ESTABLISHED";
  socket.peer_local = true;
  socket.peer_holders = {{holder, 5, "server", true, true}};
  return fd;
}

TEST(B3, APeerThatSleepsOnALock) {
  Patient patient;
  patient.thread(kMain).wait = wait_in(WaitKind::recv, "recvfrom", 3);
  patient.facts().kernel.fds.push_back(connection(kChild));
  neighbour(patient, kChild, endless_futex(0x1234));
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "B3");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
}

TEST(B3, APeerOnItsWay) {
  Patient patient;
  patient.thread(kMain).wait = wait_in(WaitKind::recv, "recvfrom", 3);
  patient.facts().kernel.fds.push_back(connection(kChild));
  neighbour(patient, kChild, wait_in(WaitKind::none, ""));
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(B3, TheServersSideIsIdle) {
  Patient patient;
  patient.thread(kMain).wait = wait_in(WaitKind::recv, "recvfrom", 3);
  patient.facts().kernel.fds.push_back(connection(kChild));
  neighbour(patient, kChild, endless_futex(0x1234));
  patient.listening(9);
  patient.facts().kernel.fds.back().inet->local = "0.0.0.0:50000";
  EXPECT_NE(classify(patient).finding.id, "B3");
}

TEST(B3, APeerElsewhereThatOwesAnAnswer) {
  Patient patient;
  patient.thread(kMain).wait = wait_in(WaitKind::recv, "recvfrom", 3);
  auto fd = connection(kChild);
  fd.inet->peer_local = false;
  fd.inet->peer_holders.clear();
  patient.facts().kernel.fds.push_back(fd);
  EXPECT_EQ(classify(patient).finding.id, "N3") << "how long it is silent is not known";

  auto& socket = *patient.facts().kernel.fds.back().inet;
  socket.last_data_recv_ms = 600'000;
  socket.last_data_sent_ms = 590'000;
  EXPECT_EQ(classify(patient).finding.id, "B3");
  EXPECT_EQ(classify(patient).finding.confidence, Confidence::possible);

  socket.last_data_sent_ms = 700'000;
  EXPECT_EQ(classify(patient).finding.id, "N3") << "nothing was asked since: it may be a subscription";
}

}  // namespace
}  // namespace hang::test
