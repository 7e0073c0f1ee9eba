#pragma once

#include <string>

#include "base/time.h"
#include "storage/index_file.h"
#include "storage/offset.h"

namespace millrace::storage {

// N.timeindex (formats 4.2): the largest timestamp up to some places, and the last offset of the
// batch that has it. Ascends in both.
class TimeIndex {
  public:
    static constexpr std::size_t entry_size = 12;
    struct Entry {
        Timestamp timestamp = -1;
        Offset offset = 0;
        bool operator==(const Entry&) const = default;
    };

    TimeIndex(env::Disk& disk, std::string path, Offset base)
        : file_(disk, std::move(path), entry_size), base_(base) {}

    IndexFile& file() { return file_; }
    std::size_t count() const { return file_.count(); }
    // One entry is kept free for the end of the segment.
    bool full() const { return file_.count() + 1 >= file_.capacity(); }
    // Left out when its timestamp is not above the last entry's.
    Result<> append(const Entry& entry);
    Result<Entry> entry(std::size_t index, PageAccess& access);
    // -1 and the base offset when the index is empty.
    Result<Entry> last(PageAccess& access);
    // The last entry whose timestamp is not above `timestamp`; as last() when there is none.
    Result<Entry> find(Timestamp timestamp, PageAccess& access);
    // Entries at and above `offset` go.
    Result<> truncate_to(Offset offset);

  private:
    IndexFile file_;
    Offset base_;
};

}  // namespace millrace::storage
