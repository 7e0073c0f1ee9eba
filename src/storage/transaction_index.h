#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "records/batch.h"
#include "storage/offset.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage {

struct AbortedTransaction {
    std::int64_t producer_id = no_producer_id;
    Offset first_offset = no_offset;
    Offset last_offset = no_offset;         // the marker's
    Offset last_stable_offset = no_offset;  // right behind the marker's write

    bool operator==(const AbortedTransaction&) const = default;
};

// N.txnindex (formats 4.3): the transactions whose abort markers the segment holds. The file exists
// only when there are any; its few entries are kept in memory once they were needed.
class TransactionIndex {
  public:
    static constexpr std::size_t entry_size = 34;
    static AbortedTransaction decode(std::span<const std::uint8_t, entry_size> entry);
    // Two bytes are written, of which Kafka's readers look at the first alone.
    static std::int8_t version_of(std::span<const std::uint8_t, entry_size> entry) {
        return static_cast<std::int8_t>(entry[0]);
    }
    static constexpr std::int8_t newest_version = 0;

    TransactionIndex(env::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}

    Result<> append(const AbortedTransaction& transaction);
    Result<const std::vector<AbortedTransaction>*> entries();
    // Transactions whose markers lie at and above `offset` go.
    Result<> truncate_to(Offset offset);
    Result<> clear() { return truncate_to(0); }

    // corrupt_message: an entry ends before `base`, or its version is unknown.
    Result<> check(Offset base);
    bool on_disk() const;
    const std::string& path() const { return path_; }
    void renamed(std::string path) { path_ = std::move(path); }
    void release() {
        loaded_ = false;
        entries_ = {};
    }

  private:
    Result<> load();

    env::Disk& disk_;
    std::string path_;
    bool loaded_ = false;
    std::vector<AbortedTransaction> entries_;
};

}  // namespace millrace::storage
