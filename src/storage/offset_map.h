#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/siphash.h"
#include "storage/offset.h"

namespace millrace::storage {

// The last offset of each key of a log's dirty section, in bounded memory: 24 bytes a slot, as in
// Apache's SkimpyOffsetMap, of which a key takes 16 as a hash.
//
// Two keys with one hash would lose the older one's record. The hash is a keyed pseudo-random
// function and the seed is secret, so nobody can choose such keys; by chance, among the 5.6 million
// keys that 128 MiB hold, it happens once in 2^83 maps.
//
// Robin Hood hashing: a look-up ends at the first entry that is nearer to its home than the key
// would be, so that even at a load of 0.9 it rarely leaves two cache lines.
class OffsetMap {
  public:
    static constexpr std::size_t slot_size = 24;

    // Takes at most `memory` bytes, a part `load_factor` of which it fills: at least two keys.
    OffsetMap(std::size_t memory, double load_factor, const Hash128& seed);

    Hash128 hash(Bytes key) const { return siphash128(seed_, key); }
    // Fetches what put() and find() of this key will look at.
    void prefetch(const Hash128& hash) const { __builtin_prefetch(&slots_[home(hash)]); }

    // False when a new key has no room; nothing has changed then.
    bool put(const Hash128& hash, Offset offset);
    std::optional<Offset> find(const Hash128& hash) const;

    std::size_t size() const { return size_; }
    std::size_t slots() const { return slot_count_; }
    std::size_t capacity() const { return capacity_; }

  private:
    struct Slot {
        Hash128 hash;
        std::int64_t next = 0;  // the offset and one; 0 where the slot is empty
    };
    static_assert(sizeof(Slot) == slot_size);
    struct Free {
        void operator()(Slot* slots) const;
    };

    // Ascends with the hash.
    std::size_t home(const Hash128& hash) const {
        return static_cast<std::size_t>((static_cast<unsigned __int128>(hash.low) * slot_count_) >>
                                        64U);
    }
    std::size_t next(std::size_t at) const { return at + 1 == slot_count_ ? 0 : at + 1; }
    // How far the entry in a slot is from its home.
    std::size_t distance(std::size_t at) const {
        std::size_t from = home(slots_[at].hash);
        return at >= from ? at - from : at + slot_count_ - from;
    }

    Hash128 seed_;
    std::size_t slot_count_;
    std::size_t capacity_;
    std::size_t size_ = 0;
    std::unique_ptr<Slot[], Free> slots_;
};

}  // namespace millrace::storage
