#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/remote/object_store.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage::remote {

// Objects as files below a directory, which every node of a cluster mounts: key a/b is the file
// DIRECTORY/a/b. What is being put lies in DIRECTORY/uploads~NODE/ until it is whole and synced;
// no key can name that.
class DirectoryStore final : public ObjectStore {
  public:
    // `path` has to exist: on a mount that is missing, segments would go to the wrong disk. What
    // `node_id` left of unfinished puts goes. Blocking.
    static Result<std::unique_ptr<DirectoryStore>> open(env::Disk& disk, std::string path,
                                                        std::int32_t node_id);

    Result<> put(std::string_view key, ObjectSource& source) override;
    Result<Buffer> get(std::string_view key, std::uint64_t offset, std::uint64_t size) override;
    Result<> remove(std::string_view key) override;
    Result<std::vector<std::string>> list(std::string_view prefix) override;
    void stop() override { stopped_ = true; }

  private:
    DirectoryStore(env::Disk& disk, std::string path, std::string uploads)
        : disk_(disk), path_(std::move(path)), uploads_(std::move(uploads)) {}

    Result<> write(std::string_view file, ObjectSource& source);
    Result<> place(std::string_view file, std::string_view key);
    Result<> sync_parents(std::string_view key);
    Result<> add_below(const std::string& folder, std::string_view prefix,
                       std::vector<std::string>& keys);
    std::string file_of(std::string_view key) const;

    env::Disk& disk_;
    std::string path_;
    std::string uploads_;
    std::atomic<std::uint64_t> puts_{0};  // names the files in uploads_
    std::atomic<bool> stopped_{false};
};

}  // namespace millrace::storage::remote
