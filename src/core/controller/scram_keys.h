#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace millrace::controller {

// A SASL mechanism of RFC 5802, by the code of the metadata log.
struct ScramMechanism {
    std::string_view name;  // "SCRAM-SHA-256"
    std::string_view java_name;
    std::int8_t code = 0;
    std::int32_t min_iterations = 0;
    std::size_t digest_size = 0;
};
inline constexpr std::int32_t max_scram_iterations = 16384;
std::span<const ScramMechanism> scram_mechanisms();
const ScramMechanism* find_scram_mechanism(std::int8_t code);  // nullptr for others

// PBKDF2 (RFC 2898), which takes a time in proportion to the iterations.
std::vector<std::uint8_t> salted_password(const ScramMechanism& mechanism,
                                          std::string_view password, Bytes salt,
                                          std::int32_t iterations);

// What a server keeps of a salted password, which must not be empty.
struct ScramKeys {
    Slice stored_key;
    Slice server_key;
};
ScramKeys scram_keys(const ScramMechanism& mechanism, Bytes salted_password);

}  // namespace millrace::controller
