#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::config {

// A key of Apache's nodes that has nothing to act on here (one line of
// schema/config/ignored_broker_configs.tsv).
struct IgnoredBrokerKey {
    // What becomes of a value that is not the default.
    enum class How : std::uint8_t {
        silent,   // nothing that anyone would miss
        told,     // a warning
        refused,  // going on without it would be worse than not starting
    };
    std::string_view name;  // "sasl.*" stands for all that begin so
    How how = How::silent;
    std::string_view why;

    bool covers(std::string_view key) const {
        if (!name.ends_with('*')) return key == name;
        return key.starts_with(name.substr(0, name.size() - 1));
    }
};
std::span<const IgnoredBrokerKey> ignored_broker_keys();

}  // namespace millrace::config
