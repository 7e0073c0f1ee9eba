#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"
#include "base/result.h"
#include "records/batch.h"

namespace millrace {

struct RecordHeader {
    std::string_view key;
    std::optional<Bytes> value;

    bool operator==(const RecordHeader& other) const;
};

// The headers of one record, still encoded; the reader has checked them, so that walking them
// cannot fail.
class RecordHeaders {
  public:
    RecordHeaders() = default;
    // `encoded` holds exactly `count` well-formed headers.
    RecordHeaders(std::int32_t count, Bytes encoded) : count_(count), encoded_(encoded) {}

    class Iterator {
      public:
        using value_type = RecordHeader;
        using difference_type = std::ptrdiff_t;
        Iterator() = default;
        Iterator(std::int32_t left, Bytes encoded);
        const RecordHeader& operator*() const { return header_; }
        const RecordHeader* operator->() const { return &header_; }
        Iterator& operator++();
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const { return left_ == 0; }

      private:
        void load();
        std::int32_t left_ = 0;
        Bytes rest_;
        RecordHeader header_;
    };

    std::int32_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    Bytes encoded() const { return encoded_; }
    Iterator begin() const { return Iterator(count_, encoded_); }
    std::default_sentinel_t end() const { return {}; }

  private:
    std::int32_t count_ = 0;
    Bytes encoded_;
};

struct Record {
    std::int64_t offset = 0;
    Timestamp timestamp = no_timestamp;
    std::optional<Bytes> key;
    std::optional<Bytes> value;
    RecordHeaders headers;
    // As encoded, inside the compressed stream.
    std::size_t size = 0;
    std::int32_t sequence = no_sequence;
};

// Reads the records of one batch in order. Of an uncompressed batch, or over a payload inflated
// before, key, value and headers are views into those bytes; of a compressed one they hold until
// the next call of next().
//   RecordReader reader(batch);
//   while (true) {
//       ASSIGN_OR_RETURN(const Record* record, reader.next());
//       if (record == nullptr) break;
//   }
class RecordReader {
  public:
    // A compressed batch may inflate to `limit` bytes, and a single record of it takes memory as
    // its bytes arrive.
    explicit RecordReader(const BatchView& batch, std::size_t limit = default_inflated_limit);
    // Over the inflated payload of the batch (see inflate).
    RecordReader(const BatchView& batch, Bytes inflated);
    RecordReader(RecordReader&& other) noexcept;
    RecordReader& operator=(RecordReader&& other) noexcept;
    ~RecordReader();

    // nullptr behind the last one. invalid_record: records that do not hold together, or more or
    // fewer than the header says. unknown_server_error: an unknown codec or a broken stream.
    Result<const Record*> next();

  private:
    class Source;
    std::unexpected<Error> refuse(std::string_view reason) const;
    Result<> parse(Bytes body, std::size_t prefix_size);
    Result<const Record*> next_in_place();
    Result<const Record*> next_of_stream();

    Bytes rest_;
    std::unique_ptr<Source> source_;
    Record record_;
    std::int64_t base_offset_;
    Timestamp base_timestamp_;
    std::optional<Timestamp> append_time_;
    std::int32_t base_sequence_;
    std::int32_t count_;
    std::int32_t read_ = 0;
    int codec_id_ = 0;
    std::size_t held_ = 0;
};

// The records of a batch as one piece of memory: a view of `batch` itself when it is not
// compressed, a new one otherwise. Records read over it live as long as it does.
Result<Slice> inflate(const Slice& batch, std::size_t limit = default_inflated_limit);

// Calls visit(const Record&) for each; visit returns void or Result<>.
template <typename Visit>
Result<> for_each_record(const BatchView& batch, Visit&& visit) {
    RecordReader reader(batch);
    while (true) {
        ASSIGN_OR_RETURN(const Record* record, reader.next());
        if (record == nullptr) return {};
        if constexpr (std::is_void_v<decltype(visit(*record))>) {
            visit(*record);
        } else {
            RETURN_IF_ERROR(visit(*record));
        }
    }
}

// What the key of a control record says (KIP-98, KIP-595, KIP-630, KIP-853). Types that are not
// known are to be skipped.
enum class ControlType : std::int16_t {
    abort = 0,
    commit = 1,
    leader_change = 2,
    snapshot_header = 3,
    snapshot_footer = 4,
    kraft_version = 5,
    kraft_voters = 6,
};
inline bool is_known(ControlType type) {
    return type >= ControlType::abort && type <= ControlType::kraft_voters;
}
// invalid_record: no key, or one shorter than 4 bytes.
Result<ControlType> control_type(const Record& record);

// A transaction marker: the single record of a control batch with a producer id.
struct TransactionMarker {
    ControlType type = ControlType::abort;  // abort or commit
    std::int32_t coordinator_epoch = 0;
};
// invalid_record: another type, or a value that is no EndTxnMarker.
Result<TransactionMarker> transaction_marker(const BatchView& batch);

}  // namespace millrace
