#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/metadata/sorted_map.h"

namespace millrace::metadata {

// Makes the next version of a SortedMap. Chunks that were copied once are changed in place until
// finish(), so that many changes cost little more than one.
template <typename Key, typename T>
class SortedMapEditor {
  public:
    using Map = SortedMap<Key, T>;
    using Entry = typename Map::Entry;
    using Chunk = typename Map::Chunk;

    explicit SortedMapEditor(Map base) : base_(std::move(base)), size_(base_.size()) {}

    std::size_t size() const { return size_; }

    template <typename Like>
    const T* find(const Like& key) const {
        if (!edited_) return base_.find(key);
        const Entry* entry = locate(key);
        return entry == nullptr ? nullptr : entry->value.get();
    }
    template <typename Like>
    std::shared_ptr<const T> share(const Like& key) const {
        if (!edited_) return base_.share(key);
        const Entry* entry = locate(key);
        return entry == nullptr ? nullptr : entry->value;
    }

    // visit(key, value) for every entry, in order.
    template <typename Visit>
    void for_each(Visit visit) const {
        if (!edited_) {
            for (const Entry& entry : base_) visit(entry.key, *entry.value);
            return;
        }
        for (std::size_t at = 0; at < slots_.size(); ++at) {
            for (const Entry& entry : chunk(at)) visit(entry.key, *entry.value);
        }
    }

    // Adds or replaces, the key too: it may be a view into the value.
    void set(Key key, std::shared_ptr<const T> value) {
        begin_edit();
        if (slots_.empty()) slots_.push_back({nullptr, std::make_shared<Chunk>()});
        std::size_t at = slot_of(key);
        if (at == slots_.size()) {
            --at;
            // Keys that come in order fill their chunks.
            if (chunk(at).size() >= chunk_size)
                slots_.push_back({nullptr, std::make_shared<Chunk>()}), ++at;
        }
        Chunk& entries = own(at);
        auto place = position(entries, key);
        if (place != entries.end() && !(key < place->key)) {
            *place = {std::move(key), std::move(value)};
            return;
        }
        entries.insert(place, {std::move(key), std::move(value)});
        ++size_;
        if (entries.size() > chunk_size) split(at);
    }
    template <typename Like>
    bool erase(const Like& key) {
        if (find(key) == nullptr) return false;
        begin_edit();
        std::size_t at = slot_of(key);
        Chunk& entries = own(at);
        entries.erase(position(entries, key));
        --size_;
        if (entries.empty()) {
            slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(at));
        } else if (entries.size() < chunk_size / 4) {
            if (at + 1 < slots_.size()) merge_with_next(at);
            if (at > 0) merge_with_next(at - 1);
        }
        return true;
    }

    Map finish() && {
        if (!edited_) return std::move(base_);
        auto chunks = std::make_shared<typename Map::Chunks>();
        chunks->reserve(slots_.size());
        for (Slot& slot : slots_) {
            if (slot.owned != nullptr) {
                chunks->push_back(std::move(slot.owned));
            } else {
                chunks->push_back(std::move(slot.shared));
            }
        }
        Map map;
        if (!chunks->empty()) map.chunks_ = std::move(chunks);
        map.size_ = size_;
        return map;
    }

  private:
    static constexpr std::size_t chunk_size = 64;
    // Exactly one of them is set.
    struct Slot {
        std::shared_ptr<const Chunk> shared;
        std::shared_ptr<Chunk> owned;
    };

    const Chunk& chunk(std::size_t at) const {
        const Slot& slot = slots_[at];
        return slot.owned != nullptr ? *slot.owned : *slot.shared;
    }
    Chunk& own(std::size_t at) {
        Slot& slot = slots_[at];
        if (slot.owned == nullptr) {
            slot.owned = std::make_shared<Chunk>();
            slot.owned->reserve(chunk_size + 1);
            *slot.owned = *slot.shared;
            slot.shared = nullptr;
        }
        return *slot.owned;
    }
    void begin_edit() {
        if (edited_) return;
        edited_ = true;
        if (base_.chunks_ == nullptr) return;
        slots_.reserve(base_.chunks_->size() + 1);
        for (const auto& shared : *base_.chunks_) slots_.push_back({shared, nullptr});
    }
    // The first chunk whose last key is not below `key`.
    template <typename Like>
    std::size_t slot_of(const Like& key) const {
        std::size_t low = 0;
        std::size_t high = slots_.size();
        while (low < high) {
            std::size_t middle = (low + high) / 2;
            const Chunk& entries = chunk(middle);
            if (entries.empty() || entries.back().key < key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
    template <typename Like, typename Entries>
    static auto position(Entries& entries, const Like& key) {
        return std::partition_point(entries.begin(), entries.end(),
                                    [&](const Entry& e) { return e.key < key; });
    }
    template <typename Like>
    const Entry* locate(const Like& key) const {
        std::size_t at = slot_of(key);
        if (at == slots_.size()) return nullptr;
        const Chunk& entries = chunk(at);
        auto place = position(entries, key);
        return place == entries.end() || key < place->key ? nullptr : &*place;
    }
    void split(std::size_t at) {
        Chunk& low = *slots_[at].owned;
        auto high = std::make_shared<Chunk>();
        high->reserve(chunk_size + 1);
        auto middle = low.begin() + static_cast<std::ptrdiff_t>(low.size() / 2);
        high->assign(std::make_move_iterator(middle), std::make_move_iterator(low.end()));
        low.erase(middle, low.end());
        slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(at + 1),
                      {nullptr, std::move(high)});
    }
    void merge_with_next(std::size_t at) {
        if (chunk(at).size() + chunk(at + 1).size() > chunk_size / 2) return;
        const Chunk next = chunk(at + 1);
        Chunk& entries = own(at);
        entries.insert(entries.end(), next.begin(), next.end());
        slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(at + 1));
    }

    Map base_;
    std::vector<Slot> slots_;  // meaningful once edited_
    bool edited_ = false;
    std::size_t size_ = 0;
};

}  // namespace millrace::metadata
