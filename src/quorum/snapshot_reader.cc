#include "quorum/snapshot_reader.h"

#include "quorum/control_records.h"

namespace millrace::quorum {
namespace {

std::unexpected<Error> headless() {
    return fail(ErrorCode::kafka_storage_error, "it does not begin with a snapshot's header");
}

}  // namespace

Result<> SnapshotReader::take(const BatchView& batch) {
    RETURN_IF_ERROR(batch.verify_crc());
    if (batch.is_control()) return take_control(batch);
    if (!begun_) return headless();
    RETURN_IF_ERROR(visit_records(batch, 0, visit_));
    contents_.last = {batch.last_offset(), batch.leader_epoch()};
    contents_.written = batch.max_timestamp();
    return {};
}

Result<> SnapshotReader::take_control(const BatchView& batch) {
    ASSIGN_OR_RETURN(ControlValues values, read_control_batch(batch));
    if (values.last_contained) contents_.last_contained = *values.last_contained;
    begun_ = begun_ || values.last_contained;
    if (!begun_) return headless();
    if (!values.kraft_versions.empty())
        contents_.facts.kraft_version = values.kraft_versions.back().value;
    if (!values.voters.empty()) contents_.facts.voters = values.voters.back().value;
    whole_ = values.footer;
    return {};
}

}  // namespace millrace::quorum
