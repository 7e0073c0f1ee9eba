#include "env/posix/file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/core.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <memory>
#include <optional>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "env/posix/loop.h"
#include "env/posix/system_error.h"
#include "env/posix/workers.h"

namespace millrace::env::posix {
namespace {

// What one sample of seems_cached() stands for: where the kernel counts the pages that are in its
// cache, and samples only tell whether they have been read already; and where it cannot.
constexpr std::uint64_t counted_stride = 256 << 10;
constexpr std::uint64_t sample_stride = 32 << 10;
// What bring_in() has the device read beyond what it waits for.
constexpr std::uint64_t read_ahead = 512 << 10;

// cachestat(2), of Linux 6.5, which no C library of Debian 12 knows.
constexpr long cachestat_call = 451;
struct CacheRange {
    std::uint64_t offset;
    std::uint64_t size;
};
struct CacheStatistics {
    std::uint64_t cached;  // pages, as all that follow
    std::uint64_t dirty;
    std::uint64_t writeback;
    std::uint64_t evicted;
    std::uint64_t recently_evicted;
};

// How many pages of the range are in the page cache; nothing where the kernel cannot tell.
std::optional<std::uint64_t> pages_in_cache(int fd, std::uint64_t offset, std::uint64_t size) {
    static std::atomic<bool> known = true;
    if (!known.load(std::memory_order_relaxed)) return std::nullopt;
    CacheRange range{offset, size};
    CacheStatistics found{};
    if (::syscall(cachestat_call, fd, &range, &found, 0) == 0) return found.cached;
    if (errno == ENOSYS) known.store(false, std::memory_order_relaxed);
    return std::nullopt;
}

class OperationJob final : public Job {
  public:
    explicit OperationJob(FileOperation& operation)
        : Job(operation.kind == FileOperation::Kind::sync ? Kind::sync : Kind::brief),
          operation_(operation) {}

    void work() override {
        if (operation_.kind == FileOperation::Kind::read) {
            operation_.result = operation_.file.read(operation_.offset, operation_.into);
        } else if (Result<> synced = operation_.file.sync_now(); !synced) {
            operation_.result = fail(std::move(synced).error());
        }
    }
    void receive(Shard&) override {
        std::unique_ptr<OperationJob> self(this);
        operation_.complete();
    }

  private:
    FileOperation& operation_;
};

}  // namespace

void File::begin(FileOperation& operation) {
    // Not by the executor: that may be one that measures a request.
    Loop& loop = *Loop::current();
    loop.workers().give(loop, *new OperationJob(operation));
}

Result<std::size_t> File::read(std::uint64_t offset, MutableBytes into) {
    std::size_t filled = 0;
    while (filled < into.size()) {
        ssize_t count = ::pread(fd(), into.data() + filled, into.size() - filled,
                                static_cast<off_t>(offset + filled));
        if (count == 0) break;
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            return storage_failure(
                fmt::format("reading {} bytes at {} of {}", into.size(), offset, path_), errno);
        }
        filled += static_cast<std::size_t>(count);
    }
    return filled;
}

Result<std::size_t> File::read_cached(std::uint64_t offset, MutableBytes into, bool& cached) {
    read_exactly();
    cached = true;
    std::size_t filled = 0;
    while (filled < into.size()) {
        iovec piece{into.data() + filled, into.size() - filled};
        ssize_t count = ::preadv2(fd(), &piece, 1, static_cast<off_t>(offset + filled), RWF_NOWAIT);
        if (count == 0) break;
        if (count > 0) {
            filled += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN) {
            cached = false;
            break;
        } else if (errno == EOPNOTSUPP) {
            // File systems in memory do not know the flag, and need it least.
            ASSIGN_OR_RETURN(std::size_t rest, read(offset + filled, into.subspan(filled)));
            return filled + rest;
        } else if (errno != EINTR) {
            return storage_failure(
                fmt::format("reading {} bytes at {} of {}", into.size(), offset, path_), errno);
        }
    }
    return filled;
}

Result<> File::write(std::uint64_t offset, std::span<const Bytes> pieces) {
    std::size_t next = 0;  // the first piece with unwritten bytes,
    std::size_t done = 0;  // of which this many are written
    while (next < pieces.size()) {
        iovec vector[IOV_MAX];
        int count = 0;
        std::size_t skip = done;
        for (std::size_t i = next; i < pieces.size() && count < IOV_MAX; ++i) {
            vector[count++] = {const_cast<std::uint8_t*>(pieces[i].data()) + skip,
                               pieces[i].size() - skip};
            skip = 0;
        }
        ssize_t written = ::pwritev(fd(), vector, count, static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            return storage_failure(fmt::format("writing at {} of {}", offset, path_), errno);
        }
        offset += static_cast<std::uint64_t>(written);
        done += static_cast<std::size_t>(written);
        while (next < pieces.size() && done >= pieces[next].size()) done -= pieces[next++].size();
    }
    return {};
}

Result<> File::truncate(std::uint64_t size) {
    int failed;
    do {
        failed = ::ftruncate(fd(), static_cast<off_t>(size));
    } while (failed != 0 && errno == EINTR);
    if (failed != 0) {
        return storage_failure(fmt::format("truncating {} to {} bytes", path_, size), errno);
    }
    return {};
}

void File::reserve(std::uint64_t offset, std::uint64_t size) {
    if (reserving_ == Reserving::unknown) {
        struct statfs system{};
        bool helps = ::fstatfs(fd(), &system) == 0 && system.f_type == EXT4_SUPER_MAGIC;
        reserving_ = helps ? Reserving::helps : Reserving::useless;
    }
    if (reserving_ == Reserving::useless) return;
    // Without room the write will say so.
    (void)::fallocate(fd(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                      static_cast<off_t>(size));
}

Result<std::uint64_t> File::size() {
    struct stat status{};
    if (::fstat(fd(), &status) != 0) {
        return storage_failure(fmt::format("finding the size of {}", path_), errno);
    }
    return static_cast<std::uint64_t>(status.st_size);
}

Result<> File::sync_now() {
    // An interrupted sync is not started again: whether it lost anything cannot be known.
    if (::fdatasync(fd()) != 0) return storage_failure(fmt::format("syncing {}", path_), errno);
    return {};
}

// The kernel's read-ahead is of any length (8 MiB on some devices), goes on from any page that has
// been read, and is prepared by whoever touches that page: the loop would spend milliseconds on it.
void File::read_exactly() {
    if (reads_exactly_.load(std::memory_order_relaxed)) return;
    reads_exactly_.store(true, std::memory_order_relaxed);
    ::posix_fadvise(fd(), 0, 0, POSIX_FADV_RANDOM);
}

// The pages are handed on to nowhere: that fetches them, and nobody copies them.
Result<> File::bring_in(std::uint64_t offset, std::uint64_t size) {
    static const Descriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    ::posix_fadvise(fd(), static_cast<off_t>(offset), static_cast<off_t>(size + read_ahead),
                    POSIX_FADV_WILLNEED);
    std::uint64_t end = offset + size;
    auto at = static_cast<off_t>(offset);
    while (static_cast<std::uint64_t>(at) < end) {
        std::size_t rest = end - static_cast<std::uint64_t>(at);
        ssize_t moved = ::sendfile(nowhere.get(), fd(), &at, rest);
        if (moved == 0) break;
        if (moved > 0 || errno == EINTR) continue;
        if (errno != EINVAL && errno != ENOSYS) {
            return storage_failure(fmt::format("reading {} bytes at {} of {}", rest, at, path_),
                                   errno);
        }
        Buffer scratch(rest);  // a file system without splice()
        scratch.resize(rest);
        RETURN_IF_ERROR(read(static_cast<std::uint64_t>(at), scratch.mutable_bytes()));
        break;
    }
    return {};
}

bool File::seems_cached(std::uint64_t offset, std::uint64_t size) {
    read_exactly();
    std::uint64_t end = offset + size;
    std::uint64_t stride = sample_stride;
    if (auto cached = pages_in_cache(fd(), offset, size)) {
        static const auto page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        if (*cached < (end - 1) / page_size - offset / page_size + 1) return false;
        stride = counted_stride;
    }
    for (std::uint64_t at = offset; at < end;) {
        std::uint8_t byte;
        iovec piece{&byte, 1};
        if (::preadv2(fd(), &piece, 1, static_cast<off_t>(at), RWF_NOWAIT) < 0 && errno == EAGAIN) {
            return false;
        }
        if (at == end - 1) break;
        at = std::min((at / stride + 1) * stride, end - 1);
    }
    return true;
}

}  // namespace millrace::env::posix
