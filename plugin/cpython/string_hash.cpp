#include "cpython/string_hash.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace hang::cpython {

namespace {

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
};

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// _Py_HashBytes: 0 for an empty str; -1 means "not made yet", so that it is -2 instead.
std::uint64_t hash_of(std::uint64_t k0, std::uint64_t k1, std::string_view ascii) {
  if (ascii.empty()) return 0;
  const auto hash = siphash13(k0, k1, ascii);
  return hash == UINT64_MAX ? UINT64_MAX - 1 : hash;
}

}  // namespace

std::uint64_t siphash13(std::uint64_t k0, std::uint64_t k1, std::string_view ascii) {
  constexpr int kLastRounds = 3;
  SipState state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  // Words of eight bytes; the last one ends with the length.
  for (std::size_t at = 0; at <= ascii.size(); at += 8) {
    const auto rest = ascii.substr(at, 8);
    std::uint64_t word = 0;
    std::memcpy(&word, rest.data(), rest.size());
    if (rest.size() < 8) word |= static_cast<std::uint64_t>(ascii.size()) << 56;
    state.v3 ^= word;
    state.round();
    state.v0 ^= word;
  }
  state.v2 ^= 0xff;
  for (int i = 0; i < kLastRounds; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

std::optional<std::uint64_t> StringHash::of(std::string_view ascii) const {
  if (!secret_ || ascii.size() < shortest_ || !is_ascii(ascii)) return std::nullopt;
  return hash_of(secret_->k0, secret_->k1, ascii);
}

void StringHash::read_secret() {
  read_ = true;
  const auto place = target_->symbol(*module_, "_Py_HashSecret");
  if (!place) return;
  const auto k0 = read_value<std::uint64_t>(*target_, *place, "_Py_HashSecret.siphash.k0");
  const auto k1 = read_value<std::uint64_t>(*target_, place->field(8), "_Py_HashSecret.siphash.k1");
  if (k0 && k1) secret_ = Secret{*k0, *k1};
}

void StringHash::confirm(std::string_view ascii, std::uint64_t cached) {
  if (ascii.empty() || ascii.size() >= shortest_ || !is_ascii(ascii)) return;
  if (!read_) read_secret();
  if (secret_ && hash_of(secret_->k0, secret_->k1, ascii) == cached) shortest_ = ascii.size();
}

}  // namespace hang::cpython
