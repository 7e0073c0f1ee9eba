#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/page_access.h"

namespace millrace::env {
class Disk;
class File;
}  // namespace millrace::env

namespace millrace::storage {

// A file of entries of one size, ascending by a key: what .index and .timeindex share. The latest
// entries stay in memory and reach the file in blocks and at trim(); older ones are read back when
// a look-up needs them. While it grows the file is preallocated with zeros, as Apache's are.
class IndexFile {
  public:
    using Key = std::int64_t (*)(const std::uint8_t* entry);

    IndexFile(env::Disk& disk, std::string path, std::size_t entry_size)
        : disk_(disk), path_(std::move(path)), entry_size_(entry_size) {}

    // Takes over what the file holds; zeros at its end are no entries. A missing file is empty.
    Result<> load();
    // Makes an empty file.
    Result<> create();

    std::size_t count() const { return count_; }
    // The file takes this many bytes while it grows, rounded down to whole entries.
    void set_capacity(std::size_t bytes) { capacity_ = bytes / entry_size_; }
    std::size_t capacity() const { return capacity_; }

    Result<> append(Bytes entry);
    // Entry `index` < count() into `into`.
    Result<> read(std::size_t index, MutableBytes into, PageAccess& access);
    // Index of the last entry whose key is not above `target`.
    Result<std::optional<std::size_t>> last_not_above(Key key, std::int64_t target,
                                                      PageAccess& access);
    // Keeps the first `count` entries.
    Result<> truncate(std::size_t count);
    // Brings every entry into the file and cuts it to its real size.
    Result<> trim();

    const std::string& path() const { return path_; }
    void renamed(std::string path) {
        release();
        path_ = std::move(path);
    }
    // Closes the file until it is needed again.
    void release() { file_.reset(); }

  private:
    static constexpr std::size_t tail_most = 512;
    static constexpr std::size_t tail_kept = 256;

    Result<> open();
    Result<> write_tail();
    std::size_t tail_first() const { return count_ - tail_.size() / entry_size_; }

    env::Disk& disk_;
    std::string path_;
    std::size_t entry_size_;
    std::size_t capacity_ = 0;
    std::shared_ptr<env::File> file_;
    std::size_t count_ = 0;
    std::size_t written_ = 0;         // entries that are in the file
    std::vector<std::uint8_t> tail_;  // the latest entries, all that are not written among them
    bool padded_ = false;             // the file is longer than its entries
};

}  // namespace millrace::storage
