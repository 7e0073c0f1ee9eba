#pragma once

#include <atomic>
#include <string>

#include "env/disk.h"
#include "env/posix/descriptor.h"

namespace millrace::env::posix {

class Loop;

// A file of the operating system. The synchronous calls may be made on any thread.
class File final : public env::File {
  public:
    File(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    using env::File::write;
    Result<std::size_t> read(std::uint64_t offset, MutableBytes into) override;
    Result<std::size_t> read_cached(std::uint64_t offset, MutableBytes into, bool& cached) override;
    Result<> write(std::uint64_t offset, std::span<const Bytes> pieces) override;
    Result<> truncate(std::uint64_t size) override;
    // Where the file system is ext4, which else looks for room page by page: a third of the cost of
    // a large write. Others do it ahead by themselves, or have nothing to gain.
    void reserve(std::uint64_t offset, std::uint64_t size) override;
    Result<std::uint64_t> size() override;
    Result<> sync_now() override;

    // Whether the range is in the page cache, as far as the kernel's count of its pages and samples
    // of it tell. True where the file system cannot tell.
    bool seems_cached(std::uint64_t offset, std::uint64_t size);

    // Into the page cache, without a copy; blocks until it is there, and has the device go on with
    // what follows. What lies behind the end of the file is left out.
    Result<> bring_in(std::uint64_t offset, std::uint64_t size);

    int fd() const { return fd_.get(); }
    const std::string& path() const { return path_; }

  private:
    void begin(FileOperation& operation) override;
    void read_exactly();

    Descriptor fd_;
    std::string path_;
    std::atomic<bool> reads_exactly_ = false;
    enum class Reserving : std::uint8_t { unknown, helps, useless };
    Reserving reserving_ = Reserving::unknown;
};

}  // namespace millrace::env::posix
