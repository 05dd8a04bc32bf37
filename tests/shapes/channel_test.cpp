// Channels inside the process: which are orphaned, and which only look like it.
#include <gtest/gtest.h>

#include "shapes/patient.h"
#include "verdict/channel_fate.h"

namespace hang::test {
namespace {

using facts::ChannelFacts;
using facts::ChannelKind;
using verdict::Fate;

class ChannelFate : public testing::Test {
 protected:
  void SetUp() override {
    patient_.python_thread(101, "one");
    patient_.python_thread(102, "other");
    channel_.kind = ChannelKind::thread_queue;
    channel_.type = "queue.Queue";
    channel_.object = 0x7100;
    channel_.items = 0;
    channel_.searched = true;
  }
  facts::ChannelUser& user(std::uint64_t tid) {
    channel_.users.push_back({patient_.state(tid).address, 0, false, false, false, false});
    return channel_.users.back();
  }
  verdict::ChannelFate fate() {
    patient_.facts().python->channels = {channel_};
    const auto facts = through_json(patient_.facts());
    const verdict::Process process(facts);
    return verdict::fate_of(process, facts.python->channels.front());
  }

  Patient patient_;
  ChannelFacts channel_;
};

TEST_F(ChannelFate, NobodyElseLeadsToIt) {
  user(101).waits_to_receive = true;
  EXPECT_EQ(fate().fate, Fate::orphaned);
  channel_.searched = false;
  EXPECT_EQ(fate().fate, Fate::in_doubt) << "not everything was followed";
}

// concurrent.futures/thread.py: _worker waits in the pool's own SimpleQueue, which is C and has no frame.
TEST_F(ChannelFate, AnIdleWorkerOfAPoolWaitsByDesign) {
  channel_.type = "_queue.SimpleQueue";
  user(101).waits_to_receive = true;
  auto& frame = patient_.state(101).frames.front();
  frame.function = "_worker";
  frame.file = "/usr/lib/python3.13/concurrent/futures/thread.py";
  EXPECT_EQ(fate().fate, Fate::open);
  patient_.state(101).frames.insert(patient_.state(101).frames.begin(),
                                    {0x7f000, "job", "/srv/app.py", 3, true, 1, {}});
  EXPECT_EQ(fate().fate, Fate::orphaned) << "it waits inside of its job";
}

// anyio/_backends/_asyncio.py: a worker waits in a queue.Queue of its own; its job may be the get() of another one.
TEST_F(ChannelFate, AnIdleWorkerOfAnyioWaitsInItsOwnQueue) {
  user(101).waits_to_receive = true;
  auto& state = patient_.state(101);
  state.frames = {{0x7f000, "Condition.wait", "/usr/lib/python3.13/threading.py", 359, true, 1, {}},
                  {0x7f100, "Queue.get", "/usr/lib/python3.13/queue.py", 202, true, 1, {}},
                  {0x7f200, "WorkerThread.run", "/srv/anyio/_backends/_asyncio.py", 952, true, 1, {}}};
  EXPECT_EQ(fate().fate, Fate::orphaned) << "not its own: the reader says so by the pool";
  state.pool = channel_.object;
  EXPECT_EQ(fate().fate, Fate::open);
}

TEST_F(ChannelFate, SomebodyCouldSend) {
  user(101).waits_to_receive = true;
  user(102).sends = true;
  EXPECT_EQ(fate().fate, Fate::open);
  channel_.users.back().waits_to_receive = true;
  EXPECT_EQ(fate().fate, Fate::orphaned) << "it waits itself";
}

TEST_F(ChannelFate, AFullOneNeedsATaker) {
  channel_.limit = 2;
  channel_.items = 2;
  user(101).waits_to_send = true;
  EXPECT_EQ(fate().fate, Fate::orphaned);
  user(102).receives = true;
  EXPECT_EQ(fate().fate, Fate::open);
}

TEST_F(ChannelFate, ItemsThatNobodyTakes) {
  channel_.items = 3;
  user(101).sends = true;
  EXPECT_EQ(fate().fate, Fate::unread);
  user(102).receives = true;
  EXPECT_EQ(fate().fate, Fate::open);
}

TEST_F(ChannelFate, ASendingEndThatWasForgotten) {
  channel_.kind = ChannelKind::memory_channel;
  channel_.type = "trio.MemoryReceiveChannel";
  channel_.open_senders = 1;
  channel_.open_receivers = 1;
  user(101).waits_to_receive = true;
  const auto found = fate();
  EXPECT_EQ(found.fate, Fate::orphaned);
  EXPECT_NE(found.why.find("1 sending end was never closed"), std::string::npos) << found.why;
}

TEST_F(ChannelFate, AnotherProcessHasTheOtherEnd) {
  channel_.kind = ChannelKind::connection;
  channel_.type = "multiprocessing.connection.Connection";
  channel_.items.reset();
  channel_.fds = {3};
  facts::FdFacts fd;
  fd.fd = 3;
  fd.type = facts::FdType::pipe;
  fd.readable = true;
  auto& pipe = fd.pipe.emplace();
  pipe.writers = {{500, 4, "worker", false, true}};
  pipe.readers = {{patient_.facts().target.pid, 3, "python3", true, false}};
  pipe.holders_complete = true;
  patient_.facts().kernel.fds.push_back(fd);
  user(101).waits_to_receive = true;
  EXPECT_EQ(fate().fate, Fate::in_doubt);
}

}  // namespace
}  // namespace hang::test
