#include "hosts/coredumps/records.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string_view>
#include <systemd/sd-journal.h>
#include <utility>

namespace hang::coredumps {
namespace {

// SD_MESSAGE_COREDUMP (sd-messages.h)
constexpr const char* kMatch = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1";
constexpr std::size_t kMostRecords = 1'000'000;
constexpr std::size_t kMostText = std::size_t{16} << 20, kMostCore = std::size_t{1} << 30;

struct Closer {
  void operator()(sd_journal* journal) const { sd_journal_close(journal); }
};
using Journal = std::unique_ptr<sd_journal, Closer>;

Error failed(const std::string& folder, const char* doing, int code) {
  return Error{ErrorKind::io, fmt::format("cannot {} {}: {}", doing, folder.empty() ? "the system's journal" : folder,
                                          std::strerror(-code))};
}

Result<Journal> open_journal(const std::string& folder) {
  sd_journal* journal = nullptr;
  const int code = folder.empty() ? sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY)
                                  : sd_journal_open_directory(&journal, folder.c_str(), 0);
  if (code < 0) return failed(folder, "open the journal", code);
  return Journal(journal);
}

// The library packs large fields; it unpacks no more than `most` of one.
std::optional<std::string> field(sd_journal* journal, const std::string& name, std::size_t most) {
  sd_journal_set_data_threshold(journal, most + name.size() + 2);
  const void* data = nullptr;
  std::size_t size = 0;
  if (sd_journal_get_data(journal, name.c_str(), &data, &size) < 0) return std::nullopt;
  if (size <= name.size() || size - name.size() - 1 > most) return std::nullopt;
  return std::string(static_cast<const char*>(data) + name.size() + 1, size - name.size() - 1);
}

template <typename Number>
std::optional<Number> number(const std::optional<std::string>& text) {
  Number value{};
  if (!text || text->empty()) return std::nullopt;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) return std::nullopt;
  return value;
}

std::optional<Record> record_here(sd_journal* journal) {
  constexpr std::size_t kMostName = 4096;
  constexpr std::int64_t kMostTime = INT64_MAX / 1000;  // rows have nanoseconds
  Record record;
  char* cursor = nullptr;
  if (sd_journal_get_cursor(journal, &cursor) < 0) return std::nullopt;
  record.cursor = cursor;
  std::free(cursor);
  record.file = field(journal, "COREDUMP_FILENAME", kMostName).value_or("");
  record.pid = number<std::uint64_t>(field(journal, "COREDUMP_PID", 32)).value_or(0);
  auto time = number<std::int64_t>(field(journal, "COREDUMP_TIMESTAMP", 32));
  std::uint64_t logged = 0;
  if (!time && sd_journal_get_realtime_usec(journal, &logged) >= 0) time = static_cast<std::int64_t>(logged);
  if (time && *time > 0 && *time < kMostTime) record.time_us = *time;
  return record;
}

}  // namespace

Result<std::vector<Record>> list_records(const std::string& folder) {
  auto journal = open_journal(folder);
  if (!journal) return journal.error();
  if (const int code = sd_journal_add_match(journal->get(), kMatch, 0); code < 0)
    return failed(folder, "search the journal", code);
  std::vector<Record> records;
  sd_journal_seek_head(journal->get());
  while (sd_journal_next(journal->get()) > 0 && records.size() < kMostRecords)
    if (auto record = record_here(journal->get())) records.push_back(std::move(*record));
  return records;
}

Result<Fields> read_fields(const std::string& folder, const std::string& cursor,
                           const std::vector<std::string>& names) {
  auto journal = open_journal(folder);
  if (!journal) return journal.error();
  if (sd_journal_seek_cursor(journal->get(), cursor.c_str()) < 0 || sd_journal_next(journal->get()) <= 0 ||
      sd_journal_test_cursor(journal->get(), cursor.c_str()) <= 0)
    return Error{ErrorKind::io, "the record is no longer in the journal"};
  Fields fields;
  for (const auto& name : names)
    if (auto text = field(journal->get(), name, name == "COREDUMP" ? kMostCore : kMostText))
      fields.emplace(name, std::move(*text));
  return fields;
}

}  // namespace hang::coredumps
