// hang classify as text: at most a screen for the verdict, the rest behind --verbose.
#include <algorithm>
#include <fmt/format.h>

#include "facts/names.h"
#include "report/pages.h"
#include "report/paint.h"
#include "report/report.h"

namespace hang::report {

using verdict::Answer;
using verdict::Finding;
using verdict::Mark;
using verdict::Verdict;

namespace {

constexpr std::size_t kPathLines = 10, kEvidenceLines = 4, kOtherLines = 3;

std::string mark_word(Mark mark, const Paint& paint) {
  switch (mark) {
    case Mark::ok: return paint.green("ok  ");
    case Mark::full: return paint.yellow("FULL");
    case Mark::dead: return paint.red("DEAD");
    case Mark::unknown: return paint.yellow("?   ");
    case Mark::not_reached: return paint.dim("-   ");
  }
  return "?   ";
}

std::string headline(const Verdict& verdict, const Paint& paint) {
  const auto& finding = verdict.finding;
  if (finding.id.empty()) return paint.yellow("undetermined");
  std::string line = finding.id + " " + finding.shape;
  line = finding.id.front() == 'N' ? paint.green(line) : paint.red(line);
  if (finding.seed_class) line += fmt::format(" · hang class {}", *finding.seed_class);
  return line + fmt::format(" · {}", verdict::to_string(finding.confidence));
}

std::string target_line(const facts::Snapshot& snapshot) {
  std::string line = fmt::format("{} {}",
                                 snapshot.target.kind == facts::TargetKind::live
                                     ? "process"
                                     : std::string(name_of(snapshot.target.kind)) + " of process",
                                 snapshot.target.pid);
  if (snapshot.python) {
    line += fmt::format(" · CPython {}", snapshot.python->version);
    for (const auto& word : snapshot.python->build)
      if (word != "release") line += " " + word;
  }
  if (!snapshot.target.exe.empty()) line += " · " + printable(snapshot.target.exe);
  line += snapshot.watch.ms > 0 ? fmt::format(" · watched {:.0f} ms", snapshot.watch.ms) : " · one sample";
  return line + (snapshot.target.stopped_by_host ? ", held by the debugger" : ", not stopped");
}

// The answer's first word, which alone is coloured, and the rest.
std::pair<std::string, std::string> answer_text(const verdict::CtrlC& ctrl_c) {
  switch (ctrl_c.answer) {
    case Answer::yes: return {"Yes", ": " + ctrl_c.why + "."};
    case Answer::partly: return {"Partly", ": " + ctrl_c.why + "."};
    case Answer::unknown: return {"Unknown", fmt::format(" at step {}: {}.", ctrl_c.step.value_or(0), ctrl_c.why)};
    case Answer::no: return {"No", fmt::format(": it dies at step {}: {}.", ctrl_c.step.value_or(0), ctrl_c.why)};
  }
  return {};
}

std::string paint_answer(Answer answer, const std::string& word, const Paint& paint) {
  if (answer == Answer::yes) return paint.green(word);
  return answer == Answer::no ? paint.red(word) : paint.yellow(word);
}

void add_signal_path(std::string& out, const Verdict& verdict, const Style& style, const Paint& paint) {
  out += "\n" + paint.bold("Ctrl-C gets through?") + "\n";
  const auto [word, rest] = answer_text(verdict.ctrl_c);
  out += "  " + paint_answer(verdict.ctrl_c.answer, word, paint) +
         fill(word + printable(rest), style.width, 2).substr(2 + word.size()) + "\n";
  std::size_t widest = 0;
  for (const auto& step : verdict.ctrl_c.steps) widest = std::max(widest, columns(step.title));
  for (const auto& step : verdict.ctrl_c.steps) {
    std::string line = fill(printable(step.evidence), style.width, static_cast<int>(13 + widest));
    line = line.substr(13 + widest);  // the first line's place is taken by the mark and the title
    out += fmt::format("    {} {} {}  {}\n", mark_word(step.mark, paint), step.number, pad(step.title, widest), line);
  }
}

void add_path(std::string& out, const Finding& finding, const Style& style, const Paint& paint) {
  if (finding.path.empty()) return;
  out += "\n" + paint.bold("Who waits for whom") + "\n";
  std::string last;
  std::size_t lines = 0;
  for (const auto& edge : finding.path) {
    if (!style.verbose && ++lines > kPathLines) {
      out += fmt::format("      ... {} more (--verbose)\n", finding.path.size() - kPathLines);
      break;
    }
    if (edge.node != last) out += fill(printable(edge.node), style.width, 4, 2) + "\n";
    last = edge.node;
    std::string proof;
    for (const auto& item : edge.evidence) proof += (proof.empty() ? "" : ", ") + item;
    std::string line = printable(edge.edge);
    if (!proof.empty()) line += fmt::format("  [{}; {}]", printable(proof), edge.seen ? "seen" : "inferred");
    out += fill(line, style.width, 6, 2) + "\n";
  }
}

void add_others(std::string& out, const Verdict& verdict, const Style& style, const Paint& paint) {
  if (verdict.others.empty()) return;
  out += "\n" + paint.bold("Not the cause") + "\n";
  std::size_t lines = 0;
  for (const auto& other : verdict.others) {
    if (!style.verbose && ++lines > kOtherLines) break;
    out += fill(fmt::format("{} {}: {} ({})", other.id, other.shape, printable(other.summary), other.why_not_cause),
                style.width, 2, 2) +
           "\n";
  }
}

void add_evidence(std::string& out, const Finding& finding, const Style& style, const Paint& paint) {
  if (finding.evidence.empty()) return;
  out += "\n" + paint.bold("Evidence") + "\n";
  std::size_t lines = 0, widest = 0;
  for (const auto& item : finding.evidence) widest = std::max(widest, std::min<std::size_t>(columns(item.field), 44));
  for (const auto& item : finding.evidence) {
    if (!style.verbose && ++lines > kEvidenceLines) {
      out += fmt::format("    ... {} more (--verbose)\n", finding.evidence.size() - kEvidenceLines);
      return;
    }
    std::string line = fmt::format("{} = {}", pad(item.field, widest), printable(item.value));
    if (!item.address.empty()) line += " at " + item.address;
    out += fill(fmt::format("{}  ({})", line, name_of(item.source)), style.width, 4, 4) + "\n";
  }
}

// A gap matters here if it could change the verdict; the others are behind --verbose.
bool matters(const facts::Gap& gap, const facts::Snapshot& snapshot, const Verdict& verdict) {
  return verdict.finding.id.empty() || snapshot.target.kind == facts::TargetKind::core ||
         std::find(gap.would_decide.begin(), gap.would_decide.end(), verdict.finding.id) != gap.would_decide.end();
}

void add_gaps(std::string& out, const facts::Snapshot& snapshot, const Verdict& verdict, const Style& style,
              const Paint& paint) {
  std::string lines;
  for (const auto& gap : verdict.gaps) {
    if (!style.verbose && !matters(gap, snapshot, verdict)) continue;
    std::string shapes;
    for (const auto& id : gap.would_decide) shapes += (shapes.empty() ? "" : ", ") + id;
    lines += fill(fmt::format("{}: {}{}", printable(gap.what), printable(gap.why),
                              shapes.empty() ? "" : " (would decide " + shapes + ")"),
                  style.width, 2, 2) +
             "\n";
  }
  if (!lines.empty()) out += "\n" + paint.bold("Not known") + "\n" + lines;
}

}  // namespace

std::string classify_text(const facts::Snapshot& snapshot, const Verdict& verdict, const Style& style) {
  const Paint paint(style);
  const auto& finding = verdict.finding;
  std::string out = headline(verdict, paint) + "\n";
  out += paint.dim(fill(target_line(snapshot), style.width, 2, 2)) + "\n";
  out += fill(printable(finding.summary), style.width, 2) + "\n";
  add_signal_path(out, verdict, style, paint);
  add_path(out, finding, style, paint);
  add_others(out, verdict, style, paint);
  if (!finding.advice.empty())
    out += "\n" + paint.bold(finding.id.starts_with("N") || finding.id.empty() ? "Next" : "Fix") + "\n" +
           fill(finding.advice, style.width, 2) + "\n";
  if (const auto* page = find_page(finding.id);
      page != nullptr && !page->links().empty() && !finding.id.starts_with("N"))
    out += "  " + paint.dim(page->links().front()) + "\n";
  add_evidence(out, finding, style, paint);
  add_gaps(out, snapshot, verdict, style, paint);
  out += "\n" +
         paint.dim(
             "More: hang explain · hang graph · hang gil · hang signals · hang threads · hang channels · --verbose") +
         "\n";
  return out;
}

}  // namespace hang::report
