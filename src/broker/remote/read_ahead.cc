#include "broker/remote/read_ahead.h"

#include <algorithm>

#include "records/batch.h"

namespace millrace::broker {

using storage::Offset;

namespace {

// So many readers of a partition are followed.
constexpr std::size_t most_expected = 16;

}  // namespace

ByteBudget::Share ByteBudget::take(std::uint64_t least, std::uint64_t wanted, std::uint64_t most) {
    std::uint64_t bytes = std::min(wanted, most - std::min(most, used_));
    if (bytes == 0 || bytes < least) return {};
    used_ += bytes;
    return {*this, bytes};
}

RemoteCut cut_for(const RemoteReadRequest& request, const RemoteBatches& batches) {
    RemoteCut cut{.next = request.offset};
    BatchReader reader(batches.records.bytes());
    std::size_t begin = 0;
    std::size_t end = 0;
    for (;;) {
        std::size_t position = reader.position();
        auto batch = reader.next();
        if (!batch || !*batch) break;
        if ((*batch)->last_offset() < request.offset) continue;
        std::size_t size = reader.position() - position;
        bool first = cut.first_batch_size == 0;
        if (first) {
            begin = end = position;
            cut.first_batch_size = size;
            cut.base = (*batch)->base_offset();
            cut.position = batches.position + position;
        }
        bool fits = reader.position() - begin <= request.max_bytes;
        if (!fits && !(first && request.whole_first_batch)) break;
        end = reader.position();
        cut.next = (*batch)->next_offset();
    }
    cut.records = batches.records.slice(begin, end - begin);
    return cut;
}

ReadAhead::Chunk ReadAhead::find(Offset offset) const {
    auto found =
        std::ranges::find_if(chunks_, [&](const Chunk& each) { return each->covers(offset); });
    if (found == chunks_.end()) return nullptr;
    (*found)->used = true;
    return *found;
}

ReadAhead::Chunk ReadAhead::add(Offset from, ByteBudget::Share share) {
    return chunks_.emplace_back(std::make_shared<RemoteChunk>(from, std::move(share)));
}

std::uint64_t ReadAhead::window_at(Offset offset) const {
    auto found = std::ranges::find(expected_, offset, &Expected::offset);
    return found == expected_.end() ? 0 : found->window;
}

void ReadAhead::passed(Offset from, Offset to) {
    std::uint64_t window = window_at(from);
    std::erase_if(expected_,
                  [&](const Expected& each) { return each.offset == from || each.offset == to; });
    if (expected_.size() == most_expected) expected_.erase(expected_.begin());
    expected_.push_back({to, window == 0 ? first_window : std::min(2 * window, largest_window)});
}

ReadAhead::Reach ReadAhead::reach(Offset offset) const {
    Reach reach{.end = offset};
    for (;;) {
        Chunk chunk = find(reach.end);
        if (!chunk) return reach;
        if (!chunk->result) {
            reach.goes_on = true;
            return reach;
        }
        if (!*chunk->result || (*chunk->result)->next <= reach.end) return reach;
        const RemoteBatches& batches = **chunk->result;
        // Of the piece that he is in only the rest.
        RemoteReadRequest whole{.offset = reach.end, .max_bytes = batches.records.size()};
        reach.bytes += cut_for(whole, batches).records.size();
        reach.end = batches.next;
    }
}

void ReadAhead::keep_unclaimed(std::size_t most) {
    auto unclaimed = [](const Chunk& each) {
        return each->result && each->waiting == 0 && each->share.bytes() == 0;
    };
    auto count = static_cast<std::size_t>(std::ranges::count_if(chunks_, unclaimed));
    std::erase_if(chunks_, [&](const Chunk& each) {
        if (count <= most || !unclaimed(each)) return false;
        --count;
        return true;
    });
}

void ReadAhead::sweep() {
    std::erase_if(chunks_, [](const Chunk& each) {
        bool idle = each->result && each->waiting == 0 && !each->used;
        each->used = false;
        return idle;
    });
}

}  // namespace millrace::broker
