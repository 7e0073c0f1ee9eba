#include "core/metadata/replay.h"

#include <fmt/format.h>
#include <utility>
#include <variant>

#include "core/metadata/delta.h"

namespace millrace::metadata {

Replay::Replay(ImagePtr start)
    : image_(std::move(start)), offset_(image_->offset), epoch_(image_->epoch) {}
Replay::Replay(Replay&&) noexcept = default;
Replay& Replay::operator=(Replay&&) noexcept = default;
Replay::~Replay() = default;

Delta& Replay::delta() {
    if (delta_ == nullptr) delta_ = std::make_unique<Delta>(*image_);
    return *delta_;
}

Result<> Replay::apply(const VersionedRecord& record, std::int64_t offset, std::int32_t epoch) {
    auto out_of_place = [&](std::string_view why) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("{} at offset {}: {}", name_of(record.message), offset, why));
    };
    const MetadataRecord& message = record.message;
    if (std::holds_alternative<BeginTransactionRecord>(message)) {
        if (transaction_start_) {
            return out_of_place(
                fmt::format("the transaction at {} is still open", *transaction_start_));
        }
        image();  // of what is before, which stays as it is until the transaction ends
        transaction_start_ = offset;
    } else if (std::holds_alternative<AbortTransactionRecord>(message)) {
        if (!transaction_start_) return out_of_place("there is no open transaction");
        transaction_start_.reset();
        transaction_.clear();
    } else if (std::holds_alternative<EndTransactionRecord>(message)) {
        if (!transaction_start_) return out_of_place("there is no open transaction");
        transaction_start_.reset();
        for (const VersionedRecord& held : std::exchange(transaction_, {})) {
            RETURN_IF_ERROR(delta().apply(held.message));
        }
    } else if (transaction_start_) {
        transaction_.push_back(record);
    } else if (!std::holds_alternative<NoOpRecord>(message)) {
        if (Result<> applied = delta().apply(message); !applied)
            return out_of_place(applied.error().message);
    }
    offset_ = offset;
    epoch_ = epoch;
    return {};
}

Result<> Replay::apply(Bytes value, std::int64_t offset, std::int32_t epoch) {
    ASSIGN_OR_RETURN(VersionedRecord record, decode(value));
    return apply(record, offset, epoch);
}

ImagePtr Replay::image() {
    if (delta_ != nullptr) {
        image_ = std::make_shared<const Image>(std::move(*delta_).finish(offset_, epoch_));
        delta_ = nullptr;
    } else if (image_->offset != offset_ && !transaction_start_) {
        auto image = std::make_shared<Image>(*image_);
        image->offset = offset_;
        image->epoch = epoch_;
        image_ = std::move(image);
    }
    return image_;
}

}  // namespace millrace::metadata
