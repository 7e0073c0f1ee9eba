#include "storage/cleaned_transactions.h"

#include <algorithm>

#include "records/record.h"

namespace millrace::storage {

CleanedTransactions::CleanedTransactions(std::vector<AbortedTransaction> aborted)
    : aborted_(std::move(aborted)) {
    std::ranges::sort(aborted_, {}, &AbortedTransaction::first_offset);
}

void CleanedTransactions::open_up_to(Offset offset) {
    for (; next_ < aborted_.size() && aborted_[next_].first_offset <= offset; ++next_) {
        const AbortedTransaction& begun = aborted_[next_];
        auto [open, fresh] = open_aborted_.try_emplace(begun.producer_id, Open{begun});
        if (!fresh && open->second.transaction.last_offset < begun.first_offset) {
            open->second = Open{begun};
        }
    }
}

bool CleanedTransactions::take_data(const BatchView& batch) {
    open_up_to(batch.last_offset());
    if (!batch.is_transactional()) return false;
    auto aborted = open_aborted_.find(batch.producer_id());
    // A marker that is gone, with its segment, has ended it.
    bool over = aborted != open_aborted_.end() &&
                aborted->second.transaction.last_offset < batch.base_offset();
    if (over) open_aborted_.erase(aborted);
    if (over || aborted == open_aborted_.end()) {
        open_committed_.insert(batch.producer_id());
        return false;
    }
    aborted->second.seen = true;
    return true;
}

Result<CleanedTransactions::Marker> CleanedTransactions::take_control(const BatchView& batch) {
    open_up_to(batch.last_offset());
    if (batch.count() == 0) return Marker{.discardable = true};
    RecordReader records(batch);
    ASSIGN_OR_RETURN(const Record* record, records.next());
    ASSIGN_OR_RETURN(ControlType type, control_type(*record));
    if (type == ControlType::commit) {
        return Marker{.discardable = open_committed_.erase(batch.producer_id()) == 0};
    }
    if (type != ControlType::abort) return Marker{};
    auto aborted = open_aborted_.extract(batch.producer_id());
    bool seen = !aborted.empty() && aborted.mapped().seen &&
                aborted.mapped().transaction.last_offset >= batch.base_offset();
    if (!seen) return Marker{.discardable = true};
    return Marker{.aborted = aborted.mapped().transaction};
}

}  // namespace millrace::storage
