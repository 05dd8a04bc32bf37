// LivePython: a Python program running as a patient, opened and read.
#pragma once

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cpython/python.h"
#include "facts/facts.h"
#include "support/python_process.h"

namespace hang::cpython::test {

using hang::test::CPython;
using hang::test::PythonProcess;

struct LivePython {
  std::unique_ptr<PythonProcess> process;
  std::unique_ptr<Target> target;
  std::unique_ptr<Python> python;
  std::map<std::string, std::uint64_t> said;  // NAME=NUMBER of the READY line
  facts::Snapshot snapshot;

  // Runs a program of this folder ("objects.py"), or Python code, and opens it. Fatal test failure otherwise.
  void run_patient(const CPython& cpython, const std::string& file);
  void run_code(const CPython& cpython, const std::string& code);
  // Fills snapshot anew.
  void read();
  [[nodiscard]] const facts::PythonFacts& facts() const { return *snapshot.python; }
  [[nodiscard]] RemoteAddr at(const std::string& name) const;
  // The thread state that runs kernel thread `tid` in interpreter `id`; nullptr if there is none.
  [[nodiscard]] const facts::ThreadStateFacts* state(std::uint64_t tid, std::int64_t id = 0) const;

 private:
  void open();
};

// A test suite that runs on every supported CPython.
class OnEveryPython : public testing::TestWithParam<CPython> {};

#define INSTANTIATE_ON_EVERY_PYTHON(suite)                                                        \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::ValuesIn(hang::test::supported_pythons()),           \
                           hang::test::python_name<testing::TestParamInfo<hang::test::CPython>>); \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite)

// The value of a Result, or a fatal failure with its error.
#define ASSERT_OK(result) ASSERT_TRUE((result).ok()) << (result).error().describe()
#define EXPECT_OK(result) EXPECT_TRUE((result).ok()) << (result).error().describe()

}  // namespace hang::cpython::test
