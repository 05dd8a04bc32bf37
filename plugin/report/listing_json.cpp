// The listings as JSON: the part of the facts that the listing is about, under the names of the facts model.
#include <nlohmann/json.hpp>

#include "facts/json.h"
#include "report/json_parts.h"
#include "report/report.h"
#include "verdict/channel_fate.h"

namespace hang::report {

using json = nlohmann::ordered_json;

namespace {

const char* key_of(Listing listing) {
  switch (listing) {
    case Listing::interpreters: return "interpreters";
    case Listing::threads: return "threads";
    case Listing::gil: return "gils";
    case Listing::signals: return "signals";
    case Listing::loops: return "loops";
    case Listing::channels: return "channels";
  }
  return "";
}

json part(Listing listing, const json& facts) {
  const json& python = facts["python"];
  if (listing == Listing::channels) {
    json channels = json::array();
    for (const auto& fd : facts["kernel"]["fds"])
      if (!fd["unix_socket"].is_null() || !fd["inet"].is_null() || !fd["pipe"].is_null()) channels.push_back(fd);
    return channels;
  }
  if (listing == Listing::threads) return facts["threads"];
  return python.is_null() ? json(nullptr) : python[key_of(listing)];
}

}  // namespace

std::string listing_json(Listing listing, const facts::Snapshot& snapshot) {
  const json facts = json::parse(facts::to_json_text(snapshot));
  json j{{"schema_version", facts::kSchemaVersion}, {"target", target_json(snapshot)}};
  j[key_of(listing)] = part(listing, facts);
  if (listing == Listing::threads && !facts["python"].is_null()) j["thread_states"] = facts["python"]["thread_states"];
  if (listing == Listing::loops && !facts["python"].is_null()) j["other_loops"] = facts["python"]["other_loops"];
  if (listing == Listing::channels && snapshot.python) {
    // What the objects of Python say, with what becomes of each.
    const verdict::Process process(snapshot);
    static constexpr const char* kFates[] = {"orphaned", "unread", "in_doubt", "open"};
    json objects = facts["python"]["channels"];
    for (std::size_t i = 0; i < objects.size(); ++i) {
      const auto fate = verdict::fate_of(process, snapshot.python->channels[i]);
      objects[i]["fate"] = kFates[static_cast<std::size_t>(fate.fate)];
      objects[i]["why"] = fate.why;
    }
    j["objects"] = std::move(objects);
    j["fd_owners"] = facts["python"]["fd_owners"];
    j["fd_owners_complete"] = snapshot.python->fd_owners_complete;
    j["objects_known"] = snapshot.python->channels_known;
  }
  j["gaps"] = gaps_json(snapshot.gaps);
  return dump(j);
}

}  // namespace hang::report
