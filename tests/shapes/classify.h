// The verdict on a made-up process, by way of JSON.
#pragma once

#include "shapes/patient.h"
#include "verdict/verdict.h"

namespace hang::test {

inline verdict::Verdict classify(Patient& patient) {
  return verdict::classify(through_json(patient.facts()));
}

// The thread sleeps for `ms`.
inline void sleeps(Patient& patient, std::uint64_t tid, std::int64_t ms = 900'000) {
  auto& wait = patient.thread(tid).wait;
  wait = {};
  wait.kind = facts::WaitKind::nanosleep;
  wait.name = "clock_nanosleep";
  wait.timeout_ms = ms;
}

}  // namespace hang::test
