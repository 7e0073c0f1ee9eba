#include "env/sim/inode.h"

#include <algorithm>
#include <cstring>

namespace millrace::env::sim {

std::size_t Content::read(std::uint64_t offset, MutableBytes into) const {
    if (offset >= bytes_.size()) return 0;
    std::size_t count = std::min<std::uint64_t>(into.size(), bytes_.size() - offset);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
    return count;
}

std::vector<std::uint8_t> Content::page(std::uint64_t number) const {
    std::vector<std::uint8_t> copy(page_size);
    read(number * page_size, copy);
    return copy;
}

void Content::touch(std::uint64_t first_page, std::uint64_t end_page) {
    ++version_;
    for (std::uint64_t number = first_page; number < end_page; ++number) {
        auto [entry, is_new] = unsynced_.try_emplace(number);
        if (is_new) entry->second.before = page(number);
        entry->second.version = version_;
        entry->second.abandoned = false;
    }
}

void Content::write(std::uint64_t offset, Bytes bytes) {
    if (bytes.empty()) return;
    std::uint64_t end = offset + bytes.size();
    touch(offset / page_size, (end + page_size - 1) / page_size);
    if (end > bytes_.size()) bytes_.resize(end);
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
}

void Content::truncate(std::uint64_t size) {
    if (size < bytes_.size()) {
        touch(size / page_size, (bytes_.size() + page_size - 1) / page_size);
        if (size < synced_size_) {
            cut_to_ = std::min(size, cut_to_.value_or(size));
            cut_version_ = version_;
        }
    }
    bytes_.resize(size);
}

void Content::flip_bit(std::uint64_t offset, unsigned bit) {
    CHECK(offset < bytes_.size());
    bytes_[offset] ^= static_cast<std::uint8_t>(1U << (bit % 8));
}

Content::Pending Content::begin_sync() const {
    Pending pending;
    pending.version = version_;
    pending.size = bytes_.size();
    for (const auto& [number, state] : unsynced_) {
        if (!state.abandoned) pending.pages.emplace(number, page(number));
    }
    return pending;
}

void Content::end_sync(Pending pending) {
    for (auto& [number, synced] : pending.pages) {
        auto entry = unsynced_.find(number);
        if (entry == unsynced_.end() || entry->second.abandoned) continue;
        if (entry->second.version <= pending.version) {
            unsynced_.erase(entry);
        } else {
            entry->second.before = std::move(synced);
        }
    }
    synced_size_ = pending.size;
    if (cut_version_ <= pending.version) cut_to_.reset();
}

void Content::fail_sync(const Pending& pending) {
    for (const auto& [number, state] : pending.pages) {
        auto entry = unsynced_.find(number);
        if (entry != unsynced_.end() && entry->second.version <= pending.version) {
            entry->second.abandoned = true;
        }
    }
}

void Content::lose_power(Random& random, double torn) {
    if (cut_to_ && random.chance(0.5)) {
        // The cut never reached the device, nor what was written after it.
        bytes_.resize(synced_size_);
        for (const auto& [number, state] : unsynced_) {
            std::uint64_t start = number * page_size;
            if (start >= synced_size_) continue;
            std::uint64_t count = std::min(page_size, synced_size_ - start);
            std::copy_n(state.before.begin(), count,
                        bytes_.begin() + static_cast<std::ptrdiff_t>(start));
        }
    } else {
        restore(random, torn);
    }
    synced_size_ = bytes_.size();
    unsynced_.clear();
    cut_to_.reset();
}

void Content::restore(Random& random, double torn) {
    std::uint64_t low = std::min({bytes_.size(), synced_size_, cut_to_.value_or(synced_size_)});
    std::uint64_t choice = random.below(3);
    std::uint64_t size = bytes_.size();
    if (choice == 0) size = low;
    if (choice == 1) size = low + random.below(size - low + 1);
    // Sometimes nothing, sometimes nearly all was on its way to the device.
    double kept = random.unit();
    for (auto& [number, state] : unsynced_) {
        std::uint64_t start = number * page_size;
        if (start >= bytes_.size()) continue;
        std::uint64_t new_bytes = 0;  // as many at the start of the page were written
        if (!state.abandoned && random.chance(kept)) {
            if (!random.chance(torn)) continue;
            new_bytes = sector_size * random.below(page_size / sector_size);
        }
        std::uint64_t count = std::min(page_size, bytes_.size() - start);
        for (std::uint64_t i = new_bytes; i < count; ++i) {
            // What lay behind a cut was freed: its place reads as zeros.
            bool freed = cut_to_ && start + i >= *cut_to_;
            bytes_[start + i] = freed ? 0 : state.before[i];
        }
    }
    bytes_.resize(size);
}

}  // namespace millrace::env::sim
