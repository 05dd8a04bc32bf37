#include "batch/row.h"

#include <array>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

namespace hang::batch {

using nlohmann::ordered_json;

namespace {

constexpr std::array<std::pair<Status, const char*>, 4> kNames{{{Status::classified, "classified"},
                                                                {Status::unreadable, "unreadable"},
                                                                {Status::crashed, "crashed"},
                                                                {Status::timeout, "timeout"}}};

std::string text_of(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

const char* name_of(Status status) {
  for (const auto& [value, name] : kNames)
    if (value == status) return name;
  return "unreadable";
}

std::string time_of(std::int64_t mtime_ns) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(mtime_ns / 1'000'000'000)));
}

std::string to_line(const Row& row) {
  ordered_json line{{"path", row.item.path},
                    {"size", row.item.size},
                    {"mtime_ns", row.item.mtime_ns},
                    {"key", row.item.key},
                    {"status", name_of(row.status)}};
  if (row.status != Status::classified) {
    line["error"] = row.error;
  } else {
    line["id"] = row.id.empty() ? ordered_json(nullptr) : ordered_json(row.id);
    line["shape"] = row.shape;
    line["confidence"] = row.confidence;
    line["ctrl_c"] = row.ctrl_c;
    line["blame"] = row.blame;
    line["also_blamed"] = row.also_blamed;
    line["python"] = row.python;
    line["signature"] = row.signature;
    line["summary"] = row.summary;
  }
  // What a path may hold that is no UTF-8 is replaced, so that a line always can be read back.
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<Row> from_line(const std::string& line) {
  const auto json = ordered_json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("path") || !json.contains("status"))
    return Error{ErrorKind::inconsistent, "this is no row of hang batch"};
  Row row;
  row.item.path = text_of(json, "path");
  row.item.size = json.value("size", ordered_json(0)).is_number_unsigned() ? json["size"].get<std::uint64_t>() : 0;
  if (const auto at = json.find("mtime_ns"); at != json.end() && at->is_number_integer())
    row.item.mtime_ns = at->get<std::int64_t>();
  row.item.key = text_of(json, "key");
  const auto status = text_of(json, "status");
  for (const auto& [value, name] : kNames)
    if (status == name) row.status = value;
  row.error = text_of(json, "error");
  row.id = text_of(json, "id");
  row.shape = text_of(json, "shape");
  row.confidence = text_of(json, "confidence");
  row.ctrl_c = text_of(json, "ctrl_c");
  row.blame = text_of(json, "blame");
  if (const auto also = json.find("also_blamed"); also != json.end() && also->is_array())
    for (const auto& line_of : *also)
      if (line_of.is_string()) row.also_blamed.push_back(line_of.get<std::string>());
  row.python = text_of(json, "python");
  row.signature = text_of(json, "signature");
  row.summary = text_of(json, "summary");
  return row;
}

Result<Row> row_of_report(const Item& item, const std::string& report) {
  const auto json = ordered_json::parse(report, nullptr, false);
  const auto verdict = json.is_object() ? json.find("verdict") : json.end();
  if (!json.is_object() || verdict == json.end() || !verdict->is_object())
    return Error{ErrorKind::inconsistent, "the report has no verdict"};
  Row row;
  row.item = item;
  row.status = Status::classified;
  row.id = text_of(*verdict, "id");
  row.shape = text_of(*verdict, "shape");
  row.confidence = text_of(*verdict, "confidence");
  row.summary = text_of(*verdict, "summary");
  row.signature = text_of(*verdict, "signature");
  if (const auto answer = verdict->find("ctrl_c"); answer != verdict->end() && answer->is_object())
    row.ctrl_c = text_of(*answer, "answer");
  if (const auto blame = verdict->find("blame"); blame != verdict->end() && blame->is_array()) {
    for (std::size_t i = 0; i < blame->size() && i <= kMostBlamed; ++i) {
      auto frame = text_of((*blame)[i], "frame");
      if (i == 0)
        row.blame = std::move(frame);
      else
        row.also_blamed.push_back(std::move(frame));
    }
  }
  if (const auto target = json.find("target"); target != json.end() && target->is_object())
    row.python = text_of(*target, "python");
  return row;
}

}  // namespace hang::batch
