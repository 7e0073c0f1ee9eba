#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include "base/time.h"
#include "core/quotas/limits.h"

namespace millrace::quotas {

// Something that counts, by whom it counts for. A Counter says with is_at_rest(Time) that a new one
// would say the same: such ones are forgotten once there are many, and after an hour.
template <typename Counter, typename Key = Counted>
class Counters {
  public:
    // `make(const Key&) -> Counter` where there is none.
    template <typename Make>
    Counter& of(const Key& key, Time now, Make make) {
        auto found = entries_.find(key);
        if (found == entries_.end()) {
            if (entries_.size() >= room_ || now - swept_ >= idle) sweep(now);
            found = entries_.try_emplace(key, Entry{make(key), now}).first;
        }
        found->second.last = now;
        return found->second.counter;
    }
    std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        Counter counter;
        Time last;
    };
    static constexpr std::size_t few = 1000;
    static constexpr Duration idle = Duration::seconds(3600);

    void sweep(Time now) {
        bool many = entries_.size() >= room_;
        std::erase_if(entries_, [&](auto& each) {
            return (many || now - each.second.last >= idle) && each.second.counter.is_at_rest(now);
        });
        room_ = entries_.size() * 2 > few ? entries_.size() * 2 : few;
        swept_ = now;
    }

    std::map<Key, Entry> entries_;
    std::size_t room_ = few;
    Time swept_;
};

}  // namespace millrace::quotas
