// hang classify --tree as text: who waits for whom across processes, then the report of the one to blame.
#include <algorithm>
#include <fmt/format.h>

#include "report/paint.h"
#include "report/report.h"

namespace hang::report {

using verdict::ProcessTree;
using verdict::TreeProcess;
using verdict::TreeWait;

namespace {

std::string name_of_process(const TreeProcess& process) {
  return process.comm.empty() ? fmt::format("process {}", process.pid)
                              : fmt::format("process {} ({})", process.pid, printable(process.comm));
}

// "L3 loop-blocked-by-sync-call, certain; Ctrl-C: partly"
std::string verdict_words(const TreeProcess& process, const Paint& paint) {
  if (!process.verdict) return printable(process.doing.empty() ? "not known" : process.doing);
  const auto& finding = process.verdict->finding;
  const auto ctrl_c = fmt::format("Ctrl-C: {}", verdict::to_string(process.verdict->ctrl_c.answer));
  if (finding.id.empty()) return paint.yellow("undetermined") + "; " + ctrl_c;
  const auto shape = finding.id + " " + finding.shape;
  return fmt::format("{}, {}; {}", finding.id.front() == 'N' ? paint.green(shape) : paint.red(shape),
                     verdict::to_string(finding.confidence), ctrl_c);
}

std::string kind_of_process(const TreeProcess& process) {
  return process.snapshot == nullptr ? "no CPython that could be read" : "CPython " + process.snapshot->python->version;
}

std::string wait_words(const TreeWait& wait) {
  return fmt::format("waits for {}  [{}; seen]", printable(wait.what), printable(wait.evidence));
}

const TreeWait* wait_for(const TreeProcess& process, std::uint64_t pid) {
  for (const auto& wait : process.waits)
    if (wait.main && wait.pid == pid) return &wait;
  return nullptr;
}

void add_chain(std::string& out, const ProcessTree& tree, const Style& style, const Paint& paint) {
  out += paint.bold("Chain of processes") + "\n";
  for (std::size_t i = 0; i < tree.chain.size(); ++i) {
    const auto& process = tree.processes[tree.chain[i]];
    out += fill(fmt::format("{} · {}", name_of_process(process), kind_of_process(process)), style.width, 2, 2) + "\n";
    const bool last = i + 1 == tree.chain.size();
    if (process.verdict || last) out += "    " + verdict_words(process, paint) + "\n";
    if (!last)
      if (const auto* wait = wait_for(process, tree.processes[tree.chain[i + 1]].pid))
        out += fill(wait_words(*wait), style.width, 4, 2) + "\n";
  }
  if (!tree.circle) return;
  for (const auto& wait : tree.processes[tree.chain.back()].waits)
    if (wait.main) out += fill(wait_words(wait) + ": a circle", style.width, 4, 2) + "\n";
}

void add_others(std::string& out, const ProcessTree& tree, const Style& style, const Paint& paint) {
  std::string lines;
  for (std::size_t i = 0; i < tree.processes.size(); ++i) {
    if (std::find(tree.chain.begin(), tree.chain.end(), i) != tree.chain.end()) continue;
    const auto& process = tree.processes[i];
    lines += fill(fmt::format("{} · {} · ", name_of_process(process), kind_of_process(process)), style.width, 2, 2);
    lines += (lines.ends_with(' ') ? "" : " ") + verdict_words(process, paint) + "\n";
  }
  if (!lines.empty()) out += "\n" + paint.bold("Beside it") + "\n" + lines;
}

}  // namespace

std::string tree_text(const ProcessTree& tree, const Style& style) {
  const Paint paint(style);
  std::string out;
  add_chain(out, tree, style, paint);
  add_others(out, tree, style, paint);
  const auto& blamed = tree.blamed();
  const auto& end = tree.processes[tree.chain.back()];
  out += "\n";
  if (&blamed != &end)
    out += fill(fmt::format("At its end is {}, no CPython that could be read: {}. The last one that is:",
                            name_of_process(end), printable(end.doing.empty() ? "not known" : end.doing)),
                style.width, 0) +
           "\n";
  return out + classify_text(*blamed.snapshot, *blamed.verdict, style);
}

}  // namespace hang::report
