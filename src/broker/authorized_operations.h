#pragma once

#include <cstdint>
#include <initializer_list>

namespace millrace::broker {

// Bit sets of AclOperation codes that answers give when asked for authorized operations. Without
// an authorizer every operation that the resource knows is allowed.
constexpr std::int32_t operations(std::initializer_list<int> codes) {
    std::int32_t bits = 0;
    for (int code : codes) bits |= 1 << code;
    return bits;
}
inline constexpr std::int32_t topic_operations = operations({3, 4, 5, 6, 7, 8, 10, 11});
inline constexpr std::int32_t group_operations = operations({3, 6, 8, 10, 11});
inline constexpr std::int32_t cluster_operations = operations({5, 7, 8, 9, 10, 11, 12});

}  // namespace millrace::broker
