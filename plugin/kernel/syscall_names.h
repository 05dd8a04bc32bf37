// Names of x86-64 system calls.
#pragma once

#include <cstdint>
#include <string_view>

namespace hang::kernel {

// "epoll_wait" for 232; "" for a number that has no name.
std::string_view syscall_name(std::int64_t number);

}  // namespace hang::kernel
