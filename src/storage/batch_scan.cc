#include "storage/batch_scan.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "env/disk.h"

namespace millrace::storage {
namespace {

constexpr std::size_t piece_size = std::size_t{1} << 20U;

// Size of the batch whose header begins `header`.
Result<std::uint64_t> size_of(Bytes header, std::uint32_t position) {
    auto magic = static_cast<std::int8_t>(header[batch_layout::magic]);
    auto length = load_be<std::int32_t>(header.data() + batch_layout::length);
    if ((magic == 0 || magic == 1) && length > 0) {
        return fail(ErrorCode::unsupported_for_message_format,
                    fmt::format("the batch at byte {} has magic {}, which Millrace does not read",
                                position, magic));
    }
    auto delta = load_be<std::int32_t>(header.data() + batch_layout::last_offset_delta);
    auto base = load_be<Offset>(header.data());
    std::int64_t size = std::int64_t{length} + static_cast<std::int64_t>(batch_prefix_size);
    bool sound = magic == current_magic && size >= static_cast<std::int64_t>(batch_header_size) &&
                 delta >= 0 && base >= 0 && base <= std::numeric_limits<Offset>::max() - delta - 1;
    if (!sound) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("at byte {} no batch begins", position));
    }
    return static_cast<std::uint64_t>(size);
}

}  // namespace

Result<bool> HeaderScan::fill() {
    if (end_ - position_ < batch_header_size) return false;
    bool inside = position_ >= window_position_ &&
                  position_ + batch_header_size <= window_position_ + window_.size();
    if (inside) return true;
    bool moves_little = !window_.empty() && position_ >= window_position_ &&
                        position_ - window_position_ <= window_.size() + sparse_window / 4;
    if (moves_little && access_.blocks()) dense_.resize(dense_window);
    MutableBytes into = dense_.empty() ? MutableBytes(sparse_) : MutableBytes(dense_);
    into = into.first(std::min<std::size_t>(into.size(), end_ - position_));
    ASSIGN_OR_RETURN(std::size_t count, access_.read(file_, position_, into));
    window_position_ = position_;
    window_ = into.first(count);
    return count >= batch_header_size;
}

Result<std::optional<BatchPlace>> HeaderScan::next() {
    if (position_ >= end_) return std::nullopt;
    ASSIGN_OR_RETURN(bool filled, fill());
    if (!filled) return std::nullopt;
    header_ = window_.subspan(position_ - window_position_, batch_header_size);
    ASSIGN_OR_RETURN(std::uint64_t size, size_of(header_, position_));
    if (size > end_ - position_) return std::nullopt;
    BatchView batch = BatchView::trusted(header_);
    BatchPlace place{batch.base_offset(),
                     batch.last_offset(),
                     position_,
                     static_cast<std::uint32_t>(size),
                     batch.count() == 0 ? no_timestamp : batch.max_timestamp(),
                     batch.leader_epoch()};
    position_ += static_cast<std::uint32_t>(size);
    return place;
}

Result<std::optional<BatchView>> HeaderScan::batch(Slice& whole) {
    BatchView headed = BatchView::trusted(header_);
    if (!headed.is_control() && !headed.is_transactional()) return headed;
    Buffer buffer(headed.size());
    buffer.resize(headed.size());
    auto position = position_ - static_cast<std::uint32_t>(headed.size());
    ASSIGN_OR_RETURN(std::size_t count, access_.read(file_, position, buffer.mutable_bytes()));
    if (count < headed.size()) return std::nullopt;
    whole = std::move(buffer).freeze();
    return BatchView::trusted(whole.bytes());
}

Result<> BatchScan::fill(std::size_t least) {
    std::size_t behind = position_ - buffer_position_;
    std::size_t held = buffer_.size() - std::min(behind, buffer_.size());
    if (held > 0) std::memmove(buffer_.data(), buffer_.data() + behind, held);
    std::size_t wanted = std::min<std::size_t>(std::max(least, piece_size), end_ - position_);
    buffer_.resize(std::max(wanted, held));
    buffer_position_ = position_;
    MutableBytes rest = buffer_.mutable_bytes().subspan(held);
    ASSIGN_OR_RETURN(std::size_t count, file_->read(position_ + held, rest));
    buffer_.resize(held + count);
    return {};
}

Result<std::optional<BatchView>> BatchScan::next() {
    auto held = [&] { return buffer_.bytes().subspan(position_ - buffer_position_); };
    if (held().size() < batch_header_size) {
        if (end_ - position_ < batch_header_size) return std::nullopt;
        RETURN_IF_ERROR(fill(batch_header_size));
        if (held().size() < batch_header_size) return std::nullopt;
    }
    ASSIGN_OR_RETURN(std::uint64_t size, size_of(held(), position_));
    if (size > end_ - position_) return std::nullopt;
    if (held().size() < size) {
        RETURN_IF_ERROR(fill(size));
        if (held().size() < size) return std::nullopt;
    }
    BatchView batch = BatchView::trusted(held().first(size));
    position_ += static_cast<std::uint32_t>(size);
    return batch;
}

}  // namespace millrace::storage
