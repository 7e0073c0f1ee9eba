#pragma once

#include <span>
#include <string_view>

namespace millrace::config {

// A key of Apache's Java client that has nothing to act on here (one line of
// schema/config/ignored_client_configs.tsv).
struct IgnoredKey {
    std::string_view name;    // "sasl.*" stands for all that begin so
    std::string_view client;  // "producer", "consumer", "admin"; empty: all three
    bool told = false;        // worth a warning: its value would have changed what is sent or read
    std::string_view why;

    bool covers(std::string_view kind, std::string_view key) const {
        if (!client.empty() && client != kind) return false;
        if (!name.ends_with('*')) return key == name;
        return key.starts_with(name.substr(0, name.size() - 1));
    }
};
std::span<const IgnoredKey> ignored_client_keys();

}  // namespace millrace::config
