#pragma once

#include "env/disk.h"

namespace millrace::env::posix {

// The file systems of this machine. Without state: any thread may use it.
class Disk final : public env::Disk {
  public:
    Result<std::shared_ptr<env::File>> open(std::string_view path, OpenOptions options) override;
    bool exists(std::string_view path) override;
    Result<std::vector<DirectoryEntry>> list(std::string_view directory) override;
    Result<> make_directories(std::string_view path) override;
    Result<> rename(std::string_view from, std::string_view to) override;
    Result<> remove(std::string_view path) override;
    Result<> remove_all(std::string_view path) override;
    Result<> sync_directory(std::string_view path) override;
    Result<Timestamp> modified(std::string_view path) override;
    Result<> set_mode(std::string_view path, unsigned mode) override;
    // Refused while any process holds a lock of POSIX or Linux kind on the file: Apache's, too.
    Result<std::unique_ptr<FileLock>> lock(std::string_view path) override;
    Result<Space> space(std::string_view path) override;
};

}  // namespace millrace::env::posix
