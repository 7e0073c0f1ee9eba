#pragma once

#include <memory>
#include <string>

#include "env/disk.h"
#include "env/sim/inode.h"

namespace millrace::env::sim {

class Disk;

// An open file of a simulated disk. Dead after its node has crashed.
class File final : public env::File, public std::enable_shared_from_this<File> {
  public:
    File(Disk& disk, std::shared_ptr<Inode> inode, std::string path, bool writable);

    using env::File::write;
    Result<std::size_t> read(std::uint64_t offset, MutableBytes into) override;
    Result<std::size_t> read_cached(std::uint64_t offset, MutableBytes into, bool& cached) override;
    Result<> write(std::uint64_t offset, std::span<const Bytes> pieces) override;
    Result<> truncate(std::uint64_t size) override;
    Result<std::uint64_t> size() override;
    Result<> sync_now() override;

  private:
    void begin(FileOperation& operation) override;
    Result<> check_usable(std::string_view what) const;
    Result<> finish_sync(Content::Pending pending, std::string_view what);

    Disk& disk_;
    std::shared_ptr<Inode> inode_;
    std::string path_;
    bool writable_;
    std::uint64_t boot_;  // of the node when this was opened
};

}  // namespace millrace::env::sim
