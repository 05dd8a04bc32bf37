// StoredCore: a core of systemd-coredump, made ready to be classified.
#pragma once

#include <string>

#include "base/result.h"
#include "facts/facts.h"
#include "hosts/coredumps/records.h"

namespace hang::cli {

// What the item of a record is called: its file, or "journal:PID@MICROSECONDS".
std::string name_of(const coredumps::Record& record);

class StoredCore {
 public:
  // Reads the fields of the record; a core that is in the journal goes into a file without a name. Errors: `io`, also
  // where the core is gone, with what the fields say of it.
  static Result<StoredCore> open(const std::string& folder, const coredumps::Record& record);

  StoredCore(StoredCore&& other) noexcept;
  StoredCore& operator=(StoredCore&&) = delete;
  StoredCore(const StoredCore&) = delete;
  StoredCore& operator=(const StoredCore&) = delete;
  ~StoredCore();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const facts::Snapshot& sidecar() const { return sidecar_; }

 private:
  StoredCore() = default;

  int fd_ = -1;
  std::string path_;
  facts::Snapshot sidecar_;
};

}  // namespace hang::cli
