// hang classify --tree --format json: the processes with their verdicts, and the report of the one to blame.
#include <nlohmann/json.hpp>

#include "report/json_parts.h"
#include "report/report.h"

namespace hang::report {

using json = nlohmann::ordered_json;
using verdict::ProcessTree;
using verdict::TreeProcess;

namespace {

json process_json(const TreeProcess& process) {
  json waits = json::array();
  for (const auto& wait : process.waits)
    waits.push_back({{"pid", wait.pid}, {"what", wait.what}, {"evidence", wait.evidence}, {"main", wait.main}});
  json j{{"pid", process.pid}, {"comm", process.comm}};
  j["python"] = process.snapshot == nullptr ? json(nullptr) : json(process.snapshot->python->version);
  j["waits_for"] = std::move(waits);
  if (!process.verdict) {
    j["verdict"] = nullptr;
    j["doing"] = process.doing;
    return j;
  }
  const auto& verdict = *process.verdict;
  const auto& finding = verdict.finding;
  j["verdict"] = {{"id", finding.id.empty() ? json(nullptr) : json(finding.id)}, {"shape", finding.shape},
                  {"confidence", verdict::to_string(finding.confidence)},        {"summary", finding.summary},
                  {"ctrl_c", verdict::to_string(verdict.ctrl_c.answer)},         {"signature", verdict.signature}};
  return j;
}

}  // namespace

// The verdict contract of the blamed process, with the tree added to it.
std::string tree_json(const ProcessTree& tree) {
  const auto& blamed = tree.blamed();
  json j = json::parse(classify_json(*blamed.snapshot, *blamed.verdict));
  json processes = json::array(), chain = json::array();
  for (const auto& process : tree.processes) processes.push_back(process_json(process));
  for (const auto index : tree.chain) chain.push_back(tree.processes[index].pid);
  j["tree"] = {{"root", tree.processes.front().pid},
               {"chain", std::move(chain)},
               {"circle", tree.circle},
               {"blamed", blamed.pid},
               {"processes", std::move(processes)}};
  return dump(j);
}

}  // namespace hang::report
