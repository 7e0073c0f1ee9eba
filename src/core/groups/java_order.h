#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/java_hash.h"
#include "base/uuid.h"

namespace millrace::groups {

// Apache Kafka's assignors go through hash tables of Java, and who comes first gets more. The same
// order here keeps partitions where they are when a coordinator moves from one to the other. Keys
// of one bucket stay in the order they are in.

inline std::uint32_t table_hash(std::string_view text) {
    return static_cast<std::uint32_t>(java_hash(text));
}
inline std::uint32_t table_hash(const Uuid& id) {
    std::uint64_t both = id.high ^ id.low;
    return static_cast<std::uint32_t>(both >> 32U) ^ static_cast<std::uint32_t>(both);
}
inline std::uint32_t table_hash(std::int32_t number) { return static_cast<std::uint32_t>(number); }

// Buckets of a table that grew to so many entries one by one, and of a copy of a collection.
std::size_t grown_table(std::size_t entries);
std::size_t copied_table(std::size_t entries);

inline std::size_t table_bucket(std::uint32_t hash, std::size_t buckets) {
    return (hash ^ (hash >> 16U)) & (buckets - 1);
}

// In which slot of Apache Kafka's own hash table, of so many entries, a hash lies.
std::size_t timeline_slot(std::uint32_t hash, std::size_t entries);

// The keys of a table of Apache Kafka's own (its timeline hash map) in the order in which it goes
// through them. That depends on how many it ever had: it does not become smaller.
class TimelineTable {
  public:
    // Also for a key that it has: Apache Kafka makes room before it looks for one.
    void put(const std::string& key);
    void remove(const std::string& key);
    std::vector<std::string> keys() const;

  private:
    std::vector<std::string>& slot_of(const std::string& key);

    std::vector<std::vector<std::string>> slots_{2};  // each has its keys in the order they came
    std::size_t size_ = 0;
};

// In the order of what `place(element)` gives, elsewhere as they were.
template <typename T, typename Place>
void put_in_order_of_places(std::vector<T>& elements, Place place) {
    std::vector<std::pair<std::size_t, std::size_t>> places;
    places.reserve(elements.size());
    for (const T& element : elements) places.emplace_back(place(element), places.size());
    std::ranges::sort(places);
    std::vector<T> ordered;
    ordered.reserve(elements.size());
    for (const auto& [at, index] : places) ordered.push_back(std::move(elements[index]));
    elements = std::move(ordered);
}

// `key(element)` is what the table has.
template <typename T, typename Key>
void put_in_table_order(std::vector<T>& elements, std::size_t buckets, Key key) {
    put_in_order_of_places(elements, [&](const T& element) {
        return table_bucket(table_hash(key(element)), buckets);
    });
}

template <typename T, typename Key>
void put_in_timeline_order(std::vector<T>& elements, Key key) {
    put_in_order_of_places(elements, [&](const T& element) {
        return timeline_slot(table_hash(key(element)), elements.size());
    });
}

}  // namespace millrace::groups
