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

#include "base/shared_library.h"

namespace hang::coredumps {
namespace {

// SD_MESSAGE_COREDUMP (sd-messages.h)
constexpr const char* kMatch = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1";
constexpr std::size_t kMostRecords = 1'000'000;
constexpr std::size_t kMostText = std::size_t{16} << 20, kMostCore = std::size_t{1} << 30;

// The few functions of libsystemd that are used; it brings four libraries more.
class Libsystemd {
 public:
  // Null where the library or one of these functions is missing.
  static const Libsystemd* get() {
    static const Libsystemd library;
    return library.complete_ ? &library : nullptr;
  }

  decltype(&sd_journal_open) open = nullptr;
  decltype(&sd_journal_open_directory) open_directory = nullptr;
  decltype(&sd_journal_close) close = nullptr;
  decltype(&sd_journal_add_match) add_match = nullptr;
  decltype(&sd_journal_seek_head) seek_head = nullptr;
  decltype(&sd_journal_seek_cursor) seek_cursor = nullptr;
  decltype(&sd_journal_test_cursor) test_cursor = nullptr;
  decltype(&sd_journal_next) next = nullptr;
  decltype(&sd_journal_get_cursor) get_cursor = nullptr;
  decltype(&sd_journal_get_data) get_data = nullptr;
  decltype(&sd_journal_get_realtime_usec) get_realtime_usec = nullptr;
  decltype(&sd_journal_set_data_threshold) set_data_threshold = nullptr;

 private:
  Libsystemd()
      : complete_(
            library_.bind(open, "sd_journal_open") && library_.bind(open_directory, "sd_journal_open_directory") &&
            library_.bind(close, "sd_journal_close") && library_.bind(add_match, "sd_journal_add_match") &&
            library_.bind(seek_head, "sd_journal_seek_head") && library_.bind(seek_cursor, "sd_journal_seek_cursor") &&
            library_.bind(test_cursor, "sd_journal_test_cursor") && library_.bind(next, "sd_journal_next") &&
            library_.bind(get_cursor, "sd_journal_get_cursor") && library_.bind(get_data, "sd_journal_get_data") &&
            library_.bind(get_realtime_usec, "sd_journal_get_realtime_usec") &&
            library_.bind(set_data_threshold, "sd_journal_set_data_threshold")) {}

  SharedLibrary library_{"libsystemd.so.0"};
  bool complete_;
};

// An open journal; its functions are those of the library that opened it.
class Journal {
 public:
  Journal(const Libsystemd& library, sd_journal* journal) : library_(&library), journal_(journal, library.close) {}
  const Libsystemd* operator->() const { return library_; }
  sd_journal* get() const { return journal_.get(); }

 private:
  const Libsystemd* library_;
  std::unique_ptr<sd_journal, decltype(&sd_journal_close)> journal_;
};

Error failed(const std::string& folder, const char* doing, int code) {
  return Error{ErrorKind::io, fmt::format("cannot {} {}: {}", doing, folder.empty() ? "the system's journal" : folder,
                                          std::strerror(-code))};
}

Result<Journal> open_journal(const std::string& folder) {
  const auto* library = Libsystemd::get();
  if (library == nullptr) return Error{ErrorKind::io, "cannot read a journal: there is no usable libsystemd.so.0 here"};
  sd_journal* journal = nullptr;
  const int code = folder.empty() ? library->open(&journal, SD_JOURNAL_LOCAL_ONLY)
                                  : library->open_directory(&journal, folder.c_str(), 0);
  if (code < 0) return failed(folder, "open the journal", code);
  return Journal(*library, journal);
}

// The library packs large fields; it unpacks no more than `most` of one.
std::optional<std::string> field(const Journal& journal, const std::string& name, std::size_t most) {
  journal->set_data_threshold(journal.get(), most + name.size() + 2);
  const void* data = nullptr;
  std::size_t size = 0;
  if (journal->get_data(journal.get(), name.c_str(), &data, &size) < 0) return std::nullopt;
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

std::optional<Record> record_here(const Journal& journal) {
  constexpr std::size_t kMostName = 4096;
  constexpr std::int64_t kMostTime = INT64_MAX / 1000;  // rows have nanoseconds
  Record record;
  char* cursor = nullptr;
  if (journal->get_cursor(journal.get(), &cursor) < 0) return std::nullopt;
  record.cursor = cursor;
  std::free(cursor);
  record.file = field(journal, "COREDUMP_FILENAME", kMostName).value_or("");
  record.pid = number<std::uint64_t>(field(journal, "COREDUMP_PID", 32)).value_or(0);
  auto time = number<std::int64_t>(field(journal, "COREDUMP_TIMESTAMP", 32));
  std::uint64_t logged = 0;
  if (!time && journal->get_realtime_usec(journal.get(), &logged) >= 0) time = static_cast<std::int64_t>(logged);
  if (time && *time > 0 && *time < kMostTime) record.time_us = *time;
  return record;
}

}  // namespace

Result<std::vector<Record>> list_records(const std::string& folder) {
  auto opened = open_journal(folder);
  if (!opened) return opened.error();
  const Journal& journal = *opened;
  if (const int code = journal->add_match(journal.get(), kMatch, 0); code < 0)
    return failed(folder, "search the journal", code);
  std::vector<Record> records;
  journal->seek_head(journal.get());
  while (journal->next(journal.get()) > 0 && records.size() < kMostRecords)
    if (auto record = record_here(journal)) records.push_back(std::move(*record));
  return records;
}

Result<Fields> read_fields(const std::string& folder, const std::string& cursor,
                           const std::vector<std::string>& names) {
  auto opened = open_journal(folder);
  if (!opened) return opened.error();
  const Journal& journal = *opened;
  if (journal->seek_cursor(journal.get(), cursor.c_str()) < 0 || journal->next(journal.get()) <= 0 ||
      journal->test_cursor(journal.get(), cursor.c_str()) <= 0)
    return Error{ErrorKind::io, "the record is no longer in the journal"};
  Fields fields;
  for (const auto& name : names)
    if (auto text = field(journal, name, name == "COREDUMP" ? kMostCore : kMostText))
      fields.emplace(name, std::move(*text));
  return fields;
}

}  // namespace hang::coredumps
