#include "env/posix/disk.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "env/posix/file.h"
#include "env/posix/system_error.h"

namespace millrace::env::posix {
namespace {

class HeldLock final : public FileLock {
  public:
    explicit HeldLock(Descriptor fd) : fd_(std::move(fd)) {}

  private:
    Descriptor fd_;  // the lock goes with the open file
};

int open_file(const std::string& path, int flags) {
    int fd;
    do {
        fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

}  // namespace

Result<std::shared_ptr<env::File>> Disk::open(std::string_view path, OpenOptions options) {
    std::string name(path);
    int flags = options.write ? O_RDWR : O_RDONLY;
    if (options.create) flags |= O_CREAT;
    if (options.exclusive) flags |= O_CREAT | O_EXCL;
    if (options.truncate) flags |= O_TRUNC;
    Descriptor fd(open_file(name, flags));
    if (!fd.valid()) return storage_failure(fmt::format("opening {}", path), errno);
    return std::make_shared<File>(std::move(fd), std::move(name));
}

bool Disk::exists(std::string_view path) { return ::access(std::string(path).c_str(), F_OK) == 0; }

Result<std::vector<DirectoryEntry>> Disk::list(std::string_view directory) {
    std::string name(directory);
    DIR* stream = ::opendir(name.c_str());
    if (stream == nullptr) return storage_failure(fmt::format("listing {}", directory), errno);
    std::vector<DirectoryEntry> entries;
    errno = 0;
    while (dirent* each = ::readdir(stream)) {
        std::string_view entry = each->d_name;
        struct stat status{};
        // What has gone between reading its name and asking for its size is no entry any more.
        bool there = ::fstatat(::dirfd(stream), each->d_name, &status, 0) == 0;
        if (there && entry != "." && entry != "..") {
            bool is_directory = S_ISDIR(status.st_mode);
            entries.push_back({.name = std::string(entry),
                               .is_directory = is_directory,
                               .size = static_cast<std::uint64_t>(status.st_size)});
        }
        errno = 0;
    }
    int error = errno;
    ::closedir(stream);
    if (error != 0) return storage_failure(fmt::format("listing {}", directory), error);
    std::ranges::sort(entries, {}, &DirectoryEntry::name);
    return entries;
}

Result<> Disk::make_directories(std::string_view path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return storage_failure(fmt::format("creating {}", path), error.value());
    return {};
}

Result<> Disk::rename(std::string_view from, std::string_view to) {
    if (::rename(std::string(from).c_str(), std::string(to).c_str()) != 0) {
        return storage_failure(fmt::format("renaming {} to {}", from, to), errno);
    }
    return {};
}

Result<> Disk::remove(std::string_view path) {
    if (::remove(std::string(path).c_str()) != 0) {
        return storage_failure(fmt::format("removing {}", path), errno);
    }
    return {};
}

Result<> Disk::remove_all(std::string_view path) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return storage_failure(fmt::format("removing {}", path), error.value());
    return {};
}

Result<> Disk::sync_directory(std::string_view path) {
    Descriptor fd(open_file(std::string(path), O_RDONLY | O_DIRECTORY));
    if (!fd.valid() || ::fsync(fd.get()) != 0) {
        return storage_failure(fmt::format("syncing directory {}", path), errno);
    }
    return {};
}

Result<Timestamp> Disk::modified(std::string_view path) {
    struct stat status{};
    if (::stat(std::string(path).c_str(), &status) != 0) {
        return storage_failure(fmt::format("asking when {} was written", path), errno);
    }
    return Timestamp{status.st_mtim.tv_sec} * 1000 + status.st_mtim.tv_nsec / 1'000'000;
}

Result<> Disk::set_mode(std::string_view path, unsigned mode) {
    if (::chmod(std::string(path).c_str(), mode) != 0) {
        return storage_failure(fmt::format("setting the mode of {} to {:o}", path, mode), errno);
    }
    return {};
}

Result<std::unique_ptr<FileLock>> Disk::lock(std::string_view path) {
    Descriptor fd(open_file(std::string(path), O_RDWR | O_CREAT));
    if (!fd.valid()) return storage_failure(fmt::format("opening {}", path), errno);
    // A lock of the open file, not of the process: it conflicts with a second one of this process,
    // and is not lost when the file is opened and closed elsewhere.
    struct flock whole{};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(fd.get(), F_OFD_SETLK, &whole) == 0)
        return std::make_unique<HeldLock>(std::move(fd));
    if (errno == EAGAIN || errno == EACCES) {
        return fail(ErrorCode::duplicate_broker_registration,
                    fmt::format("{} is locked: another process uses this directory; stop it, or "
                                "choose another directory",
                                path));
    }
    return storage_failure(fmt::format("locking {}", path), errno);
}

Result<Disk::Space> Disk::space(std::string_view path) {
    struct statvfs status{};
    if (::statvfs(std::string(path).c_str(), &status) != 0) {
        return storage_failure(fmt::format("finding the free space at {}", path), errno);
    }
    return Space{.total = static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize,
                 .usable = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize};
}

}  // namespace millrace::env::posix
