#include "proc.h"

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

namespace hang::test {
namespace {

std::string task_file(pid_t pid, pid_t tid, const std::string& name) {
  return "/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/" + name;
}

std::string first_word(const std::string& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

// Linux x86-64 system call numbers, as words of /proc/PID/task/TID/syscall.
const std::map<std::string, std::set<std::string>>& system_calls() {
  static const std::map<std::string, std::set<std::string>> numbers{
      {"epoll", {"232", "281"}}, {"futex", {"202"}},      {"nanosleep", {"35", "230"}}, {"pause", {"34"}},
      {"read", {"0"}},           {"recv", {"45", "47"}},  {"accept", {"43", "288"}},    {"poll", {"7", "271"}},
      {"write", {"1"}},          {"wait", {"61", "247"}},
  };
  return numbers;
}

}  // namespace

std::string status_field(pid_t pid, pid_t tid, const std::string& field) {
  std::ifstream file(task_file(pid, tid, "status"));
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) != 0) continue;
    const auto start = line.find_first_not_of(" \t", field.size() + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

char state_letter(pid_t pid, pid_t tid) {
  const std::string state = status_field(pid, tid, "State");
  return state.empty() ? '\0' : state[0];
}

bool has_ended(pid_t pid) {
  const char state = state_letter(pid, pid);
  return state == '\0' || state == 'Z' || state == 'X';
}

bool sigint_taken(pid_t pid) {
  for (const char* field : {"ShdPnd", "SigPnd"}) {
    const std::string mask = status_field(pid, pid, field);
    if (!mask.empty() && (std::stoull(mask, nullptr, 16) & 2U) != 0) return false;
  }
  return true;
}

bool await(const std::function<bool()>& condition, milliseconds deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(milliseconds(2));  // between two looks, not instead of one
  }
  return true;
}

bool Settling::settled() {
  if (state_ == "stopped") return state_letter(pid_, tid_) == 'T';
  if (state_ == "cpu") return computed();
  const auto numbers = system_calls().find(state_);
  return numbers != system_calls().end() && numbers->second.count(first_word(task_file(pid_, tid_, "syscall"))) > 0;
}

// A thread that said READY and then entered a native call for good uses CPU without ever giving it up by itself.
bool Settling::computed() {
  const std::string word = first_word(task_file(pid_, tid_, "schedstat"));
  if (word.empty()) return false;
  const long long cpu_ns = std::stoll(word);
  const std::string switches = status_field(pid_, tid_, "voluntary_ctxt_switches");
  if (!since_ || since_->second != switches) since_ = {cpu_ns, switches};
  return cpu_ns - since_->first >= 20'000'000;
}

}  // namespace hang::test
