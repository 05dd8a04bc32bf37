#include "hosts/core/decompress.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <lz4frame.h>
#include <lzma.h>
#include <memory>
#include <span>
#include <string_view>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>
#include <vector>
#include <zlib.h>
#include <zstd.h>

namespace hang::core {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kChunk = 256 << 10, kPage = 4096;
constexpr std::uint64_t kMaxSize = 64ULL << 30;
// Of a decoder: what --ultra and --long of the usual programs need, and no more.
constexpr std::uint64_t kMaxDecoder = 160U << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// The packed file, chunk by chunk.
class Input {
 public:
  explicit Input(int fd) : fd_(fd), buffer_(kChunk) {}

  // The next bytes; empty at the end.
  std::span<const std::uint8_t> next() {
    ssize_t count = 0;
    do count = ::read(fd_, buffer_.data(), buffer_.size());
    while (count < 0 && errno == EINTR);
    return {buffer_.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
  }

 private:
  int fd_;
  std::vector<std::uint8_t> buffer_;
};

// The unpacked file. Holes for zeros: a sparse core stays one.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) {
    struct statvfs status {};
    if (fstatvfs(fd, &status) == 0) room_ = std::uint64_t{status.f_bavail} * status.f_frsize;
  }

  // False if there is no more room; full() says so.
  bool put(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const auto page = bytes.first(std::min(bytes.size(), kPage - size_ % kPage));
      const bool zeros = std::all_of(page.begin(), page.end(), [](std::uint8_t byte) { return byte == 0; });
      if (!zeros && !write(page)) return false;
      size_ += page.size();
      if (size_ > kMaxSize) return fail(fmt::format("it unpacks to more than {} GiB", kMaxSize >> 30));
      bytes = bytes.subspan(page.size());
    }
    return true;
  }
  [[nodiscard]] bool finish() { return ftruncate(fd_, static_cast<off_t>(size_)) == 0; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::string& full() const { return full_; }

 private:
  bool fail(std::string why) {
    full_ = std::move(why);
    return false;
  }
  bool write(std::span<const std::uint8_t> bytes) {
    constexpr std::uint64_t kSpare = 64U << 20;  // others need some too
    if (room_ && (written_ += bytes.size()) + kSpare > *room_)
      return fail(fmt::format("there is no room for it where TMPDIR points to ({} MiB free)", *room_ >> 20));
    const ssize_t count = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (count == static_cast<ssize_t>(bytes.size())) return true;
    return fail(count < 0 ? std::strerror(errno) : "the disk is full");
  }

  int fd_;
  std::uint64_t size_ = 0, written_ = 0;
  std::optional<std::uint64_t> room_;
  std::string full_;
};

// Each returns why it ended early, or nothing.
using Flaw = std::optional<std::string>;
constexpr const char* kCutOff = "the compressed file is cut off";

Flaw broken(const char* why) {
  return fmt::format("the compressed file is broken: {}", why);
}

Flaw unpack_zstd(Input& input, Output& output) {
  const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  std::vector<std::uint8_t> buffer(kChunk);
  std::size_t left = 0;  // 0 = between frames
  for (auto bytes = input.next(); !bytes.empty(); bytes = input.next()) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool more = true;
    while (in.pos < in.size || more) {
      ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
      left = ZSTD_decompressStream(stream.get(), &out, &in);
      if (ZSTD_isError(left) != 0) return broken(ZSTD_getErrorName(left));
      if (!output.put({buffer.data(), out.pos})) return std::nullopt;
      more = out.pos == out.size;
    }
  }
  return left == 0 ? std::nullopt : Flaw(kCutOff);
}

Flaw unpack_lz4(Input& input, Output& output) {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0) return broken("no memory");
  const std::unique_ptr<LZ4F_dctx, std::size_t (*)(LZ4F_dctx*)> owner(context, LZ4F_freeDecompressionContext);
  std::vector<std::uint8_t> buffer(kChunk);
  std::size_t left = 0;
  for (auto bytes = input.next(); !bytes.empty(); bytes = input.next()) {
    bool more = true;
    while (!bytes.empty() || more) {
      std::size_t taken = bytes.size(), made = buffer.size();
      left = LZ4F_decompress(context, buffer.data(), &made, bytes.data(), &taken, nullptr);
      if (LZ4F_isError(left) != 0) return broken(LZ4F_getErrorName(left));
      if (!output.put({buffer.data(), made})) return std::nullopt;
      bytes = bytes.subspan(taken);
      more = made == buffer.size();
    }
  }
  return left == 0 ? std::nullopt : Flaw(kCutOff);
}

Flaw unpack_xz(Input& input, Output& output) {
  lzma_stream stream = LZMA_STREAM_INIT;
  const std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> owner(&stream, lzma_end);
  if (lzma_stream_decoder(&stream, kMaxDecoder, LZMA_CONCATENATED) != LZMA_OK) return broken("no memory");
  std::vector<std::uint8_t> buffer(kChunk);
  for (;;) {
    const auto bytes = input.next();
    stream.next_in = bytes.data();
    stream.avail_in = bytes.size();
    do {
      stream.next_out = buffer.data();
      stream.avail_out = buffer.size();
      const auto result = lzma_code(&stream, bytes.empty() ? LZMA_FINISH : LZMA_RUN);
      if (!output.put({buffer.data(), buffer.size() - stream.avail_out})) return std::nullopt;
      if (result == LZMA_STREAM_END) return std::nullopt;
      if (result == LZMA_BUF_ERROR) return kCutOff;
      if (result != LZMA_OK) return broken(result == LZMA_MEMLIMIT_ERROR ? "it takes too much memory" : "no xz data");
    } while (stream.avail_in > 0 || stream.avail_out == 0);
  }
}

Flaw unpack_gzip(Input& input, Output& output) {
  constexpr int kGzip = 16 + MAX_WBITS;
  z_stream stream{};
  if (inflateInit2(&stream, kGzip) != Z_OK) return broken("no memory");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  std::vector<std::uint8_t> buffer(kChunk);
  int result = Z_OK;
  for (auto bytes = input.next(); !bytes.empty(); bytes = input.next()) {
    stream.next_in = const_cast<std::uint8_t*>(bytes.data());  // zlib's own signature; it only reads
    stream.avail_in = static_cast<unsigned>(bytes.size());
    do {
      if (result == Z_STREAM_END && inflateReset(&stream) != Z_OK) return broken("no memory");  // a further member
      stream.next_out = buffer.data();
      stream.avail_out = static_cast<unsigned>(buffer.size());
      result = inflate(&stream, Z_NO_FLUSH);
      if (!output.put({buffer.data(), buffer.size() - stream.avail_out})) return std::nullopt;
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return broken(stream.msg != nullptr ? stream.msg : "no gzip data");
    } while (stream.avail_in > 0 || (stream.avail_out == 0 && result != Z_STREAM_END));
  }
  return result == Z_STREAM_END ? std::nullopt : Flaw(kCutOff);
}

Flaw unpack_into(Compression compression, Input& input, Output& output) {
  switch (compression) {
    case Compression::zstd: return unpack_zstd(input, output);
    case Compression::lz4: return unpack_lz4(input, output);
    case Compression::xz: return unpack_xz(input, output);
    case Compression::gzip: return unpack_gzip(input, output);
    case Compression::none: break;
  }
  return broken("it is not compressed");
}

}  // namespace

int temporary_file() {
  const char* wanted = std::getenv("TMPDIR");
  const std::string folder = wanted != nullptr && *wanted != '\0' ? wanted : "/tmp";
  const int fd = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  std::string name = folder + "/hang-core-XXXXXX";  // a file system without O_TMPFILE
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) unlink(name.c_str());
  return named;
}

Compression compression_of(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 6> head{};
  const ssize_t count = file.get() < 0 ? 0 : pread(file.get(), head.data(), head.size(), 0);
  const std::string_view text(head.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (text.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::zstd;
  if (text.starts_with("\x04\x22\x4d\x18"sv)) return Compression::lz4;
  if (text.starts_with("\xfd"
                       "7zXZ"sv))
    return Compression::xz;
  if (text.starts_with("\x1f\x8b"sv)) return Compression::gzip;
  return Compression::none;
}

Result<Unpacked> unpack(const std::string& path, Compression compression) {
  const auto refuse = [&](const std::string& why) {
    return Error{ErrorKind::io, fmt::format("{} cannot be unpacked: {}", path, why)};
  };
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return refuse(std::strerror(errno));
  Descriptor unpacked(temporary_file());
  if (unpacked.get() < 0) return refuse(std::string("no temporary file: ") + std::strerror(errno));
  Input input(file.get());
  Output output(unpacked.get());
  Flaw flaw = unpack_into(compression, input, output);
  if (!output.full().empty()) return refuse(output.full());
  if (!output.finish()) return refuse(std::strerror(errno));
  if (output.size() == 0) return refuse(flaw.value_or("it holds nothing"));
  return Unpacked{unpacked.release(), std::move(flaw)};
}

}  // namespace hang::core
