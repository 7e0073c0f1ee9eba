#include "quorum/record_batches.h"

#include <fmt/format.h>
#include <utility>

#include "records/record.h"

namespace millrace::quorum {

RecordBatches::RecordBatches(const BatchOptions& options, Timestamp timestamp,
                             std::size_t max_bytes, Sink sink)
    : builder_(options), timestamp_(timestamp), max_bytes_(max_bytes), sink_(std::move(sink)) {}

Result<> RecordBatches::add(const metadata::VersionedRecord& record) {
    ASSIGN_OR_RETURN(Slice value, metadata::encode(record));
    std::size_t more = BatchBuilder::record_size_bound(std::nullopt, value.bytes());
    if (!builder_.empty() && builder_.size() + more > max_bytes_)
        RETURN_IF_ERROR(sink_(builder_.build()));
    builder_.append(timestamp_, std::nullopt, value.bytes());
    return {};
}

Result<> RecordBatches::finish() {
    if (builder_.empty()) return {};
    return sink_(builder_.build());
}

Result<> visit_records(const BatchView& batch, std::int64_t from, const RecordVisitor& visit) {
    return for_each_record(batch, [&](const Record& record) -> Result<> {
        if (record.offset < from) return {};
        if (!record.value) {
            return fail(
                ErrorCode::invalid_record,
                fmt::format("the metadata record at offset {} has no value", record.offset));
        }
        auto decoded = metadata::decode(*record.value);
        if (!decoded) {
            return fail(decoded.error().code,
                        fmt::format("offset {}: {}", record.offset, decoded.error().message));
        }
        return visit(*std::move(decoded), record.offset);
    });
}

}  // namespace millrace::quorum
