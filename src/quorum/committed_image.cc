#include "quorum/committed_image.h"

#include <algorithm>
#include <utility>

namespace millrace::quorum {
namespace {

LogContents beginning_with(metadata::ImagePtr image) {
    LogContents contents;
    contents.snapshot = std::move(image);
    contents.image = contents.snapshot;
    return contents;
}

}  // namespace

CommittedImage::CommittedImage(storage::Log& log, LogContents opened, std::int64_t snapshot_end,
                               std::int64_t end)
    : log_(log),
      opened_(std::move(opened)),
      opened_end_(end),
      contents_(beginning_with(opened_->snapshot)),
      reader_(log, snapshot_end, contents_) {}

void CommittedImage::resume(metadata::ImagePtr image, std::int64_t next) {
    opened_.reset();
    contents_ = beginning_with(std::move(image));
    reader_ = LogReader(log_, next, contents_);
}

void CommittedImage::truncated(std::int64_t end) {
    if (end < opened_end_) opened_.reset();
}

Result<std::optional<Published>> CommittedImage::advance(std::int64_t high_watermark) {
    std::uint64_t bytes_before = contents_.bytes_behind_snapshot;
    metadata::ImagePtr image_before = contents_.image;
    if (opened_ && high_watermark >= opened_end_ && next() < opened_end_) {
        contents_ = *std::exchange(opened_, std::nullopt);
        reader_ = LogReader(log_, opened_end_, contents_);
    } else if (next() < std::min(high_watermark, log_.end_offset())) {
        RETURN_IF_ERROR(reader_.read_piece(high_watermark));
    } else {
        return std::nullopt;
    }
    if (contents_.image == image_before) return std::nullopt;
    return Published{contents_.image, contents_.bytes_behind_snapshot - bytes_before,
                     contents_.last_timestamp};
}

Result<LogContents> CommittedImage::contents_at(std::int64_t end) {
    std::uint64_t counted = contents_.bytes_behind_snapshot;
    if (opened_ && opened_end_ == end) {
        LogContents contents = *std::exchange(opened_, std::nullopt);
        contents.bytes_behind_snapshot -= counted;
        return contents;
    }
    LogContents contents = contents_;
    contents.snapshot = contents.image;
    contents.bytes_behind_snapshot = 0;
    log_.write_queued();
    LogReader tail(log_, next(), contents);
    RETURN_IF_ERROR(tail.read_to(end));
    return contents;
}

}  // namespace millrace::quorum
