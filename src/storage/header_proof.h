#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "storage/leader_epochs.h"
#include "storage/offset.h"

namespace millrace::env {
class File;
}

namespace millrace::storage {

// Batches in [begin, end) of a segment, whose headers have been walked. `next`: what follows them
// begins there or above.
struct ProvenRange {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    Offset next = 0;
};

// What is trusted of a segment: base offset, length, leader epoch and magic of a batch are outside
// its CRC, so that what was not written by this process is walked before a reader gets it.
class ProvenHeaders {
  public:
    // Of a segment that this process writes: all.
    ProvenHeaders() = default;
    // Nothing of these many bytes that lie in a file; all of what is written behind them.
    explicit ProvenHeaders(std::uint32_t found) : found_(found) {}

    bool complete() const { return found_ == 0; }
    // Where the bytes end that lay in the file.
    std::uint32_t found() const { return found_; }
    // That which holds `position`.
    const ProvenRange* range_at(std::uint32_t position) const;
    // How far is trusted from the batch at `position` on, of a segment of `size` bytes; `position`
    // where it is not.
    std::uint32_t end_from(std::uint32_t position, std::uint32_t size) const;
    void add(ProvenRange range);
    // The segment is cut.
    void cut(std::uint32_t size);
    // False where that has been noted last: it is told once.
    bool note_broken(std::uint32_t position) {
        return std::exchange(broken_, position) != position;
    }

  private:
    std::uint32_t found_ = 0;
    std::vector<ProvenRange> ranges_;  // ascending, apart from each other
    std::optional<std::uint32_t> broken_;
};

struct HeaderWalkOutcome {
    ProvenRange proven;
    std::optional<Error> broken;  // corrupt_message: what begins at proven.end cannot be right
};

// A walk over headers, for a helper thread: offsets rise without overlap, lengths chain, leader
// epochs are those of the log.
struct HeaderWalk {
    std::shared_ptr<env::File> file;
    Offset base = 0;             // of the segment
    std::uint32_t position = 0;  // where it begins
    Offset least = 0;            // which the first batch may begin with
    bool indexed = false;        // the index says the same of the first batch
    std::uint32_t end = 0;       // of the bytes that were found
    Offset bound = 0;            // above all offsets in them
    Offset wanted = 0;           // goes on to the batch that holds this offset
    std::uint64_t bytes = 0;     // and so far from its beginning on
    LeaderEpochs epochs;

    // kafka_storage_error: the file cannot be read.
    Result<HeaderWalkOutcome> run() const;
};

// What is to be walked before a read.
struct UnprovenHeaders {
    HeaderWalk walk;
    bool first_is_proven = false;  // the batch that is read first; what follows it is not
};

}  // namespace millrace::storage
