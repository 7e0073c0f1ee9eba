#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "storage/index_file.h"
#include "storage/offset.h"

namespace millrace::storage {

// N.index (formats 4.1): the last offset of some batches, and where each begins.
class OffsetIndex {
  public:
    static constexpr std::size_t entry_size = 8;
    struct Entry {
        Offset offset = 0;
        std::uint32_t position = 0;
        bool operator==(const Entry&) const = default;
    };

    OffsetIndex(env::Disk& disk, std::string path, Offset base)
        : file_(disk, std::move(path), entry_size), base_(base) {}

    IndexFile& file() { return file_; }
    std::size_t count() const { return file_.count(); }
    bool full() const { return file_.count() >= file_.capacity(); }
    Result<> append(const Entry& entry);
    Result<Entry> entry(std::size_t index, PageAccess& access);
    // The last entry at or below `offset`; the segment's beginning when there is none.
    Result<Entry> find(Offset offset, PageAccess& access);
    // The same with the entry behind it; none behind the last one.
    struct Neighbours {
        Entry at;
        std::optional<Entry> next;
    };
    Result<Neighbours> find_neighbours(Offset offset, PageAccess& access);
    // The first entry of a batch at or behind `position`; the first one of all has to be behind it.
    Result<std::optional<Entry>> find_position(std::uint64_t position, PageAccess& access);
    // Entries at and above `offset` go.
    Result<> truncate_to(Offset offset);

  private:
    IndexFile file_;
    Offset base_;
};

}  // namespace millrace::storage
