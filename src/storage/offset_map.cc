#include "storage/offset_map.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"

namespace millrace::storage {

void OffsetMap::Free::operator()(Slot* slots) const { std::free(slots); }

OffsetMap::OffsetMap(std::size_t memory, double load_factor, const Hash128& seed)
    : seed_(seed),
      slot_count_(std::max<std::size_t>(memory / slot_size, 4)),
      capacity_(std::clamp<std::size_t>(
          static_cast<std::size_t>(static_cast<double>(slot_count_) * load_factor), 2,
          slot_count_ - 1)),
      // Pages that are never written take no memory.
      slots_(static_cast<Slot*>(std::calloc(slot_count_, sizeof(Slot)))) {
    CHECK(slots_ != nullptr);
}

bool OffsetMap::put(const Hash128& hash, Offset offset) {
    std::size_t at = home(hash);
    std::size_t away = 0;
    while (slots_[at].next != 0 && distance(at) >= away) {
        if (slots_[at].hash == hash) {
            slots_[at].next = offset + 1;
            return true;
        }
        at = next(at);
        ++away;
    }
    if (size_ >= capacity_) return false;
    ++size_;
    Slot carried{hash, offset + 1};
    while (slots_[at].next != 0) {
        std::size_t there = distance(at);
        if (there < away) {
            std::swap(carried, slots_[at]);
            away = there;
        }
        at = next(at);
        ++away;
    }
    slots_[at] = carried;
    return true;
}

std::optional<Offset> OffsetMap::find(const Hash128& hash) const {
    std::size_t at = home(hash);
    std::size_t away = 0;
    while (slots_[at].next != 0 && distance(at) >= away) {
        if (slots_[at].hash == hash) return slots_[at].next - 1;
        at = next(at);
        ++away;
    }
    return std::nullopt;
}

}  // namespace millrace::storage
