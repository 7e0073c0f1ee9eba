#include "core/share/state_batches.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace millrace::share {
namespace {

bool says_the_same(const StateBatch& a, const StateBatch& b) {
    return a.state == b.state && a.delivery_count == b.delivery_count;
}

// By first offset; none overlaps another.
using ByFirst = std::map<Offset, StateBatch>;

void cut(ByFirst& batches, Offset at) {
    auto found = batches.upper_bound(at);
    if (found == batches.begin()) return;
    --found;
    if (found->first == at || found->second.last < at) return;
    StateBatch rest = found->second;
    found->second.last = at - 1;
    rest.first = at;
    batches.emplace(at, rest);
}

}  // namespace

std::vector<StateBatch> combined(const std::vector<StateBatch>& known,
                                 const std::vector<StateBatch>& added, Offset start) {
    std::vector<StateBatch> all = known;
    all.insert(all.end(), added.begin(), added.end());
    std::erase_if(all, [&](const StateBatch& batch) {
        return batch.last < start || batch.last == std::numeric_limits<Offset>::max();
    });
    for (StateBatch& batch : all) batch.first = std::max(batch.first, start);
    std::ranges::sort(all, {}, [](const StateBatch& batch) {
        return std::tuple(batch.delivery_count, batch.state);
    });
    ByFirst laid;
    for (const StateBatch& batch : all) {
        if (batch.last < batch.first) continue;
        cut(laid, batch.first);
        cut(laid, batch.last + 1);
        laid.erase(laid.lower_bound(batch.first), laid.upper_bound(batch.last));
        laid.emplace(batch.first, batch);
    }
    std::vector<StateBatch> result;
    for (const auto& [first, batch] : laid) {
        bool goes_on = !result.empty() && result.back().last + 1 == batch.first &&
                       says_the_same(result.back(), batch);
        if (goes_on) {
            result.back().last = batch.last;
        } else {
            result.push_back(batch);
        }
    }
    return result;
}

}  // namespace millrace::share
