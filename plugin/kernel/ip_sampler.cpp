#include "kernel/ip_sampler.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace hang::kernel {
namespace {

constexpr std::size_t kPage = 4096, kDataPages = 16, kDataSize = kDataPages * kPage, kRingSize = kPage + kDataSize;
constexpr std::uint64_t kHertz = 1000;

Error failure(std::uint64_t tid) {
  const int error = errno;
  const ErrorKind kind = error == EPERM || error == EACCES ? ErrorKind::no_permission
                         : error == ESRCH                  ? ErrorKind::no_such_process
                                                           : ErrorKind::io;
  return Error{kind, fmt::format("cannot sample thread {}: perf_event_open: {}", tid, std::strerror(error))};
}

// The samples go round at the end of the ring.
void copy_out(const std::byte* data, std::uint64_t at, void* to, std::size_t size) {
  auto* out = static_cast<std::byte*>(to);
  for (std::size_t i = 0; i < size; ++i) out[i] = data[(at + i) % kDataSize];
}

}  // namespace

Result<IpSampler> IpSampler::start(std::uint64_t tid) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;  // there in virtual machines too
  attributes.freq = 1;
  attributes.sample_freq = kHertz;
  attributes.sample_type = PERF_SAMPLE_IP;
  attributes.exclude_kernel = 1;  // allowed to everybody for his own threads up to perf_event_paranoid 2
  attributes.exclude_hv = 1;
  const int fd = static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, static_cast<pid_t>(tid), -1, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) return failure(tid);
  void* ring = mmap(nullptr, kRingSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (ring == MAP_FAILED) {  // NOLINT: a macro of libc
    const Error error = failure(tid);
    ::close(fd);
    return error;
  }
  return IpSampler(fd, static_cast<std::byte*>(ring));
}

IpSampler::IpSampler(IpSampler&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), ring_(std::exchange(other.ring_, nullptr)) {}

IpSampler& IpSampler::operator=(IpSampler&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  ring_ = std::exchange(other.ring_, nullptr);
  return *this;
}

IpSampler::~IpSampler() {
  close();
}

void IpSampler::close() {
  if (ring_ != nullptr) munmap(ring_, kRingSize);
  if (fd_ >= 0) ::close(fd_);
  ring_ = nullptr;
  fd_ = -1;
}

std::vector<std::uint64_t> IpSampler::stop() {
  std::vector<std::uint64_t> addresses;
  if (fd_ < 0) return addresses;
  ioctl(fd_, PERF_EVENT_IOC_DISABLE, 0);
  std::uint64_t head = 0, tail = 0;
  std::memcpy(&head, ring_ + offsetof(perf_event_mmap_page, data_head), sizeof head);
  std::memcpy(&tail, ring_ + offsetof(perf_event_mmap_page, data_tail), sizeof tail);
  std::atomic_thread_fence(std::memory_order_acquire);  // what the kernel wrote before it moved the head
  const std::byte* data = ring_ + kPage;
  while (tail < head) {
    perf_event_header header{};
    copy_out(data, tail, &header, sizeof header);
    if (header.size < sizeof header) break;
    if (header.type == PERF_RECORD_SAMPLE && header.size >= sizeof header + sizeof(std::uint64_t)) {
      std::uint64_t address = 0;
      copy_out(data, tail + sizeof header, &address, sizeof address);
      addresses.push_back(address);
    }
    tail += header.size;
  }
  close();
  return addresses;
}

}  // namespace hang::kernel
