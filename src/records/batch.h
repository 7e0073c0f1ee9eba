#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "records/compression.h"

namespace millrace {

enum class TimestampType : std::uint8_t { create_time = 0, log_append_time = 1 };

inline constexpr std::int64_t no_producer_id = -1;
inline constexpr std::int16_t no_producer_epoch = -1;
inline constexpr std::int32_t no_sequence = -1;
inline constexpr std::int32_t no_leader_epoch = -1;
inline constexpr Timestamp no_timestamp = -1;
inline constexpr std::int8_t current_magic = 2;

// Where the fields of a batch of magic 2 lie (KIP-98). Base offset, length, leader epoch, magic
// and the CRC itself are outside the CRC.
namespace batch_layout {
inline constexpr std::size_t base_offset = 0;
inline constexpr std::size_t length = 8;
inline constexpr std::size_t leader_epoch = 12;
inline constexpr std::size_t magic = 16;
inline constexpr std::size_t crc = 17;
inline constexpr std::size_t attributes = 21;
inline constexpr std::size_t last_offset_delta = 23;
inline constexpr std::size_t base_timestamp = 27;
inline constexpr std::size_t max_timestamp = 35;
inline constexpr std::size_t producer_id = 43;
inline constexpr std::size_t producer_epoch = 51;
inline constexpr std::size_t base_sequence = 53;
inline constexpr std::size_t count = 57;
}  // namespace batch_layout

// Size of the header of a batch, and so of the smallest batch.
inline constexpr std::size_t batch_header_size = 61;
// Base offset and length: what a total size is more than the length field.
inline constexpr std::size_t batch_prefix_size = 12;

namespace batch_attributes {
inline constexpr std::uint16_t codec_mask = 0x07;
inline constexpr std::uint16_t log_append_time = 0x08;
inline constexpr std::uint16_t transactional = 0x10;
inline constexpr std::uint16_t control = 0x20;
inline constexpr std::uint16_t delete_horizon = 0x40;
}  // namespace batch_attributes

// Sequences run from 0 to 2^31-1 and start again at 0.
constexpr std::int32_t advance_sequence(std::int32_t sequence, std::int32_t by) {
    auto sum = static_cast<std::uint32_t>(sequence) + static_cast<std::uint32_t>(by);
    return static_cast<std::int32_t>(sum & 0x7fffffffU);
}

// One batch of magic 2, seen in place: the bytes outlive the view. Every accessor reads the header
// and is cheap.
class BatchView {
  public:
    // The first batch of `bytes`; what lies behind it is not looked at. Only the frame is
    // checked: the CRC and the records are not. corrupt_message: no batch begins so.
    // unsupported_for_message_format: a batch of magic 0 or 1. Cut short: nullopt from `first`,
    // corrupt_message from `parse`.
    static Result<std::optional<BatchView>> first(Bytes bytes);
    static Result<BatchView> parse(Bytes bytes);
    // Size of the batch that begins with `header`, of which frame_header_size bytes suffice, for
    // whoever must know how much to read; nullopt when there are fewer. Errors as of `first`.
    static Result<std::optional<std::size_t>> frame_size(Bytes header);
    static constexpr std::size_t frame_header_size = batch_layout::crc;
    // Bytes known to be one whole batch, of which only the header need be in memory.
    static BatchView trusted(Bytes header) { return BatchView(header); }

    Bytes bytes() const { return bytes_; }
    // What the batch takes in a log, 12 bytes more than the length field.
    std::size_t size() const { return batch_prefix_size + static_cast<std::uint32_t>(length()); }
    std::int64_t base_offset() const { return get<std::int64_t>(batch_layout::base_offset); }
    // May wrap where the header is nonsense; validation refuses those.
    std::int64_t last_offset() const {
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(base_offset()) +
                                         static_cast<std::uint64_t>(last_offset_delta()));
    }
    std::int64_t next_offset() const {
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(last_offset()) + 1);
    }
    std::int32_t last_offset_delta() const {
        return get<std::int32_t>(batch_layout::last_offset_delta);
    }
    std::int32_t length() const { return get<std::int32_t>(batch_layout::length); }
    std::int32_t leader_epoch() const { return get<std::int32_t>(batch_layout::leader_epoch); }
    std::int8_t magic() const { return static_cast<std::int8_t>(bytes_[batch_layout::magic]); }
    std::uint32_t crc() const { return get<std::uint32_t>(batch_layout::crc); }

    std::uint16_t attributes() const { return get<std::uint16_t>(batch_layout::attributes); }
    int codec_id() const { return attributes() & batch_attributes::codec_mask; }
    // nullopt: an id that no codec has.
    std::optional<Codec> codec() const { return codec_of_id(codec_id()); }
    TimestampType timestamp_type() const {
        return has(batch_attributes::log_append_time) ? TimestampType::log_append_time
                                                      : TimestampType::create_time;
    }
    bool is_transactional() const { return has(batch_attributes::transactional); }
    bool is_control() const { return has(batch_attributes::control); }
    bool has_delete_horizon() const { return has(batch_attributes::delete_horizon); }
    std::optional<Timestamp> delete_horizon() const {
        return has_delete_horizon() ? std::optional(base_timestamp()) : std::nullopt;
    }

    // With a delete horizon the base timestamp is that horizon.
    Timestamp base_timestamp() const { return get<Timestamp>(batch_layout::base_timestamp); }
    Timestamp max_timestamp() const { return get<Timestamp>(batch_layout::max_timestamp); }
    std::int64_t producer_id() const { return get<std::int64_t>(batch_layout::producer_id); }
    // Kafka takes ids below -1 for none, too.
    bool has_producer_id() const { return producer_id() > no_producer_id; }
    std::int16_t producer_epoch() const { return get<std::int16_t>(batch_layout::producer_epoch); }
    std::int32_t base_sequence() const { return get<std::int32_t>(batch_layout::base_sequence); }
    std::int32_t last_sequence() const {
        return base_sequence() == no_sequence
                   ? no_sequence
                   : advance_sequence(base_sequence(), last_offset_delta());
    }
    std::int32_t count() const { return get<std::int32_t>(batch_layout::count); }
    // The records, compressed or not.
    Bytes payload() const { return bytes_.subspan(batch_header_size); }

    std::uint32_t computed_crc() const;
    // corrupt_message when the stored CRC is not that of the bytes.
    Result<> verify_crc() const;

  private:
    explicit BatchView(Bytes bytes) : bytes_(bytes) {}
    template <typename T>
    T get(std::size_t at) const {
        return load_be<T>(bytes_.data() + at);
    }
    bool has(std::uint16_t bit) const { return (attributes() & bit) != 0; }

    Bytes bytes_;
};

// Walks batches that lie back to back.
//   BatchReader reader(bytes);
//   while (true) {
//       ASSIGN_OR_RETURN(std::optional<BatchView> batch, reader.next());
//       if (!batch) break;
//   }
class BatchReader {
  public:
    explicit BatchReader(Bytes bytes) : bytes_(bytes) {}

    // nullopt at the end and before a batch that is cut short (rest() is then not empty).
    Result<std::optional<BatchView>> next();
    // Where the next batch begins, and the bytes from there on.
    std::size_t position() const { return position_; }
    Bytes rest() const { return bytes_.subspan(position_); }

  private:
    Bytes bytes_;
    std::size_t position_ = 0;
};

// Changes in place; `batch` begins with a batch that BatchView::parse takes.
// Outside the CRC:
void set_base_offset(MutableBytes batch, std::int64_t offset);
void set_leader_epoch(MutableBytes batch, std::int32_t epoch);
// Inside it. set_max_timestamp leaves everything as it is when nothing changes; otherwise it
// writes the type's bit, the timestamp and the CRC, and clears the attribute bits that have no
// meaning, as Apache does.
void set_max_timestamp(MutableBytes batch, TimestampType type, Timestamp max_timestamp);
void set_producer(MutableBytes batch, std::int64_t id, std::int16_t epoch, std::int32_t sequence);
void refresh_crc(MutableBytes batch);

}  // namespace millrace
