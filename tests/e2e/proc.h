// The kernel's word on a process, for tests that wait for a state instead of sleeping.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>

namespace hang::test {

using std::chrono::milliseconds;

// The value of a field of /proc/PID/task/TID/status, "" if the thread is gone.
std::string status_field(pid_t pid, pid_t tid, const std::string& field);
// R S D T t Z; '\0' if the thread is gone.
char state_letter(pid_t pid, pid_t tid);
// Gone, or a zombie.
bool has_ended(pid_t pid);
// SIGINT is neither pending for the process nor for its main thread.
bool sigint_taken(pid_t pid);

// Polls a kernel fact until it holds; false once the deadline has passed.
bool await(const std::function<bool()>& condition, milliseconds deadline);

// One thread that should come to rest in a state of labs.json: the name of a system call ("epoll", "futex",
// "nanosleep", "pause", "read", "recv", "accept"), "stopped", or "cpu" (computed for 20 ms in one go).
class Settling {
 public:
  Settling(pid_t pid, pid_t tid, std::string state) : pid_(pid), tid_(tid), state_(std::move(state)) {}
  bool settled();

 private:
  bool computed();

  pid_t pid_, tid_;
  std::string state_;
  std::optional<std::pair<long long, std::string>> since_;  // CPU time and voluntary switches
};

}  // namespace hang::test
