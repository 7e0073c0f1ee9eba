#include "broker/partitions/replicated_append.h"

#include "records/batch.h"

namespace millrace::broker {

Result<storage::Appended> append_replicated(storage::Log& log, Slice batches) {
    storage::Offset start = log.next_offset();
    BatchReader reader(batches.bytes());
    ASSIGN_OR_RETURN(auto first, reader.next());
    bool within = first && log.local_start_offset() == start && first->base_offset() < start &&
                  first->next_offset() > start;
    if (!within) return log.append_as_follower(std::move(batches));
    RETURN_IF_ERROR(log.truncate_fully(first->base_offset()));
    ASSIGN_OR_RETURN(storage::Appended appended, log.append_as_follower(std::move(batches)));
    log.write_queued();
    RETURN_IF_ERROR(log.advance_start(start));
    return appended;
}

}  // namespace millrace::broker
