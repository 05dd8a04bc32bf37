// hang classify --format json: the verdict contract.
#include <nlohmann/json.hpp>

#include "facts/names.h"
#include "report/json_parts.h"
#include "report/pages.h"
#include "report/report.h"

namespace hang::report {

using json = nlohmann::ordered_json;
using verdict::Blame;
using verdict::Finding;

json target_json(const facts::Snapshot& snapshot) {
  const auto& target = snapshot.target;
  json j{{"kind", name_of(target.kind)}, {"pid", target.pid}};
  j["python"] = snapshot.python ? json(snapshot.python->version) : json(nullptr);
  j["build"] = snapshot.python ? json(snapshot.python->build) : json::array();
  j["exe"] = target.exe;
  j["stopped_us"] = target.stopped_us;
  return j;
}

json gaps_json(const std::vector<facts::Gap>& gaps) {
  json list = json::array();
  for (const auto& gap : gaps)
    list.push_back({{"what", gap.what}, {"why", gap.why}, {"would_decide", gap.would_decide}});
  return list;
}

std::string dump(const json& j) {
  return j.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

namespace {

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json id_json(const Finding& finding) {
  return finding.id.empty() ? json(nullptr) : json(finding.id);
}

json blame_json(const std::vector<Blame>& blames) {
  json list = json::array();
  for (const auto& blame : blames)
    list.push_back({{"thread", blame.thread},
                    {"tid", blame.tid},
                    {"interpreter", or_null(blame.interpreter)},
                    {"frame", blame.frame},
                    {"fd", or_null(blame.fd)}});
  return list;
}

json path_json(const std::vector<verdict::PathEdge>& path) {
  json list = json::array();
  for (const auto& edge : path)
    list.push_back({{"node", edge.node}, {"edge", edge.edge}, {"evidence", edge.evidence}, {"seen", edge.seen}});
  return list;
}

json evidence_json(const Finding& finding) {
  json list = json::array();
  for (const auto& item : finding.evidence)
    list.push_back(
        {{"field", item.field}, {"address", item.address}, {"value", item.value}, {"source", name_of(item.source)}});
  return list;
}

const char* mark_name(verdict::Mark mark) {
  switch (mark) {
    case verdict::Mark::ok: return "ok";
    case verdict::Mark::full: return "full";
    case verdict::Mark::dead: return "dead";
    case verdict::Mark::unknown: return "unknown";
    case verdict::Mark::not_reached: return "not_reached";
  }
  return "unknown";
}

json ctrl_c_json(const verdict::CtrlC& ctrl_c) {
  json steps = json::array();
  for (const auto& step : ctrl_c.steps)
    steps.push_back(
        {{"step", step.number}, {"title", step.title}, {"mark", mark_name(step.mark)}, {"evidence", step.evidence}});
  return {{"answer", verdict::to_string(ctrl_c.answer)},
          {"step", or_null(ctrl_c.step)},
          {"why", ctrl_c.why},
          {"steps", steps}};
}

json verdict_json(const verdict::Verdict& verdict) {
  const auto& finding = verdict.finding;
  json j{{"id", id_json(finding)}, {"shape", finding.shape}, {"seed_class", or_null(finding.seed_class)}};
  j["confidence"] = verdict::to_string(finding.confidence);
  j["summary"] = finding.summary;
  j["ctrl_c"] = ctrl_c_json(verdict.ctrl_c);
  j["path"] = path_json(finding.path);
  j["blame"] = blame_json(finding.blame);
  j["advice"] = finding.advice;
  const auto* page = find_page(finding.id);
  j["links"] = page == nullptr ? std::vector<std::string>{} : page->links();
  j["signature"] = verdict.signature;
  return j;
}

}  // namespace

std::string classify_json(const facts::Snapshot& snapshot, const verdict::Verdict& verdict) {
  json findings = json::array();
  for (const auto& other : verdict.others)
    findings.push_back({{"id", id_json(other)},
                        {"shape", other.shape},
                        {"confidence", verdict::to_string(other.confidence)},
                        {"summary", other.summary},
                        {"why_not_cause", other.why_not_cause},
                        {"blame", blame_json(other.blame)}});
  json j{{"schema_version", facts::kSchemaVersion}, {"target", target_json(snapshot)}};
  j["verdict"] = verdict_json(verdict);
  j["findings"] = findings;
  j["evidence"] = evidence_json(verdict.finding);
  j["gaps"] = gaps_json(verdict.gaps);
  return dump(j);
}

}  // namespace hang::report
