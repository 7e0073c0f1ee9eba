#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace millrace::env {
class File;
}

namespace millrace::storage::remote {

// Bytes that are put as an object. Read on helper threads, by one at a time; they stay as they are
// until the put is over.
class ObjectSource {
  public:
    virtual ~ObjectSource() = default;
    virtual std::uint64_t size() const = 0;
    // [offset, offset + into.size()), which lies within size(). kafka_storage_error when the bytes
    // are not there: a file became shorter, or cannot be read.
    virtual Result<> read(std::uint64_t offset, MutableBytes into) = 0;
};

// The first `size` bytes of a file.
class FileSource final : public ObjectSource {
  public:
    // `name` is for errors.
    FileSource(std::shared_ptr<env::File> file, std::string name, std::uint64_t size)
        : file_(std::move(file)), name_(std::move(name)), size_(size) {}
    std::uint64_t size() const override { return size_; }
    Result<> read(std::uint64_t offset, MutableBytes into) override;

  private:
    std::shared_ptr<env::File> file_;
    std::string name_;
    std::uint64_t size_;
};

// Bytes in memory.
class MemorySource final : public ObjectSource {
  public:
    explicit MemorySource(Slice bytes) : bytes_(std::move(bytes)) {}
    std::uint64_t size() const override { return bytes_.size(); }
    Result<> read(std::uint64_t offset, MutableBytes into) override;

  private:
    Slice bytes_;
};

// One source behind the other.
class JoinedSource final : public ObjectSource {
  public:
    explicit JoinedSource(std::vector<ObjectSource*> pieces);
    std::uint64_t size() const override { return size_; }
    Result<> read(std::uint64_t offset, MutableBytes into) override;

  private:
    std::vector<ObjectSource*> pieces_;
    std::uint64_t size_ = 0;
};

}  // namespace millrace::storage::remote
