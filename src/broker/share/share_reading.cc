#include "broker/share/share_reading.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "env/disk.h"
#include "records/batch.h"
#include "records/record.h"

namespace millrace::broker {

Task<Result<Slice>> in_memory(const Chain& chain) {
    if (chain.empty()) co_return Slice();
    if (chain.pieces().size() == 1) {
        if (const auto* slice = std::get_if<Slice>(&chain.pieces().front())) co_return *slice;
    }
    Buffer buffer(chain.size());
    buffer.resize(chain.size());
    std::size_t filled = 0;
    for (const Chain::Piece& piece : chain.pieces()) {
        MutableBytes rest = buffer.mutable_bytes().subspan(filled);
        if (const auto* slice = std::get_if<Slice>(&piece)) {
            std::memcpy(rest.data(), slice->bytes().data(), slice->size());
            filled += slice->size();
            continue;
        }
        const auto& range = std::get<FileRange>(piece);
        MutableBytes into = rest.subspan(0, range.size);
        bool cached = false;
        Result<std::size_t> count = range.file->read_cached(range.offset, into, cached);
        if (count && !cached) count = co_await range.file->read_cold(range.offset, into);
        if (!count) co_return fail(count.error());
        filled += *count;
        if (*count < range.size) break;
    }
    buffer.resize(filled);
    co_return std::move(buffer).freeze();
}

Result<> walk(Bytes records, const std::optional<std::vector<Fetched::Aborted>>& aborted,
              std::vector<share::OffsetRange>& batches, std::vector<std::size_t>& ends,
              std::vector<share::OffsetRange>& of_aborted) {
    std::vector<Fetched::Aborted> coming = aborted.value_or(std::vector<Fetched::Aborted>());
    std::ranges::sort(coming, {}, &Fetched::Aborted::first_offset);
    auto next = coming.begin();
    std::set<std::int64_t> producers;
    BatchReader reader(records);
    for (;;) {
        ASSIGN_OR_RETURN(std::optional<BatchView> batch, reader.next());
        if (!batch) return {};
        batches.push_back({batch->base_offset(), batch->last_offset()});
        ends.push_back(reader.position());
        if (!batch->has_producer_id()) continue;
        for (; next != coming.end() && next->first_offset <= batch->last_offset(); ++next)
            producers.insert(next->producer_id);
        if (batch->is_control()) {
            if (batch->count() == 0) continue;
            ASSIGN_OR_RETURN(TransactionMarker marker, transaction_marker(*batch));
            if (marker.type == ControlType::abort) producers.erase(batch->producer_id());
        } else if (batch->is_transactional() && producers.contains(batch->producer_id())) {
            of_aborted.push_back(batches.back());
        }
    }
}

}  // namespace millrace::broker
