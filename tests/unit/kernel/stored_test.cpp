// What systemd-coredump stores as text: read as far as it says something, and no further.
#include "kernel/stored.h"

#include <gtest/gtest.h>

namespace hang::kernel {
namespace {

constexpr const char* kFds =
    "0:/dev/pts/2\npos:\t0\nflags:\t0100002\nmnt_id:\t25\n\n"
    "3:anon_inode:[eventpoll]\npos:\t0\nflags:\t02000002\nmnt_id:\t15\n"
    "tfd:        4 events:       19 data:                4  pos:0 ino:e7ff sdev:e\n\n"
    "4:socket:[77]\npos:\t0\nflags:\t02004002\n\n"
    "5:pipe:[9]\npos:\t0\nflags:\t02000000\n\n"
    "6:pipe:[9]\npos:\t0\nflags:\t02000001\n";

StoredFields fields_with(std::optional<std::string> fds) {
  StoredFields fields;
  fields.pid = 71;
  fields.open_fds = std::move(fds);
  return fields;
}

TEST(Stored, DescriptorsWithoutWhatTheFieldsDoNotHave) {
  const auto facts = stored_sidecar(fields_with(kFds));
  ASSERT_TRUE(facts.kernel.fds_known);
  ASSERT_EQ(facts.kernel.fds.size(), 5u);
  EXPECT_EQ(facts.fd(0)->type, facts::FdType::tty);
  ASSERT_EQ(facts.fd(3)->epoll.size(), 1u);
  EXPECT_EQ(facts.fd(3)->epoll[0].fd, 4);
  EXPECT_EQ(facts.fd(4)->type, facts::FdType::unknown) << "which kind of socket is not known";
  EXPECT_EQ(facts.fd(4)->inode, 77u);
  ASSERT_TRUE(facts.fd(5)->pipe);
  EXPECT_EQ(facts.fd(5)->pipe->unread, std::nullopt);
  ASSERT_EQ(facts.fd(5)->pipe->writers.size(), 1u);
  EXPECT_EQ(facts.fd(5)->pipe->writers[0].fd, 6);
  EXPECT_FALSE(facts.fd(5)->pipe->holders_complete) << "another process may hold it too";
}

TEST(Stored, AListThatIsNotUnderstoodIsNotKnown) {
  for (const char* text : {"", "garbage", "0:/x\npos:\t0\n", "0:/x\nflags:\t02\n\n0:/y\nflags:\t02\n",
                           "-1:/x\nflags:\t02\n", "99999999999999:/x\nflags:\t02\n", "\n\n\n\n"}) {
    const auto facts = stored_sidecar(fields_with(text));
    EXPECT_FALSE(facts.kernel.fds_known) << text;
    EXPECT_TRUE(facts.kernel.fds.empty()) << text;
  }
  EXPECT_FALSE(stored_sidecar(fields_with(std::nullopt)).kernel.fds_known);
}

TEST(Stored, StatusGivesMasksButNotTheStateInWhichItDied) {
  auto fields = fields_with(std::nullopt);
  fields.status =
      "Name:\tpython3\nState:\tD (disk sleep)\nPPid:\t7\nNSpid:\t71\t5\nSigPnd:\t0000000000000000\n"
      "ShdPnd:\t0000000000000002\nSigBlk:\t0000000000000002\nSigIgn:\t0000000001001002\nSigCgt:\t0000000000000000\n";
  const auto facts = stored_sidecar(fields);
  EXPECT_EQ(facts.target.pid, 5u) << "the core has the number of its own namespace";
  EXPECT_EQ(facts.kernel.process.state, std::nullopt);
  EXPECT_EQ(facts.kernel.process.ppid, 7);
  EXPECT_EQ(facts.kernel.process.sig_ign, 0x1001002u);
  EXPECT_EQ(facts.kernel.process.shd_pnd, 2u);
  ASSERT_NE(facts.thread(5), nullptr);
  EXPECT_EQ(facts.thread(5)->sig_blk, 2u);
}

}  // namespace
}  // namespace hang::kernel
