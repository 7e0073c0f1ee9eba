#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "records/batch.h"
#include "storage/offset.h"
#include "storage/page_access.h"

namespace millrace::storage {

// Where a batch lies in its segment, and what look-ups ask of its header.
struct BatchPlace {
    Offset base_offset = 0;
    Offset last_offset = 0;
    std::uint32_t position = 0;
    std::uint32_t size = 0;
    Timestamp max_timestamp = no_timestamp;  // of records: none in an empty batch
    std::int32_t leader_epoch = no_leader_epoch;
};

// Walks the headers of the batches in [position, end) of a file, reading little else.
class HeaderScan {
  public:
    HeaderScan(std::shared_ptr<env::File> file, std::uint32_t position, std::uint32_t end,
               PageAccess& access)
        : file_(std::move(file)), position_(position), end_(end), access_(access) {}

    // nullopt at the end and before a batch that the end cuts short. corrupt_message: no batch;
    // unsupported_for_message_format: one of magic 0 or 1.
    Result<std::optional<BatchPlace>> next();
    void seek(std::uint32_t position) { position_ = position; }
    // Of the batch returned last; until the next call.
    Bytes header() const { return header_; }
    // The batch returned last, of which the header alone is there; one of a transaction, or that
    // ends one, is read whole into `whole`. nullopt where the file ends within it.
    Result<std::optional<BatchView>> batch(Slice& whole);
    // Whether what batch() has read whole is what was written.
    static bool is_sound(const Slice& whole) {
        return whole.empty() || BatchView::trusted(whole).verify_crc().has_value();
    }

  private:
    static constexpr std::size_t sparse_window = std::size_t{4} << 10U;
    static constexpr std::size_t dense_window = std::size_t{64} << 10U;

    Result<bool> fill();

    std::shared_ptr<env::File> file_;
    std::uint32_t position_;
    std::uint32_t end_;
    PageAccess& access_;
    std::array<std::uint8_t, sparse_window> sparse_;
    std::vector<std::uint8_t> dense_;  // in use once batches are small against a window
    Bytes window_;
    std::uint32_t window_position_ = 0;
    Bytes header_;
};

// Visits the batches in [position, end) until `visit(place) -> Result<bool>` says stop. Where the
// first one does not end at `last_offset`, as an index told it, the index is not believed, and the
// walk begins at the file's beginning.
template <typename Visit>
Result<> scan_batches(std::shared_ptr<env::File> file, Offset last_offset, std::uint32_t position,
                      std::uint32_t end, PageAccess& access, Visit visit) {
    HeaderScan scan(std::move(file), std::min(position, end), end, access);
    bool proven = position == 0;
    while (true) {
        auto place = scan.next();
        bool wrong = !place ? place.error().code != ErrorCode::kafka_storage_error
                            : !*place || (*place)->last_offset != last_offset;
        if (!proven && wrong) {
            scan.seek(0);
            proven = true;
            continue;
        }
        if (!place) return fail(std::move(place).error());
        proven = true;
        if (!*place) return {};
        ASSIGN_OR_RETURN(bool go_on, visit(**place));
        if (!go_on) return {};
    }
}

// Walks whole batches, reading a file in large pieces. Memory follows the largest batch that the
// file really holds.
class BatchScan {
  public:
    BatchScan(std::shared_ptr<env::File> file, std::uint32_t position, std::uint32_t end)
        : file_(std::move(file)), position_(position), end_(end), buffer_position_(position) {}

    // As HeaderScan; the view lasts until the next call. The CRC is not checked.
    Result<std::optional<BatchView>> next();
    // Where the batch after the last returned one begins.
    std::uint32_t position() const { return position_; }

  private:
    Result<> fill(std::size_t least);

    std::shared_ptr<env::File> file_;
    std::uint32_t position_;
    std::uint32_t end_;
    Buffer buffer_;
    std::uint32_t buffer_position_;  // place in the file of the buffer's first byte
};

}  // namespace millrace::storage
