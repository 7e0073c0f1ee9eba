#pragma once

#include <algorithm>
#include <cstdint>
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

// `key(element)` is what the table has.
template <typename T, typename Key>
void put_in_table_order(std::vector<T>& elements, std::size_t buckets, Key key) {
    std::vector<std::pair<std::size_t, std::size_t>> places;  // by bucket, then as they were
    places.reserve(elements.size());
    for (const T& element : elements) {
        std::uint32_t hash = table_hash(key(element));
        places.emplace_back((hash ^ (hash >> 16U)) & (buckets - 1), places.size());
    }
    std::ranges::sort(places);
    std::vector<T> ordered;
    ordered.reserve(elements.size());
    for (const auto& [bucket, index] : places) ordered.push_back(std::move(elements[index]));
    elements = std::move(ordered);
}

}  // namespace millrace::groups
