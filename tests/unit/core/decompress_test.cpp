// Compressed cores: each format, whole, cut off and broken.
#include "hosts/core/decompress.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4frame.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "core_builder.h"

namespace hang::core {
namespace {

using test::TemporaryFile;

using Pack = std::string (*)(const std::string& bytes);

std::string zstd(const std::string& bytes) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), 1));
  return packed;
}
std::string lz4(const std::string& bytes) {
  std::string packed(LZ4F_compressFrameBound(bytes.size(), nullptr), '\0');
  packed.resize(LZ4F_compressFrame(packed.data(), packed.size(), bytes.data(), bytes.size(), nullptr));
  return packed;
}
std::string xz(const std::string& bytes) {
  std::string packed(lzma_stream_buffer_bound(bytes.size()), '\0');
  std::size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                    bytes.size(), reinterpret_cast<std::uint8_t*>(packed.data()), &size, packed.size()),
            LZMA_OK);
  packed.resize(size);
  return packed;
}
std::string gzip(const std::string& bytes) {
  const TemporaryFile file;
  gzFile out = gzopen(file.path().c_str(), "wb");
  EXPECT_EQ(gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(out);
  std::ifstream in(file.path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Some pages that do not compress well, and holes.
std::string core_like() {
  std::string bytes;
  unsigned seed = 1;
  for (int page = 0; page < 300; ++page)
    for (int i = 0; i < 4096; ++i)
      bytes += page % 3 == 0 ? '\0' : static_cast<char>((seed = seed * 1103515245 + 12345) >> 16);
  return bytes + "the end";
}

std::string content(int fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t count = 0; (count = pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0;)
    text.append(buffer, static_cast<std::size_t>(count));
  close(fd);
  return text;
}

struct Format {
  const char* name;
  Compression compression;
  Pack pack;
};

class Decompress : public testing::TestWithParam<Format> {};

TEST_P(Decompress, GivesBackWhatWasPacked) {
  const std::string bytes = core_like();
  const TemporaryFile file(GetParam().pack(bytes));
  ASSERT_EQ(compression_of(file.path()), GetParam().compression);
  auto unpacked = unpack(file.path(), GetParam().compression);
  ASSERT_TRUE(unpacked.ok()) << unpacked.error().message;
  EXPECT_FALSE(unpacked->flaw);
  EXPECT_EQ(content(unpacked->fd), bytes);
}

TEST_P(Decompress, OneFileAfterTheOther) {
  const TemporaryFile file(GetParam().pack("first") + GetParam().pack("second"));
  auto unpacked = unpack(file.path(), GetParam().compression);
  ASSERT_TRUE(unpacked.ok()) << unpacked.error().message;
  EXPECT_FALSE(unpacked->flaw) << *unpacked->flaw;
  EXPECT_EQ(content(unpacked->fd), "firstsecond");
}

TEST_P(Decompress, CutOffGivesTheBeginningAndSaysSo) {
  const std::string bytes = core_like(), packed = GetParam().pack(bytes);
  for (std::size_t size = 0; size < packed.size(); size += 1 + packed.size() / 50) {
    const TemporaryFile file(packed.substr(0, size));
    auto unpacked = unpack(file.path(), GetParam().compression);
    if (!unpacked) continue;
    EXPECT_TRUE(unpacked->flaw) << size;
    EXPECT_TRUE(bytes.starts_with(content(unpacked->fd))) << size;
  }
}

TEST_P(Decompress, BrokenBytesAreNoCrash) {
  const std::string packed = GetParam().pack(core_like().substr(0, 20'000));
  for (std::size_t at = 0; at < packed.size(); at += 1 + packed.size() / 200) {
    std::string broken = packed;
    broken[at] = static_cast<char>(broken[at] ^ 0x55);
    const TemporaryFile file(broken);
    auto unpacked = unpack(file.path(), GetParam().compression);
    if (unpacked) close(unpacked->fd);
  }
}

TEST_P(Decompress, ZerosBecomeAHole) {
  const TemporaryFile file(GetParam().pack(std::string(64 << 20, '\0')));
  auto unpacked = unpack(file.path(), GetParam().compression);
  ASSERT_TRUE(unpacked.ok());
  struct stat status {};
  ASSERT_EQ(fstat(unpacked->fd, &status), 0);
  EXPECT_EQ(status.st_size, 64 << 20);
  EXPECT_LT(status.st_blocks, 100);
  close(unpacked->fd);
}

std::string format_name(const testing::TestParamInfo<Format>& format) {
  return format.param.name;
}

INSTANTIATE_TEST_SUITE_P(Formats, Decompress,
                         testing::Values(Format{"zstd", Compression::zstd, zstd}, Format{"lz4", Compression::lz4, lz4},
                                         Format{"xz", Compression::xz, xz}, Format{"gzip", Compression::gzip, gzip}),
                         format_name);

TEST(Compression, IsToldByTheFirstBytes) {
  EXPECT_EQ(compression_of("/nowhere"), Compression::none);
  EXPECT_EQ(compression_of("/tmp"), Compression::none);
  EXPECT_EQ(compression_of("/proc/self/exe"), Compression::none);
}

TEST(Compression, WithoutATemporaryFolderItSaysSo) {
  const TemporaryFile file(zstd("x"));
  setenv("TMPDIR", "/nowhere", 1);
  auto unpacked = unpack(file.path(), Compression::zstd);
  unsetenv("TMPDIR");
  ASSERT_FALSE(unpacked.ok());
  EXPECT_EQ(unpacked.error().kind, ErrorKind::io);
  EXPECT_THAT(unpacked.error().message, testing::HasSubstr("temporary file"));
}

}  // namespace
}  // namespace hang::core
