#include "hosts/coredumps/records.h"

namespace hang::coredumps {
namespace {

Error not_built() {
  return Error{ErrorKind::usage, "--coredumpctl: this hang was built without libsystemd (HANG_JOURNAL=OFF)"};
}

}  // namespace

Result<std::vector<Record>> list_records(const std::string&) {
  return not_built();
}

Result<Fields> read_fields(const std::string&, const std::string&, const std::vector<std::string>&) {
  return not_built();
}

}  // namespace hang::coredumps
