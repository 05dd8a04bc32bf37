#include "support/fake_target.h"

#include <algorithm>

namespace hang::test {

FakeTarget::Page& FakeTarget::page_of(std::uint64_t address) {
  auto& page = pages_[address / kPage];
  if (!page) page = std::make_unique<Page>();
  return *page;
}

void FakeTarget::put_bytes(RemoteAddr at, std::span<const std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint64_t address = at.raw() + i;
    Page& page = page_of(address);
    page.bytes[address % kPage] = bytes[i];
    page.present.set(address % kPage);
  }
}

void FakeTarget::put_string(RemoteAddr at, std::string_view text) {
  put_bytes(at, std::as_bytes(std::span(text)));
  put(at.field(text.size()), '\0');
}

void FakeTarget::put_zeros(RemoteAddr at, std::uint64_t size) {
  put_bytes(at, std::vector<std::byte>(size));
}

RemoteAddr FakeTarget::allocate(std::uint64_t size) {
  const RemoteAddr at(next_free_);
  // A hole after each allocation, so that reading past an object fails instead of finding the next one.
  next_free_ = (next_free_ + size + 64) / 16 * 16;
  put_zeros(at, size);
  return at;
}

void FakeTarget::remove(RemoteAddr at, std::uint64_t size) {
  for (std::uint64_t address = at.raw(); address < at.raw() + size; ++address) {
    auto page = pages_.find(address / kPage);
    if (page != pages_.end()) page->second->present.reset(address % kPage);
  }
}

void FakeTarget::fail_at(RemoteAddr at, std::uint64_t size) {
  faults_.push_back({at, size, false});
}

std::vector<RemoteAddr> FakeTarget::failures_not_visited() const {
  std::vector<RemoteAddr> missed;
  for (const Fault& fault : faults_)
    if (!fault.visited) missed.push_back(fault.begin);
  return missed;
}

bool FakeTarget::faulty(RemoteAddr address) const {
  return std::any_of(faults_.begin(), faults_.end(),
                     [&](const Fault& fault) { return address.within(fault.begin, fault.size); });
}

void FakeTarget::note_visit(RemoteAddr address, std::uint64_t size) {
  for (Fault& fault : faults_)
    if (fault.begin.within(address, size) || address.within(fault.begin, fault.size)) fault.visited = true;
}

Result<std::size_t> FakeTarget::read(RemoteAddr address, std::span<std::byte> out) {
  ++reads_;
  if (dead_) return *dead_;
  note_visit(address, out.size());
  std::size_t done = 0;
  for (; done < out.size(); ++done) {
    const auto at = address.plus(done);
    if (!at || (!faults_.empty() && faulty(*at))) break;
    auto page = pages_.find(at->raw() / kPage);
    if (page == pages_.end() || !page->second->present.test(at->raw() % kPage)) break;
    out[done] = page->second->bytes[at->raw() % kPage];
  }
  if (done == 0 && !out.empty()) return Error{ErrorKind::unreadable, "no memory there", address};
  return done;
}

Result<std::vector<Module>> FakeTarget::modules() {
  if (dead_) return *dead_;
  return modules_;
}

Result<std::vector<TargetThread>> FakeTarget::threads() {
  if (dead_) return *dead_;
  return threads_;
}

Result<RemoteAddr> FakeTarget::symbol(const Module& module, std::string_view name) {
  if (dead_) return *dead_;
  auto found = symbols_.find({module.path, std::string(name)});
  if (found == symbols_.end())
    return Error{ErrorKind::no_symbols, module.path + " does not define " + std::string(name)};
  return found->second;
}

Result<MemberLayout> FakeTarget::member(std::string_view type, std::string_view path) {
  if (dead_) return *dead_;
  const std::string field = std::string(type) + "." + std::string(path);
  if (members_.empty()) return Error{ErrorKind::no_symbols, "no debug information", {}, field};
  auto found = members_.find({std::string(type), std::string(path)});
  if (found == members_.end()) return Error{ErrorKind::absent_field, "no such member", {}, field};
  return found->second;
}

void FakeTarget::add_code_symbol(RemoteAddr begin, std::uint64_t size, std::string name, std::string module) {
  code_.push_back({begin, size, std::move(name), std::move(module)});
}

Result<CodeSymbol> FakeTarget::code_symbol(RemoteAddr pc) {
  if (dead_) return *dead_;
  for (const Code& code : code_)
    if (pc.within(code.begin, code.size)) return CodeSymbol{code.name, code.module, pc.raw() - code.begin.raw()};
  return Error{ErrorKind::no_symbols, "no symbol covers this address", pc};
}

}  // namespace hang::test
