#include "commands/inspect.h"

#include <charconv>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "collect/collect.h"
#include "commands/file_kind.h"
#include "commands/files.h"
#include "facts/json.h"

namespace hang::commands {
namespace {

Result<facts::Snapshot> collect_from(Target& target, std::string host_name, const Arguments& arguments,
                                     const std::optional<facts::Snapshot>& sidecar = std::nullopt) {
  collect::Options options;
  if (sidecar) options.sidecar = &*sidecar;
  options.interval = arguments.interval;
  options.assumed_minor = arguments.assumed_minor;
  options.channels = arguments.channels || !arguments.save_file.empty();
  auto snapshot = collect::collect(target, options);
  if (snapshot) snapshot->target.host = std::move(host_name);
  return snapshot;
}

Result<facts::Snapshot> collect_process(std::uint64_t pid, const Arguments& arguments, const Host& host) {
  auto target = host.open_process(pid);
  if (!target) return target.error();
  return collect_from(**target, "native", arguments);
}

Result<facts::Snapshot> collect_core(const Arguments& arguments, const Host& host) {
  if (!host.open_core) return Error{ErrorKind::usage, "this host opens no cores"};
  auto target = host.open_core(arguments.core);
  if (!target) return target.error();
  if (host.sidecar != nullptr) return collect_from(**target, "native", arguments, *host.sidecar);
  const auto path = sidecar_of(arguments.core.path);
  if (!path) return collect_from(**target, "native", arguments);
  auto sidecar = load_facts(*path);
  auto snapshot = collect_from(**target, "native", arguments, sidecar.to_optional());
  if (snapshot && !sidecar) snapshot->gaps.push_back({"the sidecar of the core", sidecar.error().describe(), {}});
  return snapshot;
}

}  // namespace

Result<Arguments> with_source(Arguments arguments) {
  const std::string source = std::exchange(arguments.source, "");
  const int named = static_cast<int>(arguments.pid.has_value()) + static_cast<int>(!arguments.facts_file.empty()) +
                    static_cast<int>(!arguments.core.path.empty()) + static_cast<int>(!source.empty());
  if (named > 1) return Error{ErrorKind::usage, "more than one process, core or file of facts: name one source"};
  if (source.find_first_not_of("0123456789") == std::string::npos && !source.empty()) {
    std::uint64_t pid = 0;
    const auto parsed = std::from_chars(source.data(), source.data() + source.size(), pid);
    if (parsed.ec != std::errc() || pid == 0 || pid > kMaxPid)
      return Error{ErrorKind::usage, source.substr(0, 64) + " is no pid"};
    arguments.pid = pid;
  } else if (!source.empty()) {
    auto kind = kind_of_file(source);
    if (!kind) return kind.error();
    (*kind == FileKind::core ? arguments.core.path : arguments.facts_file) = source;
  }
  if (arguments.core.path.empty() && !(arguments.core.executable + arguments.core.sysroot).empty())
    return Error{ErrorKind::usage, "--exe and --sysroot are for cores: name one"};
  return arguments;
}

namespace {

// The one source that was named. --facts wins over a debugger's target: it was asked for in so many words.
Result<facts::Snapshot> take_snapshot(const Arguments& given, const Host& host) {
  auto resolved = with_source(given);
  if (!resolved) return resolved.error();
  const Arguments& arguments = *resolved;
  if (!arguments.core.path.empty()) return collect_core(arguments, host);
  if (!arguments.facts_file.empty()) return load_facts(arguments.facts_file);
  if (arguments.pid && host.open_process) return collect_process(*arguments.pid, arguments, host);
  if (host.target != nullptr) return collect_from(*host.target, host.name, arguments);
  if (!host.no_target.empty()) return Error{ErrorKind::usage, host.no_target};
  return Error{ErrorKind::usage, "nothing named to look at: give -p PID, --core FILE or --facts FILE"};
}

}  // namespace

report::Style style_of(const Arguments& arguments, const Host& host) {
  report::Style style = host.style;
  if (arguments.color != Color::automatic) style.color = arguments.color == Color::always;
  style.verbose = style.verbose || arguments.verbose;
  return style;
}

Output failure(const Error& error) {
  return {{}, "hang: " + error.describe() + "\n", 2};
}

Output inspect(const Arguments& arguments, const Host& host,
               const std::function<Output(const facts::Snapshot&, const report::Style&)>& answer) {
  auto snapshot = take_snapshot(arguments, host);
  if (!snapshot) return failure(snapshot.error());
  if (!arguments.save_file.empty()) {
    if (auto saved = write_file(arguments.save_file, facts::to_json_text(*snapshot)); !saved) {
      return failure(saved.error());
    }
  }
  Output output = answer(*snapshot, style_of(arguments, host));
  if (!output.out.empty() && !output.out.ends_with('\n')) output.out += '\n';
  return output;
}

}  // namespace hang::commands
