#pragma once

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>

#include "base/time.h"
#include "tls/settings.h"

namespace millrace::tls {

inline constexpr Timestamp summer_2026 = 1782000000000;

inline std::string test_file(const std::string& name) {
    std::ifstream in(std::string(MILLRACE_SOURCE_DIR "/src/tls/testdata/") + name,
                     std::ios::binary);
    EXPECT_TRUE(in.good()) << name;
    return {std::istreambuf_iterator<char>(in), {}};
}

// Certificates of testdata/, as texts in PEM: no disk is needed.
inline Settings pem_settings(const std::string& identity, const std::string& trusted) {
    Settings settings;
    if (!identity.empty()) {
        settings.keys.type = StoreType::pem;
        settings.keys.pem = test_file(identity);
    }
    if (!trusted.empty()) {
        settings.trusted.type = StoreType::pem;
        settings.trusted.pem = test_file(trusted);
    }
    return settings;
}

}  // namespace millrace::tls
