#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace millrace::env {
class Disk;
class File;
}  // namespace millrace::env

namespace millrace::server {

// A file that is read from front to back, or here and there, through one window in memory: as large
// as the largest piece that was asked for and that the file really holds.
class FileWindow {
  public:
    // Reads come in pieces of this size at least; those of indexes hold one whole, as a rule.
    static constexpr std::size_t log_piece = 256U << 10U;
    static constexpr std::size_t index_piece = 16U << 20U;

    static Result<FileWindow> open(env::Disk& disk, const std::string& path,
                                   std::size_t piece = log_piece);

    const std::string& path() const { return path_; }
    // As the file was when it was opened.
    std::uint64_t size() const { return size_; }
    // `size` bytes at `position`, or those that the file has there; valid until the next call.
    Result<Bytes> at(std::uint64_t position, std::size_t size);
    // CRC32C of a range of any size.
    Result<std::uint32_t> checksum(std::uint64_t position, std::uint64_t size);

  private:
    FileWindow(std::shared_ptr<env::File> file, std::string path, std::uint64_t size,
               std::size_t piece)
        : file_(std::move(file)), path_(std::move(path)), size_(size), piece_(piece) {}
    Result<> load(std::uint64_t begin, std::uint64_t end);

    std::shared_ptr<env::File> file_;
    std::string path_;
    std::uint64_t size_;
    std::size_t piece_;
    Buffer buffer_;
    std::uint64_t begin_ = 0;  // place in the file of the buffer's first byte
};

// "dir/name.log" → "name.log"
std::string_view file_name(std::string_view path);
// The offset that a file's name says in front of its first dot. invalid_request: it says none.
Result<std::int64_t> named_offset(std::string_view path);
// The file of the same segment with another suffix: "dir/5.index", ".log" → "dir/5.log".
std::string sibling(std::string_view path, std::string_view suffix);

}  // namespace millrace::server
