// The command line: `hang COMMAND -p PID`. Reads a live process without stopping it.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vector>

#include "commands/commands.h"
#include "hosts/cli/batch_command.h"
#include "hosts/core/core_target.h"
#include "hosts/core/core_writer.h"
#include "hosts/native/native_target.h"

namespace {

constexpr int kDefaultWidth = 100;  // of a pipe or a file
constexpr int kExitUnusable = 2;

// https://no-color.org: any value but an empty one.
bool no_color_wanted() {
  const char* value = std::getenv("NO_COLOR");
  return value != nullptr && *value != '\0';
}

bool is_dumb_terminal() {
  const char* term = std::getenv("TERM");
  return term == nullptr || std::string(term) == "dumb";
}

hang::report::Style style_of_stdout() {
  hang::report::Style style;
  style.width = kDefaultWidth;
  if (isatty(STDOUT_FILENO) == 0) return style;
  style.color = !no_color_wanted() && !is_dumb_terminal();
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) style.width = size.ws_col;
  return style;
}

// False if the text did not get out (a full disk; a reader that has gone).
bool write_all(std::FILE* stream, const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0;
}

int run(const std::vector<std::string>& args) {
  hang::commands::Host host;
  host.name = "cli";
  host.open_process = hang::native::open_process;
  host.open_core = [](const hang::commands::CoreSource& source) {
    return hang::core::open_core({source.path, source.executable, source.sysroot});
  };
  host.write_core = hang::core::write_core;
  host.style = style_of_stdout();
  host.batch = [&host](const hang::commands::Arguments& arguments) { return hang::cli::run_batch(arguments, host); };
  auto output = hang::commands::run(args, host);
  bool written = write_all(stdout, output.out);
  write_all(stderr, output.err);
  return written ? output.exit_code : kExitUnusable;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hang: internal error: %s\n", error.what());
    return kExitUnusable;
  }
}
