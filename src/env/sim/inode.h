#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"

namespace millrace::env::sim {

// The bytes of a file, and which of them would survive a power cut.
//
// Pages written since the last sync keep their synced bytes; a crash decides for each of them,
// and for the size, whether the old state, the new, or a part of the new is found afterwards.
class Content {
  public:
    static constexpr std::uint64_t page_size = 4096;
    static constexpr std::uint64_t sector_size = 512;  // never torn

    std::uint64_t size() const { return bytes_.size(); }
    std::size_t read(std::uint64_t offset, MutableBytes into) const;
    void write(std::uint64_t offset, Bytes bytes);
    void truncate(std::uint64_t size);
    void flip_bit(std::uint64_t offset, unsigned bit);

    // What a sync that begins now will have made durable when it ends.
    class Pending {
        friend class Content;
        std::uint64_t version = 0;
        std::uint64_t size = 0;
        std::map<std::uint64_t, std::vector<std::uint8_t>> pages;
    };
    Pending begin_sync() const;
    void end_sync(Pending pending);
    // As Linux does it: the pages count as clean, the next sync succeeds, and they are never
    // written.
    void fail_sync(const Pending& pending);

    void lose_power(Random& random, double torn);
    bool durable() const { return unsynced_.empty() && synced_size_ == bytes_.size(); }

  private:
    struct Unsynced {
        std::vector<std::uint8_t> before;  // a page
        std::uint64_t version = 0;         // of its last write
        bool abandoned = false;            // by a failed sync
    };
    std::vector<std::uint8_t> page(std::uint64_t number) const;
    void touch(std::uint64_t first_page, std::uint64_t end_page);
    void restore(Random& random, double torn);

    std::vector<std::uint8_t> bytes_;
    std::uint64_t synced_size_ = 0;
    std::uint64_t version_ = 0;
    // The shortest the file has been since the last sync, if it was cut at all, and when.
    std::optional<std::uint64_t> cut_to_;
    std::uint64_t cut_version_ = 0;
    std::map<std::uint64_t, Unsynced> unsynced_;
};

struct Inode;
using Entries = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;

// A file or a directory. A directory knows its entries and those that would survive a power cut.
struct Inode {
    bool is_directory = false;
    bool linked = true;                      // found by a name: its bytes take room
    std::optional<std::uint64_t> locked_in;  // the node's boot in which it was locked
    Timestamp modified = 0;                  // by the clock of its machine
    Content content;
    Entries entries;
    Entries durable_entries;
};

}  // namespace millrace::env::sim
