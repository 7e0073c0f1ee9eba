#include "core/groups/java_order.h"

#include <bit>

namespace millrace::groups {
namespace {

constexpr std::size_t least_buckets = 16;

std::size_t slot_among(std::uint32_t hash, std::size_t slots) {
    constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15U;  // Knuth's Fibonacci hashing
    auto extended = static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(hash)});
    return (extended * multiplier) >> (64 - std::countr_zero(slots));
}

}  // namespace

std::size_t grown_table(std::size_t entries) {
    std::size_t buckets = least_buckets;
    while (entries > buckets * 3 / 4) buckets *= 2;
    return buckets;
}

std::size_t copied_table(std::size_t entries) {
    return std::bit_ceil(std::max(entries * 4 / 3 + 1, least_buckets));
}

std::size_t timeline_slot(std::uint32_t hash, std::size_t entries) {
    std::size_t slots = 2;
    while (entries * 3 > slots * 4) slots *= 2;
    return slot_among(hash, slots);
}

std::vector<std::string>& TimelineTable::slot_of(const std::string& key) {
    return slots_[slot_among(table_hash(key), slots_.size())];
}

void TimelineTable::put(const std::string& key) {
    if ((size_ + 1) * 3 > slots_.size() * 4) {
        std::vector<std::vector<std::string>> before(slots_.size() * 2);
        std::swap(before, slots_);
        for (auto& slot : before) {
            for (std::string& each : slot) {
                std::vector<std::string>& to = slot_of(each);
                to.push_back(std::move(each));
            }
        }
    }
    std::vector<std::string>& slot = slot_of(key);
    if (std::ranges::find(slot, key) != slot.end()) return;
    slot.push_back(key);
    ++size_;
}

void TimelineTable::remove(const std::string& key) { size_ -= std::erase(slot_of(key), key); }

std::vector<std::string> TimelineTable::keys() const {
    std::vector<std::string> keys;
    keys.reserve(size_);
    for (const auto& slot : slots_) keys.insert(keys.end(), slot.rbegin(), slot.rend());
    return keys;
}

}  // namespace millrace::groups
