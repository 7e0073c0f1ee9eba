#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"

namespace millrace::env {

class Shard;
class File;

// co_await file.sync() and file.read_cold(): carried out by a helper thread. Once begun it runs to
// its end even when the caller is cancelled, and hands over its result; under a cancellation that
// was requested before, it does not begin and throws Cancelled.
class FileOperation final : public Wait {
  public:
    enum class Kind { sync, read };
    FileOperation(File& file, Kind kind, std::uint64_t offset, MutableBytes into)
        : file(file), kind(kind), offset(offset), into(into) {}
    Result<std::size_t> await_resume() {
        if (!begun_) throw Cancelled{};
        return std::move(result);
    }

    File& file;
    Kind kind;
    std::uint64_t offset;
    MutableBytes into;
    Result<std::size_t> result = 0;  // set by the world before it completes

  private:
    bool start() override;
    void give_up() override {}
    bool begun_ = false;
};

// An open file. Synchronous calls may block on the device only where the page cache has no room
// or does not hold the page: recovery and small metadata use them freely, the hot path only
// write().
class File {
  public:
    virtual ~File() = default;

    // Reads at `offset` until `into` is full or the file ends; returns the count.
    virtual Result<std::size_t> read(std::uint64_t offset, MutableBytes into) = 0;
    // As read(), but only from memory: nothing where a byte would have to come from the device.
    virtual Result<std::size_t> read_cached(std::uint64_t offset, MutableBytes into,
                                            bool& cached) = 0;
    // Writes all pieces one behind the other at `offset` (one pwritev), or fails. A failed write
    // may have left a part. Durable only after a sync() that began later.
    virtual Result<> write(std::uint64_t offset, std::span<const Bytes> pieces) = 0;
    virtual Result<> truncate(std::uint64_t size) = 0;
    // A hint that these bytes, behind the end of the file, are to be written soon: the file system
    // may find room for them now. Neither size nor content change, and truncate() gives back what
    // is still behind the end.
    virtual void reserve(std::uint64_t /*offset*/, std::uint64_t /*size*/) {}
    virtual Result<std::uint64_t> size() = 0;
    // Blocking fdatasync, for startup and shutdown.
    virtual Result<> sync_now() = 0;

    Result<> write(std::uint64_t offset, Bytes bytes) {
        return write(offset, std::span(&bytes, 1));
    }
    FileOperation sync() { return {*this, FileOperation::Kind::sync, 0, {}}; }
    FileOperation read_cold(std::uint64_t offset, MutableBytes into) {
        return {*this, FileOperation::Kind::read, offset, into};
    }

  protected:
    friend class FileOperation;
    // Begins `operation`, which is completed later on its origin.
    virtual void begin(FileOperation& operation) = 0;
};

inline bool FileOperation::start() {
    begun_ = true;
    file.begin(*this);
    return true;
}

struct OpenOptions {
    bool write = false;
    bool create = false;     // when missing
    bool exclusive = false;  // fail when it exists
    bool truncate = false;
};

struct DirectoryEntry {
    std::string name;
    bool is_directory = false;
    std::uint64_t size = 0;
};

// Held for as long as the object lives; the OS drops it when the process dies.
class FileLock {
  public:
    virtual ~FileLock() = default;
};

// Files by path. Errors carry KAFKA_STORAGE_ERROR and the path with the system's reason.
class Disk {
  public:
    virtual ~Disk() = default;
    virtual Result<std::shared_ptr<File>> open(std::string_view path, OpenOptions options) = 0;
    virtual bool exists(std::string_view path) = 0;
    // Sorted by name, without . and ..
    virtual Result<std::vector<DirectoryEntry>> list(std::string_view directory) = 0;
    virtual Result<> make_directories(std::string_view path) = 0;
    virtual Result<> rename(std::string_view from, std::string_view to) = 0;
    virtual Result<> remove(std::string_view path) = 0;             // a file, or an empty directory
    virtual Result<> remove_all(std::string_view path) = 0;         // a tree; fine when missing
    virtual Result<> sync_directory(std::string_view path) = 0;     // blocking
    virtual Result<Timestamp> modified(std::string_view path) = 0;  // when it was last written to
    virtual Result<> set_mode(std::string_view path, unsigned mode) = 0;
    // duplicate_broker_registration: another process holds it.
    virtual Result<std::unique_ptr<FileLock>> lock(std::string_view path) = 0;
    struct Space {
        std::uint64_t total = 0;
        std::uint64_t usable = 0;
    };
    virtual Result<Space> space(std::string_view path) = 0;
};

// The whole content of a small file (configs, checkpoints); an error above `limit` bytes.
Result<std::string> read_file(Disk& disk, std::string_view path, std::size_t limit = 64 << 20);
// Old or new content, never half: writes path.tmp, syncs it, renames, syncs the directory.
// Blocking.
Result<> replace_file(Disk& disk, std::string_view path, std::string_view content);
// The same on a helper thread.
Task<Result<>> replace_file_async(Shard& shard, std::string path, std::string content);

std::string_view parent_of(std::string_view path);

}  // namespace millrace::env
